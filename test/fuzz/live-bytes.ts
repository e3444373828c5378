/**
 * Measures the memory that is alive after a garbage collection. The process needs no command-line flag.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/**
 * Number of collections. External memory, such as the memory of a failed zlib stream, is released only by a later
 * collection, after a turn of the event loop.
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
