/**
 * Starts a child process. When this process ends for any reason, a shell kills the child.
 *
 * Exit handlers are not sufficient, because a test runner that is killed or forced to exit does not run them. The shell
 * between the two processes therefore reads from a pipe that this process keeps open, and kills the child once the pipe
 * is closed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

export interface BoundProcess {
  readonly pid: number;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves with the exit code, which is 128 plus the number of the signal if a signal ended the process. */
  readonly ended: Promise<number>;
  signal(name: NodeJS.Signals): void;
}

const SCRIPT = `
exec 4<&0
"$@" </dev/null 4<&- 3>&- &
child=$!
echo "$child" >&3
exec 3>&-
{ read -r _ <&4; kill -9 "$child" 2>/dev/null; } >/dev/null 2>&1 &
reader=$!
exec 4<&-
wait "$child"
code=$?
kill "$reader" 2>/dev/null
exit "$code"
`;

export async function spawnBound(
  command: string,
  args: readonly string[],
  options: { environment?: NodeJS.ProcessEnv; directory?: string } = {},
): Promise<BoundProcess> {
  const shell = spawn('sh', ['-c', SCRIPT, 'sh', command, ...args], {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    ...(options.environment === undefined ? {} : { env: options.environment }),
    ...(options.directory === undefined ? {} : { cwd: options.directory }),
  });
  const ended = once(shell, 'exit').then(([code]) => Number(code ?? -1));
  const [, stdout, stderr, pidPipe] = shell.stdio as unknown as [unknown, Readable, Readable, Readable];
  const [line] = (await once(pidPipe, 'data')) as [Buffer];
  const pid = Number(line.toString().trim());
  let isEnded = false;
  void ended.then(() => {
    isEnded = true;
  });
  return {
    pid,
    stdout,
    stderr,
    ended,
    signal: (name) => {
      if (!isEnded) {
        try {
          process.kill(pid, name);
        } catch {
          // The process ended before it received the signal.
        }
      }
    },
  };
}
