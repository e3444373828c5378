/**
 * Starts a real sidecar process: the built program on free ports, with the settings of a test.
 */
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../repository.ts';
import { waitFor } from '../wait.ts';
import { spawnBound } from './bound-process.ts';

export interface Sidecar {
  readonly pid: number;
  /** Address of the gRPC API as host:port. */
  readonly address: string;
  /** URL of the admin server as http://host:port. */
  readonly adminUrl: string;
  /** Returns everything that the sidecar has written so far. */
  output(): string;
  /** Returns the parsed log lines. */
  logLines(): Record<string, unknown>[];
  signal(name: NodeJS.Signals): void;
  /** Returns the live bytes after a garbage collection, in the V8 heap and outside it. */
  liveBytes(): Promise<number>;
  /** Resolves with the exit code, which is 128 plus the number of the signal if a signal ended the process. */
  ended: Promise<number>;
  /** Sends SIGTERM and waits until the process has ended. Sends SIGKILL after 15 s. */
  stop(): Promise<number>;
}

const mainFile = join(repositoryRoot, 'dist', 'main.mjs');
const HEAP_REPORT_FLAGS = [
  '--expose-gc',
  '--import',
  join(repositoryRoot, 'test', 'support', 'sidecar', 'heap-report.ts'),
];

/** Returns the command that starts another build of the program. */
export function serveCommand(program: string): readonly string[] {
  return [process.execPath, ...HEAP_REPORT_FLAGS, program, 'serve'];
}

/**
 * Command that runs the program as in a container: with the flags of bin/pannier, and without the heap reporter, which
 * needs memory itself.
 */
export const AS_IN_A_CONTAINER: readonly string[] = [join(repositoryRoot, 'bin', 'pannier'), 'serve'];

/**
 * Starts the program and waits until it accepts calls. The sidecar may not be ready yet, because Redis may be
 * unavailable.
 */
export async function startSidecar(
  settings: Record<string, string> = {},
  [command = '', ...args]: readonly string[] = serveCommand(mainFile),
): Promise<Sidecar> {
  const heapReport = join(mkdtempSync(join(tmpdir(), 'pannier-heap-')), 'report.json');
  const child = await spawnBound(command, args, {
    environment: {
      ...environmentWithoutSettings(),
      HEAP_REPORT_FILE: heapReport,
      PANNIER_GRPC_ADDRESS: '127.0.0.1:0',
      PANNIER_ADMIN_ADDRESS: '127.0.0.1:0',
      ...settings,
    },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  let exit: number | undefined;
  void child.ended.then((code) => {
    exit = code;
  });
  const serving = await waitFor('the sidecar to serve', () => {
    if (exit !== undefined) {
      return { failure: exit };
    }
    return parseLines(text).find((line) => line.msg === 'serving');
  });
  if ('failure' in serving) {
    throw new Error(`cannot start a sidecar: it exited with ${exit}:\n${text}`);
  }
  return {
    pid: child.pid,
    address: String(serving.grpc),
    adminUrl: `http://${serving.admin}`,
    output: () => text,
    logLines: () => parseLines(text),
    signal: (name) => child.signal(name),
    liveBytes: async () => {
      const before = readHeapReport(heapReport).reports;
      child.signal('SIGUSR2');
      return await waitFor('a heap report', () => {
        const report = readHeapReport(heapReport);
        return report.reports > before ? report.liveBytes : undefined;
      });
    },
    ended: child.ended,
    stop: async () => {
      child.signal('SIGTERM');
      const timer = setTimeout(() => child.signal('SIGKILL'), 15_000);
      const code = await child.ended;
      clearTimeout(timer);
      return code;
    },
  };
}

function readHeapReport(path: string): { reports: number; liveBytes: number } {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : { reports: 0, liveBytes: 0 };
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
        // The last line may be incomplete.
      }
    }
  }
  return parsed;
}
