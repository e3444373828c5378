/**
 * Tests which metadata a response may have.
 */
import type { MetadataEntry } from '../method.ts';
import { metadataFields } from './answer-metadata.ts';

test('keeps text and encodes bytes as base64 without padding', () => {
  const entries: MetadataEntry[] = [
    ['x-text', 'a value, 100 %'],
    ['x-empty', ''],
    ['x-bytes-bin', Buffer.from([0, 255])],
  ];
  expect(metadataFields(entries)).toEqual([
    ['x-text', 'a value, 100 %'],
    ['x-empty', ''],
    ['x-bytes-bin', 'AP8'],
  ]);
});

const invalid: MetadataEntry[] = [
  ['X-Upper', 'a'],
  ['', 'a'],
  ['with blank', 'a'],
  ['grpc-status', '0'],
  ['connection', 'close'],
  ['te', 'trailers'],
  ['content-type', 'text/plain'],
  ['x-text', ' a'],
  ['x-text', 'a '],
  ['x-text', ' '],
  ['x-text', 'two\nlines'],
  ['x-text', 'é'],
  ['x-bytes-bin', 'text'],
  ['x-text', Buffer.from('bytes')],
  ['x-long', 'a'.repeat(8_192)],
];

test.each(invalid)('rejects %j: %j', (key, value) => {
  expect(() => metadataFields([[key, value]])).toThrow(TypeError);
});
