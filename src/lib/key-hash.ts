/**
 * Computes the hash of a key: 8 bytes that select the bucket of the key and identify the key in the ring of changes of
 * that bucket.
 *
 * Two lanes of 32 bits process each byte with `lane = (lane XOR byte) * multiplier`, modulo 2^32:
 *
 *            starts at    multiplier
 *   lane 1   0x811c9dc5   0x01000193   (FNV-1a)
 *   lane 2   0x9e3779b9   0x85ebca6b
 *
 * The finalizer of MurmurHash3 then transforms each lane:
 *
 *   h ^= h >> 16, h *= 0x85ebca6b, h ^= h >> 13, h *= 0xc2b2ae35, h ^= h >> 16
 *
 * The hash is lane 1 followed by lane 2, big-endian. SHA-1 would use a tenth of the CPU time of a CacheGet
 * (docs/internals/cache-formats.md).
 *
 * Invariants:
 *   1. The hash is the same in every sidecar and language, because the hash is part of the stored format. The test
 *      vectors in key-hash.test.ts verify this property.
 *   2. Similar keys (counters, dates, common prefixes) are distributed over all buckets as evenly as random keys.
 *   3. The hash is not cryptographic. If two keys collide, the sidecar treats a change to one key as a change to both
 *      keys. This is harmless.
 */

export const KEY_HASH_BYTES = 8;
/**
 * Number of key buckets in a cache namespace, and of tag buckets. A bucket has one Cluster slot, one channel and one
 * ring of changes. docs/internals/cache-formats.md contains the measurements from which this number was chosen.
 */
export const BUCKET_COUNT = 64;

const LANE_1_START = 0x811c9dc5;
const LANE_1_MULTIPLIER = 0x01000193;
const LANE_2_START = 0x9e3779b9;
const LANE_2_MULTIPLIER = 0x85ebca6b;

/** Returns the 8 bytes of the hash. */
export function keyHash(key: string | Buffer): Buffer {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  const hash = Buffer.allocUnsafe(KEY_HASH_BYTES);
  hash.writeUInt32BE(lane(bytes, LANE_1_START, LANE_1_MULTIPLIER), 0);
  hash.writeUInt32BE(lane(bytes, LANE_2_START, LANE_2_MULTIPLIER), 4);
  return hash;
}

/** Returns the first byte of the hash, which is enough to select a bucket. */
export function firstHashByte(key: string | Buffer): number {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  return lane(bytes, LANE_1_START, LANE_1_MULTIPLIER) >>> 24;
}

/**
 * Returns the bucket of a cache key, a tag or a user: the first byte of its hash modulo the number of buckets (a power
 * of two, at most 256).
 */
export function bucketOf(text: string | Buffer, bucketCount = BUCKET_COUNT): number {
  return firstHashByte(text) % bucketCount;
}

function lane(bytes: Buffer, start: number, multiplier: number): number {
  let state = start;
  // Indexing is several times faster than an iterator here.
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
