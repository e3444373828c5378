/**
 * Generates bounded load for the fault tests: each caller starts a call only after its previous call has ended. The
 * module records every call. It also measures the event-loop delay of the test process. Tests add this delay to their
 * bounds, because a delay on a busy machine does not prove that the sidecar is slow.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface CallRecord<Result> {
  /** Start of the call as returned by performance.now(). */
  startMs: number;
  tookMs: number;
  result: Result;
}

export interface Load<Result> {
  /** Returns the records of all completed calls. */
  records(): readonly CallRecord<Result>[];
  /** Stops the callers, waits for calls in flight, and returns all records. */
  stop(): Promise<readonly CallRecord<Result>[]>;
  /** Returns the longest event-loop delay of the test process since the start, in ms. */
  lagMs(): number;
}

export interface LoadOptions<Result> {
  callers: number;
  /** Pause of a caller after each call in ms, which limits the rate. */
  pauseMs: number;
  /** Number of calls after which the load stops. */
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
