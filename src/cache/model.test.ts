/**
 * The bytes of an entry: what was written is read back, what a newer release adds is skipped or a miss, and nothing that Redis may hold
 * under its key makes the reader throw.
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

/** As write.lua makes it. */
function encode(of: Sample): Buffer {
  const version = encodeVersion(of.incarnation, of.sequence, of.createdAtMs);
  return Buffer.concat([encodeEntryStart(of.absent), version, encodeEntryRest(of), of.value]);
}

function expected({ incarnation, sequence, ...rest }: Sample) {
  return { ...rest, version: encodeVersion(incarnation, sequence, rest.createdAtMs) };
}

test('an entry is read as it was written; cut short within its header or tags it is none', () => {
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

test('fields that a newer release adds to the header are skipped, up to a header of 255 bytes', () => {
  const room = 255 - ENTRY_HEADER_BYTES;
  fc.assert(
    fc.property(entry, bytes(0, room), (of, added) => {
      const whole = encode(of);
      const header = Buffer.concat([whole.subarray(0, ENTRY_HEADER_BYTES), added]);
      header[2] = header.length;
      expect(decodeEntry(Buffer.concat([header, whole.subarray(ENTRY_HEADER_BYTES)]))).toEqual(expected(of));
    }),
  );
});

test('an unknown flag, another format and a shorter header are a miss', () => {
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

test('any bytes are an entry or none, and nothing throws', () => {
  const likely = bytes(0, 200).map((rest) => Buffer.concat([Buffer.of(ENTRY_FORMAT, 0, ENTRY_HEADER_BYTES), rest]));
  fc.assert(
    fc.property(fc.oneof(bytes(0, 100), likely), (some) => {
      const decoded = decodeEntry(some);
      expect(decoded === undefined || some[0] === ENTRY_FORMAT).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});
