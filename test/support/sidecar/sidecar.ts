/**
 * A real sidecar as a process of its own: the built program, on free ports, with the settings of a test.
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
  /** All that it has written so far. */
  output(): string;
  /** The log lines, parsed. */
  logLines(): Record<string, unknown>[];
  signal(name: NodeJS.Signals): void;
  /** Bytes that live after a garbage collection, in V8's heap and outside of it. */
  liveBytes(): Promise<number>;
  /** Resolves with the exit code once the process has ended; 128 and the signal's number where one ended it. */
  ended: Promise<number>;
  /** SIGTERM, then waits; SIGKILL when it does not end within 15 s. */
  stop(): Promise<number>;
}

const mainFile = join(repositoryRoot, 'dist', 'main.mjs');
const HEAP_REPORT_FLAGS = [
  '--expose-gc',
  '--import',
  join(repositoryRoot, 'test', 'support', 'sidecar', 'heap-report.ts'),
];

/** The command that starts another build of the program. */
export function serveCommand(program: string): readonly string[] {
  return [process.execPath, ...HEAP_REPORT_FLAGS, program, 'serve'];
}

/** The program as a container starts it: with its own flags and without a report of the heap, which takes memory of its own. */
export const AS_IN_A_CONTAINER: readonly string[] = [join(repositoryRoot, 'bin', 'pannier'), 'serve'];

/** Starts the program and waits until it serves (not until it is ready: Redis may be away). */
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
  const serving = await waitFor('the sidecar serving', () => {
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
      return await waitFor('a report of the heap', () => {
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
        // The last line may still be half written.
      }
    }
  }
  return parsed;
}
