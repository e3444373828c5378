/**
 * The ring of a bucket: its newest 64 changes, as Redis keeps them beside the number of the last one.
 *
 * The sequence of a bucket is one hash: `inc` (8 random bytes), `n` (number of the last change, decimal), `f` (number of the last flush,
 * decimal), and the fields `0` to `63`. The change with number n leaves in field n % 64:
 *
 *   offset  bytes  field
 *        0      8  number, big-endian
 *        8      8  hash of the key or tag (lib/key-hash.ts); 8 bytes 0xff if it changed several keys, or every key (a flush)
 *       16      8  stamp, random
 *
 * Invariants:
 *   1. `changeSince` says `unchanged` only if the ring shows that nothing changed the key after the mark. All else counts as a change.
 *   2. A mark is valid only while the ring shows its number with its stamp: numbers that come again after a failover that lost writes prove
 *      nothing. The mark of a bucket without any change (number 0) has no stamp, and is proved by the ring showing every change since.
 *   3. A number without an entry in the ring counts as a change of every key.
 */
import { KEY_HASH_BYTES } from '../lib/key-hash.ts';
import type { BucketMark } from './bucket-mark.ts';

/** Small enough that the hash stays one listpack of about 2 KiB, large enough for the changes of a bucket during a load. */
export const RING_SIZE = 64;
export const RING_ENTRY_BYTES = 24;
/** Instead of the hash of a key: several keys changed, or all of them. */
export const EVERY_KEY_HASH = Buffer.alloc(KEY_HASH_BYTES, 0xff);

const HASH_OFFSET = 8;
const STAMP_OFFSET = 16;
const EVERY_KEY = EVERY_KEY_HASH.toString('latin1');

export interface RingEntry {
  readonly number: number;
  /** latin1 text of the hash's bytes: only compared. */
  readonly keyHash: string;
  /** latin1 text of the stamp's bytes: only compared. */
  readonly stamp: string;
}

/** A bucket's sequence as one read saw it. */
export interface Ring {
  readonly incarnation: string;
  /** Number of the last change; 0 if there was none. */
  readonly number: number;
  /** By field: the entry with number n is at n % 64. */
  readonly entries: readonly (RingEntry | undefined)[];
}

/**
 * What the ring says about a key since a mark.
 *   unchanged  nothing changed it
 *   changed    it was changed, or may have been: a flush, a change of several keys, a number that the ring does not show
 *   unknown    the ring does not show the mark: a new sequence, lost writes, or more changes since than the ring holds
 */
export type RingVerdict = 'unchanged' | 'changed' | 'unknown';

/** The entry in these bytes; undefined for anything else. */
export function decodeRingEntry(bytes: unknown): RingEntry | undefined {
  if (!Buffer.isBuffer(bytes) || bytes.length !== RING_ENTRY_BYTES) {
    return undefined;
  }
  return {
    number: bytes.readUInt32BE(0) * 2 ** 32 + bytes.readUInt32BE(4),
    keyHash: bytes.toString('latin1', HASH_OFFSET, STAMP_OFFSET),
    stamp: bytes.toString('latin1', STAMP_OFFSET, RING_ENTRY_BYTES),
  };
}

/** The position that the ring shows now. */
export function markOf(ring: Ring): BucketMark {
  const { incarnation, number } = ring;
  return { incarnation, number, stamp: entryOf(ring, number)?.stamp ?? '' };
}

/** `keyHash`: latin1 text of the hash of the key or tag. */
export function changeSince(mark: BucketMark, ring: Ring, keyHash: string): RingVerdict {
  if (!shows(ring, mark)) {
    return 'unknown';
  }
  for (let number = mark.number + 1; number <= ring.number; number += 1) {
    const entry = entryOf(ring, number);
    if (entry === undefined || entry.keyHash === keyHash || entry.keyHash === EVERY_KEY) {
      return 'changed';
    }
  }
  return 'unchanged';
}

function shows(ring: Ring, mark: BucketMark): boolean {
  if (ring.incarnation !== mark.incarnation || ring.number < mark.number) {
    return false;
  }
  if (mark.number === 0) {
    // At most as many changes as the ring holds; a missing one is found by the caller.
    return ring.number <= RING_SIZE;
  }
  // Also bounds the loop of the caller: an entry 64 numbers older has been replaced.
  const entry = entryOf(ring, mark.number);
  return ring.number - mark.number < RING_SIZE && entry !== undefined && entry.stamp === mark.stamp;
}

function entryOf(ring: Ring, number: number): RingEntry | undefined {
  const entry = ring.entries[number % RING_SIZE];
  return entry?.number === number ? entry : undefined;
}
