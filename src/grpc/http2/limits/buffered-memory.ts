/**
 * Memory for bytes that may be held for long: requests that came in part, answers that their peer does not take.
 *
 * Promise: a piece keeps little more than itself alive. Node's own pool would keep 64 KiB for any few bytes of it, so that a
 * peer which lets some wait and others pass could make us hold a thousand times what is counted.
 */

/** The engine keeps views this small on its own heap, as cheap as a pool. */
const MAX_ENGINE_BYTES = 64;
const SLAB_BYTES = 4_096;
/** More of a slab than this is as well held alone. */
const MAX_SLAB_PIECE_BYTES = 1_024;

let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let slabUsedBytes = 0;

/** Whatever was in the memory before is in it still. */
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
