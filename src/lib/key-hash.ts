/**
 * The hash of a key: 8 bytes that decide its bucket and stand for it in the ring of its bucket's changes.
 *
 * Two lanes of 32 bits run over the bytes, `lane = (lane XOR byte) * multiplier`, modulo 2^32:
 *
 *            starts at    multiplier
 *   lane 1   0x811c9dc5   0x01000193   (FNV-1a)
 *   lane 2   0x9e3779b9   0x85ebca6b
 *
 * Then each lane is mixed as MurmurHash3 ends: h ^= h >> 16, h *= 0x85ebca6b, h ^= h >> 13, h *= 0xc2b2ae35, h ^= h >> 16. The hash is
 * lane 1 and lane 2, big-endian. It replaces SHA-1, which took a tenth of the CPU of a CacheGet (docs/internals/cache-formats.md).
 *
 * Invariants:
 *   1. Equal in every sidecar and language: it is part of the format of the store, and the test has its vectors.
 *   2. Keys that differ little (counters, dates, prefixes) spread like random ones over all buckets.
 *   3. It protects against nothing: two keys with one hash only make a change of the one count as a change of the other.
 */

export const KEY_HASH_BYTES = 8;
/**
 * Buckets of a cache namespace, and as many of its tags. A bucket is one slot of a Cluster, one channel and one ring of changes.
 * docs/internals/cache-formats.md has the measurements that decided it.
 */
export const BUCKET_COUNT = 64;

const LANE_1_START = 0x811c9dc5;
const LANE_1_MULTIPLIER = 0x01000193;
const LANE_2_START = 0x9e3779b9;
const LANE_2_MULTIPLIER = 0x85ebca6b;

/** The 8 bytes of the hash. */
export function keyHash(key: string | Buffer): Buffer {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  const hash = Buffer.allocUnsafe(KEY_HASH_BYTES);
  hash.writeUInt32BE(lane(bytes, LANE_1_START, LANE_1_MULTIPLIER), 0);
  hash.writeUInt32BE(lane(bytes, LANE_2_START, LANE_2_MULTIPLIER), 4);
  return hash;
}

/** The first byte of the hash: all that a bucket needs. */
export function firstHashByte(key: string | Buffer): number {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  return lane(bytes, LANE_1_START, LANE_1_MULTIPLIER) >>> 24;
}

/** Bucket of a cache key, a tag or a user: the first byte of its hash, modulo the number of buckets (a power of two, 256 at most). */
export function bucketOf(text: string | Buffer, bucketCount = BUCKET_COUNT): number {
  return firstHashByte(text) % bucketCount;
}

function lane(bytes: Buffer, start: number, multiplier: number): number {
  let state = start;
  // By index: an iterator costs several times the loop's work.
  for (let index = 0; index < bytes.length; index += 1) {
    state = Math.imul(state ^ (bytes[index] ?? 0), multiplier);
  }
  return mix(state);
}

function mix(state: number): number {
  const first = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35);
  return (second ^ (second >>> 16)) >>> 0;
}
