/**
 * How much the memory stores may hold where nobody says it: a share of the heap of V8, whose bound the chart and the injector derive from
 * the memory limit of the container.
 *
 * Invariant: three full stores leave half of the heap to everything else. V8 ends the process when what lives nears the bound.
 */
import { getHeapStatistics } from 'node:v8';

const HEAP_DIVISOR = 6;
/** Where the heap has no bound of ours. */
const STORE_BYTES_MAX = 64 * 1_048_576;

/** Bytes of one store. */
export function defaultStoreBytes(heapBytesMax = getHeapStatistics().heap_size_limit): number {
  return Math.min(STORE_BYTES_MAX, Math.floor(heapBytesMax / HEAP_DIVISOR));
}

/** Whether three stores of this size leave too little of the heap. */
export function exceedsHeap(storeBytes: number, heapBytesMax = getHeapStatistics().heap_size_limit): boolean {
  return storeBytes * HEAP_DIVISOR > heapBytesMax;
}
