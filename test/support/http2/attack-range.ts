/**
 * Starts the HTTP/2 server in its own process, attacks it while an honest client makes calls, and measures the cost of
 * the attack.
 *
 * The tests compare the CPU time of an attack with the CPU time of honest calls in the same run, never with an absolute
 * time. One unit is the CPU time of an honest call. An attack may cost a limited number of units per frame. A large
 * frame counts as several frames: one for every N bytes, where N is the number of bytes of an honest call. The server
 * collects garbage before it measures its memory.
 */
import { join } from 'node:path';
import type { Http2Limits } from '../../../src/grpc/http2/limits/http2-limits.ts';
import { connectRaw, type RawClient } from '../grpc/raw-client.ts';
import { repositoryRoot } from '../repository.ts';
import { type BoundProcess, spawnBound } from '../sidecar/bound-process.ts';
import { waitFor } from '../wait.ts';
import { many, unaryCall, windowUpdate } from './frames.ts';
import { Http2Peer } from './peer.ts';

/** Options of the server. */
export interface AttackServerOptions {
  readonly limits?: Partial<Http2Limits>;
  /** Path of a unix socket on which the server listens in addition to its port. */
  readonly socketPath?: string;
}

/** Counters and resource usage of the server since its start. */
export interface AttackReport {
  readonly started: number;
  readonly running: number;
  readonly maxRunning: number;
  readonly uncaught: number;
  readonly connections: number;
  readonly liveBytes: number;
  readonly residentBytes: number;
  readonly cpuMicroseconds: number;
  readonly loggedLines: number;
  readonly logged: readonly string[];
  /** Number of connections that the server dropped, by reason. */
  readonly drops: Readonly<Record<string, number>>;
}

/** Frames and bytes that an attacker has sent. */
export interface AttackEffort {
  readonly frames: number;
  readonly bytes: number;
}

export interface AttackOutcome<Result> {
  readonly result: Result;
  /** Calls of the honest client during the attack. */
  readonly honestCalls: number;
  /** Descriptions of the honest calls that failed. */
  readonly honestFailures: readonly string[];
  readonly before: AttackReport;
  readonly after: AttackReport;
  readonly liveGrowthBytes: number;
  readonly residentGrowthBytes: number;
  /** CPU time of the attack, without the CPU time of the honest calls. */
  readonly cpuMicroseconds: number;
}

const HONEST_DEADLINE_MS = 10_000;
const HONEST_PAUSE_MS = 2;
const MIN_HONEST_CALLS = 10;
const BASELINE_BATCHES = 40;
const BASELINE_BATCH_CALLS = 250;
const BASELINE_WINDOW_BYTES = 1_000_000;
/** Slack for garbage collection, reports and timers. */
const CPU_SLACK_MICROSECONDS = 100_000;

const serverFile = join(repositoryRoot, 'test', 'support', 'http2', 'attack-server.ts');

export function attackPath(name: string): string {
  return `/attack.Test/${name}`;
}

export class AttackRange {
  readonly port: number;
  readonly #server: BoundProcess;
  readonly #client: RawClient;
  /** CPU time of an honest call when calls are pipelined. */
  #pipelinedMicroseconds = Number.NaN;
  /** CPU time of an honest call when each call waits for the previous call. */
  #singleMicroseconds = Number.NaN;
  #bytesPerCall = Number.NaN;

  private constructor(server: BoundProcess, port: number) {
    this.#server = server;
    this.port = port;
    this.#client = connectRaw(`127.0.0.1:${port}`);
  }

  static async open(options: AttackServerOptions = {}): Promise<AttackRange> {
    const server = await spawnBound(process.execPath, ['--expose-gc', serverFile, JSON.stringify(options)]);
    let output = '';
    for (const stream of [server.stdout, server.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    const port = await waitFor(
      'the port of the attack server',
      () => Number(/"port":(\d+)/.exec(output)?.[1]),
      20_000,
    ).catch((error) => {
      throw new Error(`cannot start the attack server: ${output}`, { cause: error });
    });
    const range = new AttackRange(server, port);
    await range.#measureHonestCalls();
    return range;
  }

  get pid(): number {
    return this.#server.pid;
  }

  /**
   * Requests a report. Before a `whole` report, the server collects garbage. A `glance` report is cheap, because it
   * needs no collection.
   */
  async report(kind: 'whole' | 'glance' = 'whole'): Promise<AttackReport> {
    const request = Buffer.from(kind === 'whole' ? '' : kind);
    const answer = await this.#client.unary(attackPath('Report'), request, { deadlineMs: 20_000 });
    if (answer.code !== 0) {
      throw new Error(`cannot read the report of the server: the call failed with ${answer.code} ${answer.details}`);
    }
    return JSON.parse(String(answer.bytes)) as AttackReport;
  }

  /**
   * Runs the attack while the honest client makes calls. Requests one report just before the attack and one after it.
   */
  async under<Result>(attack: (port: number) => Promise<Result>): Promise<AttackOutcome<Result>> {
    const before = await this.report();
    const honest = { calls: 0, failures: [] as string[], isDone: false };
    const calling = this.#callOn(honest);
    let result: Result;
    try {
      result = await attack(this.port);
    } finally {
      honest.isDone = true;
      await calling;
    }
    const after = await this.report();
    const honestMicroseconds = honest.calls * this.#singleMicroseconds;
    return {
      result,
      honestCalls: honest.calls,
      honestFailures: honest.failures,
      before,
      after,
      liveGrowthBytes: after.liveBytes - before.liveBytes,
      residentGrowthBytes: after.residentBytes - before.residentBytes,
      cpuMicroseconds: after.cpuMicroseconds - before.cpuMicroseconds - honestMicroseconds,
    };
  }

  /** Returns the maximum CPU time of an attack for a number of units per frame. */
  maxCpuMicroseconds(effort: AttackEffort, unitsPerFrame: number): number {
    const frames = Math.max(effort.frames, effort.bytes / this.#bytesPerCall);
    return CPU_SLACK_MICROSECONDS + frames * unitsPerFrame * this.#pipelinedMicroseconds;
  }

  async close(): Promise<void> {
    this.#client.close();
    this.#server.signal('SIGKILL');
    await this.#server.ended;
  }

  async #callOn(honest: { calls: number; failures: string[]; isDone: boolean }): Promise<void> {
    while (!honest.isDone || honest.calls < MIN_HONEST_CALLS) {
      const text = `call ${honest.calls}`;
      const answer = await this.#client.unary(attackPath('Echo'), Buffer.from(text), {
        deadlineMs: HONEST_DEADLINE_MS,
      });
      honest.calls += 1;
      if (answer.code !== 0 || answer.bytes?.toString() !== text) {
        honest.failures.push(`${text}: ${answer.code} ${answer.details} ${answer.bytes}`);
      }
      await new Promise((resolve) => setTimeout(resolve, HONEST_PAUSE_MS));
    }
  }

  async #measureHonestCalls(): Promise<void> {
    const peer = await Http2Peer.open(this.port);
    const batch = (first: number): Buffer =>
      many(BASELINE_BATCH_CALLS, (index) =>
        unaryCall(2 * (first + index) + 1, attackPath('Echo'), Buffer.from('hello')),
      );
    await peer.send(windowUpdate(0, BASELINE_WINDOW_BYTES));
    this.#bytesPerCall = batch(0).length / BASELINE_BATCH_CALLS;
    let start = await this.report();
    for (let round = 0; round < BASELINE_BATCHES; round += 1) {
      if (round === BASELINE_BATCHES / 2) {
        // The first half only warms up the JIT compiler.
        start = await this.report();
      }
      await peer.send(batch(round * BASELINE_BATCH_CALLS));
      await peer.roundTrip();
    }
    const middle = await this.report();
    const calls = (BASELINE_BATCHES / 2) * BASELINE_BATCH_CALLS;
    this.#pipelinedMicroseconds = (middle.cpuMicroseconds - start.cpuMicroseconds) / calls;
    peer.destroy();
    const honest = { calls: 0, failures: [], isDone: false };
    const calling = this.#callOn(honest);
    await waitFor('a hundred calls', () => honest.calls >= 100, 20_000);
    honest.isDone = true;
    await calling;
    const end = await this.report();
    this.#singleMicroseconds = (end.cpuMicroseconds - middle.cpuMicroseconds) / honest.calls;
  }
}
