/**
 * One wave of a soak test: several concurrent clients, which open and close their own connections.
 *
 * A wave contains rate limit checks with a deadline, cache reads and writes, cancelled calls, and calls with a deadline that is too short. The wave
 * kills one client while calls of this client are in flight, and does not count these calls.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pinned } from '../cores.ts';
import { type CallBytes, cacheGet, cacheSet, checkInlineLimit, SUBJECT_PLACEHOLDER } from '../transport/calls.ts';

/** Number of keys. The first tenth of the calls creates all keys, so later growth of memory is a leak. */
const KEYS = 2_000;
const MAX_WAVE_MS = 300_000;
/**
 * Time after which the wave kills one of its clients, in ms. A shorter wave kills the client at the end of the wave.
 */
const RUDE_MS = 300;
const DEADLINE_EXCEEDED = '4';

interface Part {
  readonly name: string;
  readonly call: CallBytes;
  /** Share of the calls of a wave that this part sends. */
  readonly share: number;
  readonly connections: number;
  readonly callers: number;
  readonly flags: readonly string[];
}

const PARTS: readonly Part[] = [
  {
    name: 'CheckRateLimit, deadline 5 s',
    call: checkInlineLimit,
    share: 0.5,
    connections: 16,
    callers: 64,
    flags: ['-timeout', '5s'],
  },
  { name: 'CacheGet', call: cacheGet, share: 0.25, connections: 8, callers: 32, flags: [] },
  {
    name: 'CacheSet, some calls cancelled',
    call: cacheSet,
    share: 0.2,
    connections: 8,
    callers: 32,
    flags: ['-cancel-every', '20'],
  },
  {
    name: 'CheckRateLimit, deadline 1 ms',
    call: checkInlineLimit,
    share: 0.05,
    connections: 8,
    callers: 16,
    flags: ['-timeout', '1ms', '-expect', DEADLINE_EXCEEDED],
  },
];
const RUDE: Part = { name: 'killed', call: checkInlineLimit, share: 0, connections: 16, callers: 64, flags: [] };

export const CONNECTIONS_PER_WAVE = [...PARTS, RUDE].reduce((sum, part) => sum + part.connections, 0);

export interface WaveCounts {
  answered: number;
  cancelled: number;
  /** Number of calls that ended with DEADLINE_EXCEEDED, as expected. */
  tooLate: number;
  /** Number of failures, by reason. */
  readonly failures: Map<string, number>;
}

interface Report {
  readonly OK: number;
  readonly Expected: number;
  readonly Cancelled: number;
  readonly Errors: Readonly<Record<string, number>>;
}

export class WaveMaker {
  readonly #program: string;
  readonly #core: number | undefined;
  readonly #directory = mkdtempSync(join(tmpdir(), 'pannier-soak-requests-'));
  readonly #children = new Set<ChildProcess>();
  readonly #files = new Map<CallBytes, string>();

  constructor(options: { program: string; core: number | undefined }) {
    this.#program = options.program;
    this.#core = options.core;
    process.once('exit', () => {
      for (const child of this.#children) {
        child.kill('SIGKILL');
      }
      rmSync(this.#directory, { recursive: true, force: true });
    });
  }

  /** Runs one wave, and resolves when all of its clients have ended. */
  async run(address: string, calls: number): Promise<WaveCounts> {
    const counts: WaveCounts = { answered: 0, cancelled: 0, tooLate: 0, failures: new Map() };
    const rude = this.#launch(address, RUDE, ['-d', `${MAX_WAVE_MS}ms`]);
    const rudeEnd = once(rude, 'exit');
    const timer = setTimeout(() => rude.kill('SIGKILL'), RUDE_MS);
    await Promise.all(PARTS.map((part) => this.#runPart(address, part, Math.ceil(calls * part.share), counts)));
    clearTimeout(timer);
    rude.kill('SIGKILL');
    await rudeEnd;
    return counts;
  }

  async #runPart(address: string, part: Part, calls: number, counts: WaveCounts): Promise<void> {
    const child = this.#launch(address, part, ['-n', String(calls), '-d', `${MAX_WAVE_MS}ms`, ...part.flags]);
    const output = await text(child.stdout as NodeJS.ReadableStream);
    if (output === '') {
      addFailure(counts, `${part.name}: the client ended without a report`, 1);
      return;
    }
    const report = JSON.parse(output) as Report;
    counts.answered += report.OK;
    counts.tooLate += report.Expected;
    counts.cancelled += report.Cancelled;
    for (const [failure, count] of Object.entries(report.Errors)) {
      addFailure(counts, `${part.name}: ${failure}`, count);
    }
  }

  #launch(address: string, part: Part, flags: readonly string[]): ChildProcess {
    const [command, args] = pinned(this.#core, this.#program, [
      ...['-addr', address, '-engine', 'h2', '-json', '-warm', '0', '-keys', String(KEYS)],
      ...['-method', part.call.path, '-req-file', this.#fileOf(part.call), '-placeholder', SUBJECT_PLACEHOLDER],
      ...['-conns', String(part.connections), '-c', String(part.callers), ...flags],
    ]);
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** Writes each file only once, because clients may read it while other clients start. */
  #fileOf(call: CallBytes): string {
    let path = this.#files.get(call);
    if (path === undefined) {
      path = join(this.#directory, `${this.#files.size}.bin`);
      writeFileSync(path, call.request);
      this.#files.set(call, path);
    }
    return path;
  }
}

function addFailure(counts: WaveCounts, failure: string, count: number): void {
  counts.failures.set(failure, (counts.failures.get(failure) ?? 0) + count);
}
