/**
 * Allocates memory for bytes that may stay buffered for a long time: incomplete requests, and responses that the peer
 * does not read.
 *
 * Invariant: an allocation keeps at most 4 KiB of other memory alive. A few bytes that are allocated from Node's pool
 * would keep the whole pool of 64 KiB alive. A peer that leaves a few responses unread could then make the server keep
 * a thousand times as many bytes alive as the server counts.
 */

/** Maximum size of a typed array that V8 allocates on its own heap, which is as cheap as allocating from a pool. */
const MAX_ENGINE_BYTES = 64;
const SLAB_BYTES = 4_096;
/** Maximum size of an allocation from a slab. A larger allocation gets its own memory. */
const MAX_SLAB_PIECE_BYTES = 1_024;

let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let slabUsedBytes = 0;

/** Returns uninitialized memory. */
export function bufferedMemory(bytes: number): Buffer {
  if (bytes <= MAX_ENGINE_BYTES || bytes > MAX_SLAB_PIECE_BYTES) {
    return Buffer.allocUnsafeSlow(bytes);
  }
  if (slabUsedBytes + bytes > SLAB_BYTES) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    slabUsedBytes = 0;
  }
  const piece = slab.subarray(slabUsedBytes, slabUsedBytes + bytes);
  slabUsedBytes += bytes;
  return piece;
}

export function bufferedCopy(bytes: Buffer, start: number, end: number): Buffer {
  const copy = bufferedMemory(end - start);
  bytes.copy(copy, 0, start, end);
  return copy;
}
