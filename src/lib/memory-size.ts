/**
 * Estimates the memory that values use, for stores that are bounded in bytes.
 *
 * The constants are measured values from Node 24 (64 bit), rounded up. The test test/integration/memory-bytes.test.ts
 * compares the estimates of all stores with the memory of a process, and fails if an estimate is too low.
 */

/** Header and padding of a string. */
const STRING_BYTES = 24;
/** Base size of a Map, and size of each slot when the table of the Map is least full. */
const MAP_BYTES = 100;
const MAP_SLOT_BYTES = 56;
/** Maximum length of a buffer that Node stores in the V8 heap. */
const MAX_HEAP_BUFFER_BYTES = 64;
const HEAP_BUFFER_OVERHEAD_BYTES = 240;
/**
 * Overhead of a larger buffer. Of this overhead, 200 bytes are objects in the V8 heap, and the rest is outside the
 * heap.
 */
const BUFFER_OVERHEAD_BYTES = 470;

/** Returns an upper bound: V8 uses only one byte per character if no character is above U+00FF. */
export function stringBytes(text: string): number {
  return STRING_BYTES + 2 * text.length;
}

/**
 * Returns the size of a Map without its keys and values. The size of an empty Map is 0, because all values can share
 * one empty Map.
 */
export function mapBytes(size: number): number {
  return size === 0 ? 0 : MAP_BYTES + size * MAP_SLOT_BYTES;
}

/** Returns the size of a buffer that does not share its memory with other buffers. */
export function bufferBytes(length: number): number {
  return length + (length > MAX_HEAP_BUFFER_BYTES ? BUFFER_OVERHEAD_BYTES : HEAP_BUFFER_OVERHEAD_BYTES);
}
