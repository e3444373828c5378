/**
 * A real sidecar as a process of its own: the built program, on free ports, with the settings of a test.
 */
import { join } from 'node:path';
import { spawnBound } from './bound-process.ts';
import { repositoryRoot } from './repository.ts';
import { waitFor } from './wait.ts';

export interface Sidecar {
  readonly pid: number;
  /** host:port of the gRPC API. */
  readonly address: string;
  /** http://host:port of the admin server. */
  readonly adminUrl: string;
  /** All that it has written so far. */
  output(): string;
  /** The log lines, parsed. */
  logLines(): Record<string, unknown>[];
  signal(name: NodeJS.Signals): void;
  /** Resolves with the exit code once the process has ended; 128 and the signal's number where one ended it. */
  ended: Promise<number>;
  /** SIGTERM, then waits; SIGKILL when it does not end within 15 s. */
  stop(): Promise<number>;
}

/** Starts the program and waits until it serves (not until it is ready: Redis may be away). */
export async function startSidecar(settings: Record<string, string> = {}): Promise<Sidecar> {
  const program = await spawnBound(process.execPath, [join(repositoryRoot, 'dist', 'main.mjs'), 'serve'], {
    environment: {
      ...environmentWithoutSettings(),
      PANNIER_GRPC_ADDRESS: '127.0.0.1:0',
      PANNIER_ADMIN_ADDRESS: '127.0.0.1:0',
      ...settings,
    },
  });
  let text = '';
  for (const stream of [program.stdout, program.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  let exit: number | undefined;
  void program.ended.then((code) => {
    exit = code;
  });
  const serving = await waitFor('the sidecar serving', () => {
    if (exit !== undefined) {
      return { failure: exit };
    }
    return parseLines(text).find((line) => line.msg === 'serving');
  });
  if ('failure' in serving) {
    throw new Error(`Cannot start a sidecar: it ended with ${exit}:\n${text}`);
  }
  return {
    pid: program.pid,
    address: String(serving.grpc),
    adminUrl: `http://${serving.admin}`,
    output: () => text,
    logLines: () => parseLines(text),
    signal: (name) => program.signal(name),
    ended: program.ended,
    stop: async () => {
      program.signal('SIGTERM');
      const timer = setTimeout(() => program.signal('SIGKILL'), 15_000);
      const code = await program.ended;
      clearTimeout(timer);
      return code;
    },
  };
}

function environmentWithoutSettings(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('PANNIER_'));
  return Object.fromEntries(entries);
}

function parseLines(text: string): Record<string, unknown>[] {
  const parsed: Record<string, unknown>[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('{')) {
      try {
        parsed.push(JSON.parse(line) as Record<string, unknown>);
      } catch {
        // The last line may still be half written.
      }
    }
  }
  return parsed;
}
