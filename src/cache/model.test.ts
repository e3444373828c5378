/**
 * Tests the encoding of entries: the decoder returns the encoded data, skips header fields of newer releases, and never
 * throws, even if the bytes are not an entry.
 */
import fc from 'fast-check';
import {
  decodeEntry,
  ENTRY_FORMAT,
  ENTRY_HEADER_BYTES,
  type EntryTag,
  encodeEntryRest,
  encodeEntryStart,
  encodeVersion,
  TAG_VERSION_BYTES,
} from './model.ts';

const tag: fc.Arbitrary<EntryTag> = fc.record({
  name: fc.string({ unit: 'binary', minLength: 1, maxLength: 32 }),
  version: bytes(TAG_VERSION_BYTES, TAG_VERSION_BYTES),
});
const entry = fc.record({
  absent: fc.boolean(),
  incarnation: bytes(8, 8),
  sequence: fc.maxSafeNat(),
  createdAtMs: fc.maxSafeNat(),
  ttlMs: fc.nat(30 * 86_400_000),
  staleMs: fc.nat(30 * 86_400_000),
  loadMs: fc.nat(2 ** 31 - 1),
  tags: fc.array(tag, { maxLength: 16 }),
  value: bytes(0, 100),
});

function bytes(minLength: number, maxLength: number): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array));
}

type Sample = typeof entry extends fc.Arbitrary<infer Each> ? Each : never;

/** Encodes an entry in the same way as write.lua. */
function encode(of: Sample): Buffer {
  const version = encodeVersion(of.incarnation, of.sequence, of.createdAtMs);
  return Buffer.concat([encodeEntryStart(of.absent), version, encodeEntryRest(of), of.value]);
}

function expected({ incarnation, sequence, ...rest }: Sample) {
  return { ...rest, version: encodeVersion(incarnation, sequence, rest.createdAtMs) };
}

test('decodes an entry as it was encoded, and returns undefined if its header or tags are truncated', () => {
  fc.assert(
    fc.property(entry, (of) => {
      const whole = encode(of);
      expect(decodeEntry(whole)).toEqual(expected(of));
      const valueOffset = whole.length - of.value.length;
      for (const length of [0, 1, ENTRY_HEADER_BYTES - 1, valueOffset - 1]) {
        expect(decodeEntry(whole.subarray(0, length))).toBeUndefined();
      }
    }),
  );
});

test('skips header fields of a newer release, up to a header of 255 bytes', () => {
  const maxAddedBytes = 255 - ENTRY_HEADER_BYTES;
  fc.assert(
    fc.property(entry, bytes(0, maxAddedBytes), (of, added) => {
      const whole = encode(of);
      const header = Buffer.concat([whole.subarray(0, ENTRY_HEADER_BYTES), added]);
      header[2] = header.length;
      expect(decodeEntry(Buffer.concat([header, whole.subarray(ENTRY_HEADER_BYTES)]))).toEqual(expected(of));
    }),
  );
});

test('treats an unknown flag, an unknown format and a header that is too short as a miss', () => {
  fc.assert(
    fc.property(entry, fc.integer({ min: 1, max: 7 }), (of, bit) => {
      for (const [offset, value] of [
        [0, ENTRY_FORMAT + bit],
        [1, (of.absent ? 1 : 0) | (1 << bit)],
        [2, ENTRY_HEADER_BYTES - bit],
      ] as const) {
        const changed = encode(of);
        changed[offset] = value;
        expect(decodeEntry(changed)).toBeUndefined();
      }
    }),
  );
});

test('decodes random bytes to an entry or undefined without throwing', () => {
  const likely = bytes(0, 200).map((rest) => Buffer.concat([Buffer.of(ENTRY_FORMAT, 0, ENTRY_HEADER_BYTES), rest]));
  fc.assert(
    fc.property(fc.oneof(bytes(0, 100), likely), (some) => {
      const decoded = decodeEntry(some);
      expect(decoded === undefined || some[0] === ENTRY_FORMAT).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});
