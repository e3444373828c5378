/**
 * Computes the default size of the memory stores, which is a fraction of the V8 heap. The chart and the injector derive
 * the size of the heap from the memory limit of the container.
 *
 * Invariant: three full stores leave five eighths of the heap for all other objects. This space is necessary, because
 * garbage also fills the heap under load, and V8 ends the process when live objects approach the heap limit. The
 * container needs memory for the full heap and also for the buffers of the cache.
 */
import { getHeapStatistics } from 'node:v8';

const HEAP_DIVISOR = 8;
/** Maximum size of a store on a large heap. */
const MAX_STORE_BYTES = 64 * 1_048_576;

/** Returns the default size of one store in bytes. */
export function defaultStoreBytes(maxHeapBytes = getHeapStatistics().heap_size_limit): number {
  return Math.min(MAX_STORE_BYTES, Math.floor(maxHeapBytes / HEAP_DIVISOR));
}

/** Returns whether three stores of this size leave too little of the heap free. */
export function exceedsHeap(storeBytes: number, maxHeapBytes = getHeapStatistics().heap_size_limit): boolean {
  return storeBytes * HEAP_DIVISOR > maxHeapBytes;
}
