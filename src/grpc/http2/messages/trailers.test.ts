/**
 * Tests how statuses are encoded: percent encoding, truncation and caching.
 */
import { Status } from '../../status.ts';
import { HpackDecoder } from '../hpack/decoder.ts';
import type { Field } from '../hpack/field.ts';
import { OPENING_BLOCK, percentEncode, trailersBlock } from './trailers.ts';

function decode(block: Buffer): Record<string, string> {
  const decoder = new HpackDecoder({ tableBytes: 4_096, maxListBytes: 100_000, maxListFields: 100 });
  const fields: Field[] = [];
  expect(decoder.decode(block, 0, block.length, fields)).toBe(true);
  return Object.fromEntries(fields.map((field) => [field.name, field.value]));
}

test('encodes code, message and pushback', () => {
  const block = trailersBlock({ code: Status.UNAVAILABLE, message: 'Redis is unavailable', retryPushbackMs: 99.6 });
  expect(decode(block)).toEqual({
    'grpc-status': '14',
    'grpc-message': 'Redis is unavailable',
    'grpc-retry-pushback-ms': '100',
  });
});

test('omits grpc-message when the message is empty', () => {
  expect(decode(trailersBlock({ code: Status.ABORTED, message: '' }))).toEqual({ 'grpc-status': '10' });
});

test('names the accepted encodings in every response', () => {
  expect(decode(OPENING_BLOCK)).toEqual({
    ':status': '200',
    'content-type': 'application/grpc',
    'grpc-accept-encoding': 'identity,deflate,gzip',
  });
});

test('percent-encodes everything except printable ASCII, and also the percent sign and quotes', () => {
  expect(percentEncode('a b~!')).toBe('a b~!');
  expect(percentEncode(' a  b ')).toBe('%20a  b%20');
  expect(percentEncode('100 % "é"\n🧺')).toBe('100 %25 %22%C3%A9%22%0A%F0%9F%A7%BA');
  expect(percentEncode('\ud83e')).toBe('%EF%BF%BD');
});

test('truncates a long message after a complete character', () => {
  const encoded = percentEncode('é'.repeat(10_000));
  expect(encoded.length).toBeLessThanOrEqual(4_096);
  expect(decodeURIComponent(encoded)).toMatch(/^é+$/);
});

test('returns the cached block for a repeated status, and bounds the cache', () => {
  const first = trailersBlock({ code: Status.NOT_FOUND, message: 'cannot find it' });
  expect(trailersBlock({ code: Status.NOT_FOUND, message: 'cannot find it' })).toBe(first);
  for (let index = 0; index < 1_000; index += 1) {
    trailersBlock({ code: Status.NOT_FOUND, message: `cannot find ${index}` });
  }
  expect(trailersBlock({ code: Status.NOT_FOUND, message: 'cannot find it' })).not.toBe(first);
});
