/**
 * Helpers for the steps of a call in the Redis session store: error conversion and bounded parallelism.
 */
import { StoreError } from '../lib/store-error.ts';

/**
 * Maximum number of commands in flight for one list. This number is large enough to keep a connection busy, and small
 * enough not to delay other calls.
 */
const MAX_PARALLEL_COMMANDS = 64;

/**
 * Awaits a later step of a call, after an earlier step has taken effect. Converts a StoreError of the awaited step to
 * kind `unknown`, because the call has already changed something.
 */
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

/**
 * Ignores the result of a step on which no response depends. If a removal fails, the data that it should have removed
 * is invalid and has a TTL.
 */
export function unattended(step: Promise<unknown>): void {
  step.catch(() => undefined);
}

/**
 * Calls `act` for every item, with a limited number of calls in flight. Returns the results in the order of the items.
 */
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
