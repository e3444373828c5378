/**
 * Runs one operation for a given time, and measures the CPU time that Redis and this process use for the operation.
 *
 *   saturated    closed loop with 64 operations in flight, so that commands arrive in pipelines.
 *   open         one operation every 0.5 ms (2,000/s), regardless of earlier replies.
 */
import { cpuMicroseconds } from '../process-stats.ts';
import type { Operation } from './operations.ts';

export type LoadName = 'saturated' | 'open';

export const LOADS: readonly LoadName[] = ['saturated', 'open'];
export const IN_FLIGHT = 64;
export const OPEN_RATE_PER_SECOND = 2_000;

export interface Figures {
  /** CPU of the Redis process per operation, in us. */
  readonly redisUs: number;
  /**
   * CPU of this process per operation, in us. The value includes the load generator, so it only approximates the CPU that a sidecar without its
   * transport uses.
   */
  readonly ownUs: number;
  readonly operations: number;
}

export function add(left: Figures | undefined, right: Figures): Figures {
  if (left === undefined) {
    return right;
  }
  const operations = left.operations + right.operations;
  const mean = (name: 'redisUs' | 'ownUs'): number =>
    (left[name] * left.operations + right[name] * right.operations) / operations;
  return { redisUs: mean('redisUs'), ownUs: mean('ownUs'), operations };
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

export async function measure(
  operation: Operation,
  load: LoadName,
  options: { redisPid: number; seconds: number },
): Promise<Figures> {
  const redisBefore = cpuMicroseconds(options.redisPid);
  const ownBefore = cpuMicroseconds(process.pid);
  const endMs = performance.now() + options.seconds * 1_000;
  const operations = load === 'saturated' ? await runSaturated(operation, endMs) : await runOpen(operation, endMs);
  return {
    redisUs: (cpuMicroseconds(options.redisPid) - redisBefore) / operations,
    ownUs: (cpuMicroseconds(process.pid) - ownBefore) / operations,
    operations,
  };
}

async function runSaturated(operation: Operation, endMs: number): Promise<number> {
  let count = 0;
  async function call(): Promise<void> {
    do {
      const index = count;
      count += 1;
      await operation.run(index);
    } while (performance.now() < endMs);
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, call));
  return count;
}

async function runOpen(operation: Operation, endMs: number): Promise<number> {
  const intervalMs = 1_000 / OPEN_RATE_PER_SECOND;
  const pending = new Set<Promise<unknown>>();
  let failure: unknown;
  let count = 0;
  let dueMs = performance.now();
  while (performance.now() < endMs && failure === undefined) {
    const answer = operation.run(count).catch((error: unknown) => {
      failure = error;
    });
    pending.add(answer);
    void answer.then(() => pending.delete(answer));
    count += 1;
    dueMs += intervalMs;
    await dueOrLater(dueMs);
  }
  await Promise.all(pending);
  if (failure !== undefined) {
    throw failure;
  }
  return count;
}

/**
 * Waits until `dueMs`. Node's timers are too coarse, so this function lets the event loop handle the socket and then blocks the thread for the rest
 * of the interval.
 */
async function dueOrLater(dueMs: number): Promise<void> {
  do {
    await new Promise((resolve) => setImmediate(resolve));
    const leftMs = dueMs - performance.now();
    if (leftMs > 0) {
      Atomics.wait(sleeper, 0, 0, leftMs / 2);
    }
  } while (performance.now() < dueMs);
}
