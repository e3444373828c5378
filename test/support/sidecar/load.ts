/**
 * Bounded load for the fault suite: callers in a closed loop, every call recorded, and the harness' own event-loop lag, which
 * is added to the product's bounds so that a busy test machine does not count as a slow product.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface CallRecord<Result> {
  /** performance.now() at the start of the call. */
  startMs: number;
  tookMs: number;
  result: Result;
}

export interface Load<Result> {
  /** What has ended so far. */
  records(): readonly CallRecord<Result>[];
  /** Stops the callers, waits for what is under way, and gives back all records. */
  stop(): Promise<readonly CallRecord<Result>[]>;
  /** The longest that the harness' own event loop stood still since the start, ms. */
  lagMs(): number;
}

export interface LoadOptions<Result> {
  callers: number;
  /** A pause of every caller after each call, ms: bounds the rate. */
  pauseMs: number;
  /** The load ends by itself after so many calls. */
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
