/**
 * Memory for bytes that may be buffered for long: requests that came in part, answers that their peer does not take.
 *
 * Invariant: a piece keeps little more than itself alive. Node's own pool would keep 64 KiB for any few bytes of it, so that a peer which
 * takes most answers and leaves a few could make us keep a thousand times the bytes that are counted.
 */

/** The engine keeps views this small on its own heap, as cheap as a pool. */
const MAX_ENGINE_BYTES = 64;
const SLAB_BYTES = 4_096;
/** A larger piece has memory of its own. */
const MAX_SLAB_PIECE_BYTES = 1_024;

let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let slabUsedBytes = 0;

/** The memory is not cleared. */
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
