/**
 * Decodes the ring of a bucket, and determines whether a key has changed since a position. The ring contains the newest
 * 64 changes of the bucket.
 *
 * The sequence of a bucket is one Redis hash. Its field `inc` contains 8 random bytes. The fields `n` and `f` contain
 * the numbers of the last change and of the last flush in decimal. The fields `0` to `63` are the ring. The change with
 * number n is stored in field n % 64 with this layout:
 *
 * ```text
 * offset  bytes  field
 *      0      8  number, big-endian
 *      8      8  hash of the key or tag (lib/key-hash.ts); 8 bytes 0xff for a change of several keys and for a flush
 *     16      8  random stamp
 * ```
 *
 * Invariants:
 *   1. `changeSince` returns `unchanged` only if the ring shows that no change after the mark affected the key.
 *   2. A mark is valid only while the ring contains the mark's number with the mark's stamp, because numbers repeat
 *      after a failover that lost writes. The mark of a bucket without changes (number 0) has no stamp. Such a mark is
 *      valid while the ring contains every change.
 *   3. A number without an entry in the ring is treated as a change of every key.
 */
import { KEY_HASH_BYTES } from '../lib/key-hash.ts';
import type { BucketMark } from './bucket-mark.ts';

/**
 * Number of changes in a ring: few enough for one listpack of about 2 KiB, and enough for the changes during most loads
 * of a value.
 */
export const RING_SIZE = 64;
export const RING_ENTRY_BYTES = 24;
/** Value that replaces the hash of the key in a change of several keys or of all keys. */
export const EVERY_KEY_HASH = Buffer.alloc(KEY_HASH_BYTES, 0xff);

const HASH_OFFSET = 8;
const STAMP_OFFSET = 16;
const EVERY_KEY = EVERY_KEY_HASH.toString('latin1');

export interface RingEntry {
  readonly number: number;
  /** Bytes of the hash as latin1 text, which is cheap to compare. */
  readonly keyHash: string;
  /** Bytes of the stamp as latin1 text. */
  readonly stamp: string;
}

/** Sequence of a bucket at the time of one read. */
export interface Ring {
  readonly incarnation: string;
  /** Number of the last change; 0 if the bucket has not changed. */
  readonly number: number;
  /** Ring entries by field: the entry with number n is at index n % 64. */
  readonly entries: readonly (RingEntry | undefined)[];
}

/** Whether a key has changed since a mark. */
export type RingVerdict =
  /** No change since the mark affected the key. */
  | 'unchanged'
  /**
   * A change affected the key, or may have affected the key (a flush, a change of several keys, a number without an
   * entry).
   */
  | 'changed'
  /**
   * The ring does not contain the mark, because the sequence is new, writes were lost, or too many changes followed.
   */
  | 'unknown';

/** Decodes a ring entry, or returns undefined if the bytes are not a ring entry. */
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

/** Returns the current position of the ring. */
export function markOf(ring: Ring): BucketMark {
  const { incarnation, number } = ring;
  return { incarnation, number, stamp: entryOf(ring, number)?.stamp ?? '' };
}

/** Returns whether a key or tag has changed since the mark. `keyHash` is the hash of the key or tag as latin1 text. */
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
    // The ring contains every change if there were at most 64 changes. `changeSince` detects missing entries.
    return ring.number <= RING_SIZE;
  }
  // If the numbers differ by 64 or more, a newer change has overwritten the entry of the mark. The check also limits
  // the loop in `changeSince` to 63 rounds.
  const entry = entryOf(ring, mark.number);
  return ring.number - mark.number < RING_SIZE && entry !== undefined && entry.stamp === mark.stamp;
}

function entryOf(ring: Ring, number: number): RingEntry | undefined {
  const entry = ring.entries[number % RING_SIZE];
  return entry?.number === number ? entry : undefined;
}
