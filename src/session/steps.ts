/**
 * The steps that a call of the Redis store is made of: what the failure of one says about the call, and several at once.
 */
import { StoreError } from '../lib/store-error.ts';

/** Commands of one list that are in flight at once: enough to fill a connection, too few to delay other calls. */
const MAX_PARALLEL_COMMANDS = 64;

/** A step after one that took effect: whatever keeps it from an answer, the call may not say that nothing was done. */
export async function afterwards<Value>(step: Promise<Value>): Promise<Value> {
  try {
    return await step;
  } catch (error) {
    if (error instanceof StoreError) {
      throw new StoreError('unknown', error.message, { cause: error });
    }
    throw error;
  }
}

/** Tidying that no answer waits for. It ends by its deadline, and what it leaves behind is invalid and has a TTL. */
export function unattended(step: Promise<unknown>): void {
  step.catch(() => undefined);
}

/** The results of all, in their order, with a bounded number in flight. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  act: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += MAX_PARALLEL_COMMANDS) {
    results.push(...(await Promise.all(items.slice(start, start + MAX_PARALLEL_COMMANDS).map(act))));
  }
  return results;
}
