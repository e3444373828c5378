/**
 * What values take of a process's memory, for stores that are bounded in bytes.
 *
 * Measured on Node 24 (64 bits) and rounded up. test/integration/memory-bytes.test.ts compares the counts of all stores with the memory of a
 * process, and fails when they fall below it.
 */

/** Header and padding. */
const STRING_BYTES = 24;
/** An empty Map, and each of its slots at the worst fill of its table. */
const MAP_BYTES = 100;
const MAP_SLOT_BYTES = 56;
/** Node keeps buffers of at most this length within V8's heap. */
const MAX_HEAP_BUFFER_BYTES = 64;
const HEAP_BUFFER_OVERHEAD_BYTES = 240;
/** 200 bytes are objects of V8's heap, the rest belongs to the memory outside of it. */
const BUFFER_OVERHEAD_BYTES = 470;

/** At most: V8 needs one byte per character where none is above U+00FF. */
export function stringBytes(text: string): number {
  return STRING_BYTES + 2 * text.length;
}

/** Without what its keys and values refer to; nothing for an empty one, which can be shared. */
export function mapBytes(size: number): number {
  return size === 0 ? 0 : MAP_BYTES + size * MAP_SLOT_BYTES;
}

/** Of a buffer with memory of its own. */
export function bufferBytes(length: number): number {
  return length + (length > MAX_HEAP_BUFFER_BYTES ? BUFFER_OVERHEAD_BYTES : HEAP_BUFFER_OVERHEAD_BYTES);
}
