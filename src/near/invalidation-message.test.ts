/**
 * Tests the encoding of invalidation messages, and the decoding of malformed bytes.
 */
import fc from 'fast-check';
import { decodeInvalidationMessage, encodeInvalidationMessage } from './invalidation-message.ts';

describe('message', () => {
  test('is decoded as it was encoded, with any names', () => {
    const name = fc
      .uint8Array({ minLength: 1, maxLength: 1_024 })
      .map((bytes) => Buffer.from(bytes).toString('latin1'));
    const message = fc.record({
      kind: fc.constantFrom('names' as const, 'flush' as const),
      incarnation: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      sequence: fc.maxSafeNat(),
      stamp: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      names: fc.array(name, { maxLength: 5 }),
    });
    const version = fc
      .uint8Array({ minLength: 24, maxLength: 24 })
      .map((bytes) => Buffer.from(bytes).toString('latin1'));
    fc.assert(
      fc.property(message, fc.option(version, { nil: undefined }), (fields, found) => {
        const value = found === undefined ? fields : { ...fields, version: found };
        expect(decodeInvalidationMessage(encodeInvalidationMessage(value))).toEqual(value);
      }),
    );
  });

  test('decodes malformed and truncated bytes without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const decoded = decodeInvalidationMessage(Buffer.from(bytes));
        expect(decoded === undefined || bytes[0] === 1).toBe(true);
      }),
    );
    const whole = encodeInvalidationMessage({
      kind: 'names',
      incarnation: '12345678',
      sequence: 1,
      stamp: 'abcdefgh',
      names: ['abc'],
    });
    for (let length = 0; length < whole.length; length += 1) {
      const cut = decodeInvalidationMessage(whole.subarray(0, length));
      expect(cut === undefined || cut.names.length === 0).toBe(true);
    }
  });
});
