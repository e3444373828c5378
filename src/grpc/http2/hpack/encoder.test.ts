/**
 * Tests that our decoder can read the encoded header blocks, and that these blocks contain only literals without
 * indexing. The differential test with another decoder is http2-hpack-differential.test.ts.
 */

import { HpackDecoder } from './decoder.ts';
import { encodeField, encodeFields } from './encoder.ts';
import type { Field } from './field.ts';

function decoded(block: Buffer): { fields: [string, string][]; tableBytes: number } {
  const decoder = new HpackDecoder({ tableBytes: 4_096, maxListBytes: 1_000_000, maxListFields: 1_000 });
  const fields: Field[] = [];
  decoder.decode(block, 0, block.length, fields);
  return { fields: fields.map(({ name, value }) => [name, value]), tableBytes: decoder.table.bytes };
}

test('encodes fields of all lengths without adding them to the dynamic table', () => {
  const lengths = [0, 1, 126, 127, 128, 254, 255, 256, 16_383, 16_511, 70_000];
  const fields = lengths.map((length): [string, string] => [`x-${length}`, 'v'.repeat(length)]);
  expect(decoded(encodeFields(fields))).toEqual({ fields, tableBytes: 0 });
});

test('encodes a name of the static table as its index', () => {
  expect(encodeField(':status', '500').toString('hex')).toBe('0803353030');
  expect(encodeField('content-type', 'a').toString('hex')).toBe('0f100161');
  expect(encodeField('x', 'y').toString('hex')).toBe('0001780179');
});
