/**
 * A child process whose life is bound to ours: when this process goes, however it goes, the child is killed.
 *
 * Exit handlers are not enough for that: a test runner that is killed, or that ends by force, runs none. So a shell stands between,
 * which reads from a pipe that we hold: the end of the pipe is our end.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

export interface BoundProcess {
  readonly pid: number;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves with the exit code (128 and the number of the signal where one ended it). */
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
          // It ended in this moment.
        }
      }
    },
  };
}
