/**
 * How much memory lives after a garbage collection, without a flag on the command line.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/**
 * Memory outside of the heap, such as that of a zlib stream that ended with an error, is released by a later collection, after a turn of
 * the event loop.
 */
const COLLECTIONS = 4;

export async function liveBytes(): Promise<number> {
  for (let done = 0; done < COLLECTIONS; done += 1) {
    collect();
    await nextTurn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
