/**
 * How much the memory stores may hold where nobody says it: a share of the heap of V8, whose bound the chart and the injector derive from
 * the memory limit of the container.
 *
 * Invariant: three full stores leave five eighths of the heap to everything else. V8 ends the process when what lives nears the bound, and
 * under load it fills the heap with garbage, which the container must have room for beside the buffers of the cache.
 */
import { getHeapStatistics } from 'node:v8';

const HEAP_DIVISOR = 8;
/** Where the heap has no bound of ours. */
const MAX_STORE_BYTES = 64 * 1_048_576;

/** Bytes of one store. */
export function defaultStoreBytes(maxHeapBytes = getHeapStatistics().heap_size_limit): number {
  return Math.min(MAX_STORE_BYTES, Math.floor(maxHeapBytes / HEAP_DIVISOR));
}

/** Whether three stores of this size leave too little of the heap. */
export function exceedsHeap(storeBytes: number, maxHeapBytes = getHeapStatistics().heap_size_limit): boolean {
  return storeBytes * HEAP_DIVISOR > maxHeapBytes;
}
