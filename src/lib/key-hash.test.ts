/**
 * Tests keyHash with vectors that every language must reproduce, and the even distribution of keys over buckets.
 */
import { BUCKET_COUNT, bucketOf, firstHashByte, KEY_HASH_BYTES, keyHash } from './key-hash.ts';

const MAX_BUCKET_COUNT = 256;

/** Test vectors from an independent implementation (Python with arbitrary-precision integers). */
test.each<[string | Buffer, string]>([
  ['', 'ab3e7c0b92ca2f0e'],
  ['a', '1a80b1b3ac9af492'],
  ['key', '3a5e35fd14c7399e'],
  ['user:42', '23bf9c120692d041'],
  ['user:43', '05ca6f16d6eb117b'],
  ['ä€😀', 'f841a17104158e1d'],
  [Buffer.of(0, 0), '18b6b1bde5f9136d'],
  [Buffer.of(0xff, 0, 0x80), '27c8e8456839b593'],
  [Buffer.alloc(1_024, 'x'), '7e62ef6241afbbf6'],
])('returns the hash of the test vector %j', (key, hex) => {
  expect(keyHash(key).toString('hex')).toBe(hex);
  expect(firstHashByte(key)).toBe(Number.parseInt(hex.slice(0, 2), 16));
  expect(bucketOf(key)).toBe(firstHashByte(key) % BUCKET_COUNT);
  expect(bucketOf(key, MAX_BUCKET_COUNT)).toBe(firstHashByte(key));
});

const KINDS_OF_KEYS: Readonly<Record<string, (index: number) => string | Buffer>> = {
  'with a number at the end': (index) => `user:${index}`,
  'with a number in the middle': (index) => `product/details/${index}/en-US`,
  'with a number first': (index) => `${index}:profile`,
  'of dates': (index) => new Date(index * 86_400_000).toISOString().slice(0, 10),
  'of hexadecimal digits': (index) => index.toString(16).padStart(32, '0'),
  'of a binary number': (index) => numberBytes(index),
  'of a binary number, all multiples of 64': (index) => numberBytes(index * 64),
  'of zeros, of any length': (index) => Buffer.alloc(index),
};
const KEY_COUNT = 1_024;

function numberBytes(number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(number);
  return bytes;
}

/** Computes the chi-square statistic against an even distribution. The statistic is about `buckets` for random keys. */
function chiSquare(
  keys: readonly (string | Buffer)[],
  buckets: number,
  bucket: (key: string | Buffer) => number,
): number {
  const counts = new Array<number>(buckets).fill(0);
  for (const key of keys) {
    const index = bucket(key);
    counts[index] = (counts[index] ?? 0) + 1;
  }
  const expected = keys.length / buckets;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

describe.each(Object.entries(KINDS_OF_KEYS))('keys %s', (_, keyOf) => {
  const keys = Array.from({ length: KEY_COUNT }, (_, index) => keyOf(index));

  test.each([BUCKET_COUNT, MAX_BUCKET_COUNT])('are distributed over %d buckets like random keys', (buckets) => {
    // The bound is five standard deviations above the mean for random keys. All inputs are fixed, so the result is
    // deterministic.
    const bound = buckets + 5 * Math.sqrt(2 * buckets);
    expect(chiSquare(keys, buckets, (key) => bucketOf(key, buckets))).toBeLessThan(bound);
  });

  test.each(Array.from({ length: KEY_HASH_BYTES }, (_, index) => index))(
    'are distributed evenly by byte %d of the hash',
    (byte) => {
      const bound = 256 + 5 * Math.sqrt(512);
      expect(chiSquare(keys, 256, (key) => keyHash(key)[byte] ?? 0)).toBeLessThan(bound);
    },
  );

  test('have distinct hashes', () => {
    expect(new Set(keys.map((key) => keyHash(key).toString('hex'))).size).toBe(KEY_COUNT);
  });
});

test('the statistic detects an uneven distribution, that of the first byte of a number', () => {
  const keys = Array.from({ length: KEY_COUNT }, (_, index) => numberBytes(index * 64));
  const plain = (key: string | Buffer) => (key[0] as number) % BUCKET_COUNT;
  expect(chiSquare(keys, BUCKET_COUNT, plain)).toBeGreaterThan(BUCKET_COUNT + 5 * Math.sqrt(2 * BUCKET_COUNT));
});
