/**
 * Bounded load for the fault suite: callers in a closed loop, whose calls are all recorded. The load also measures the lag of the test's own
 * event loop. Tests add this lag to the bounds of the product, so that a busy test machine does not count as a slow product.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface CallRecord<Result> {
  /** performance.now() at the start of the call. */
  startMs: number;
  tookMs: number;
  result: Result;
}

export interface Load<Result> {
  /** Calls that have ended so far. */
  records(): readonly CallRecord<Result>[];
  /** Stops the callers, waits for the calls in flight, and returns all records. */
  stop(): Promise<readonly CallRecord<Result>[]>;
  /** Longest time that the test's own event loop was blocked since the start, in ms. */
  lagMs(): number;
}

export interface LoadOptions<Result> {
  callers: number;
  /** Pause of each caller after each call, in ms. It bounds the rate. */
  pauseMs: number;
  /** Number of calls after which the load ends. */
  maxCalls: number;
  call: (caller: number, turn: number) => Promise<Result>;
}

export function startLoad<Result>(options: LoadOptions<Result>): Load<Result> {
  const records: CallRecord<Result>[] = [];
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  let isStopped = false;
  let started = 0;

  async function caller(index: number): Promise<void> {
    for (let turn = 0; !isStopped && started < options.maxCalls; turn += 1) {
      started += 1;
      const startMs = performance.now();
      const result = await options.call(index, turn);
      records.push({ startMs, tookMs: performance.now() - startMs, result });
      if (options.pauseMs > 0) {
        await new Promise((resolve) => setTimeout(resolve, options.pauseMs));
      }
    }
  }

  const callers = Promise.all(Array.from({ length: options.callers }, (_, index) => caller(index)));
  return {
    records: () => records,
    stop: async () => {
      isStopped = true;
      await callers;
      delay.disable();
      return records;
    },
    lagMs: () => delay.max / 1_000_000,
  };
}
