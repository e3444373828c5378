/**
 * The bytes of an entry: what was written is read back, and nothing that Redis may hold under its key makes the reader throw.
 */
import fc from 'fast-check';
import {
  decodeEntry,
  ENTRY_FORMAT,
  ENTRY_HEADER_BYTES,
  type EntryTag,
  encodeTagBlock,
  encodeVersion,
  TAG_VERSION_BYTES,
} from './entry.ts';

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
  tags: fc.array(tag, { maxLength: 16 }),
  value: bytes(0, 100),
});

function bytes(minLength: number, maxLength: number): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array));
}

/** As write.lua makes it. */
function encode(of: typeof entry extends fc.Arbitrary<infer Entry> ? Entry : never): Buffer {
  const tagBlock = encodeTagBlock(of.tags);
  const tail = Buffer.alloc(6);
  tail.writeUInt32BE(of.ttlMs);
  tail.writeUInt16BE(tagBlock.length, 4);
  const version = encodeVersion(of.incarnation, of.sequence, of.createdAtMs);
  return Buffer.concat([Buffer.of(ENTRY_FORMAT, of.absent ? 1 : 0), version, tail, tagBlock, of.value]);
}

test('an entry is read as it was written; cut short within its header or tags it is none', () => {
  fc.assert(
    fc.property(entry, (of) => {
      const whole = encode(of);
      const { incarnation, sequence, ...rest } = of;
      const version = encodeVersion(incarnation, sequence, of.createdAtMs);
      expect(decodeEntry(whole)).toEqual({ ...rest, version });
      const valueOffset = whole.length - of.value.length;
      for (const length of [0, 1, ENTRY_HEADER_BYTES - 1, valueOffset - 1]) {
        expect(decodeEntry(whole.subarray(0, length))).toBeUndefined();
      }
    }),
  );
});

test('any bytes are an entry or none, and nothing throws', () => {
  const likely = bytes(0, 200).map((rest) => Buffer.concat([Buffer.of(ENTRY_FORMAT), rest]));
  fc.assert(
    fc.property(fc.oneof(bytes(0, 100), likely), (some) => {
      const decoded = decodeEntry(some);
      expect(decoded === undefined || some[0] === ENTRY_FORMAT).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});
