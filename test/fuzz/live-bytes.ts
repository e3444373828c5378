/**
 * How much memory lives after a garbage collection, without a flag on the command line.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

export function liveBytes(): number {
  // Twice: memory outside of the heap goes with the collection behind the one that finds it unused.
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
