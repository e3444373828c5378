/**
 * Waits for a promise for a limited time. The timer wheel measures this time.
 */
import type { TimerWheel } from '../lib/timer-wheel.ts';

/**
 * Returns the result of the promise, or undefined if it has not settled by `dueMs` (monotonic). Rejects only if the
 * promise rejects.
 */
export function settledBy<Value>(
  promise: Promise<Value>,
  dueMs: number,
  wheel: TimerWheel,
): Promise<Value | undefined> {
  return new Promise((resolve, reject) => {
    // If the event loop was blocked, the reply may be waiting in the socket, so sockets are read once more.
    const entry = wheel.schedule(dueMs, () => setImmediate(() => resolve(undefined)));
    promise.then(
      (value) => {
        wheel.cancel(entry);
        resolve(value);
      },
      (error: unknown) => {
        wheel.cancel(entry);
        reject(error);
      },
    );
  });
}
