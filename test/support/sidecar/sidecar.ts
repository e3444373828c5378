/**
 * Runs the built program as a sidecar in its own process, on free ports and with the settings of a test.
 */
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../repository.ts';
import { waitFor } from '../wait.ts';
import { spawnBound } from './bound-process.ts';

export interface Sidecar {
  readonly pid: number;
  /** host:port of the gRPC API. */
  readonly address: string;
  /** http://host:port of the admin server. */
  readonly adminUrl: string;
  /** Returns everything that the process has written so far. */
  output(): string;
  /** Returns the parsed log lines. */
  logLines(): Record<string, unknown>[];
  signal(name: NodeJS.Signals): void;
  /** Collects garbage, and returns the live bytes in V8's heap and outside of it. */
  liveBytes(): Promise<number>;
  /** Resolves with the exit code, or with 128 plus the number of the signal that ended the process. */
  ended: Promise<number>;
  /** Sends SIGTERM and waits. Sends SIGKILL if the process does not end within 15 s. */
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

/** Command that a container runs: the program with its own flags and without the heap report, which needs memory itself. */
export const AS_IN_A_CONTAINER: readonly string[] = [join(repositoryRoot, 'bin', 'pannier'), 'serve'];

/** Starts the program and waits until it serves. Does not wait until it is ready, because Redis may be down. */
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
    throw new Error(`cannot start a sidecar: it ended with ${exit}:\n${text}`);
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
        // The last line may still be incomplete.
      }
    }
  }
  return parsed;
}
