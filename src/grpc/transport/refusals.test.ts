/**
 * Tests that docs/reference/errors.md lists the status code of every refusal and the beginning of its message. Also
 * tests which requests receive an HTTP status.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type StatusError, statusName } from '../status.ts';
import * as refusals from './refusals.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'reference', 'errors.md'), 'utf8');
const rows = [...page.matchAll(/^\| `(cannot [^`]+)` \| `([A-Z_]+)`/gm)].map(([, text = '', code]) => ({ text, code }));

const REFUSALS: readonly StatusError[] = [
  refusals.unknownMethod('/x'),
  refusals.metadataTooLarge({ maxMetadataBytes: 1, maxMetadataFields: 1 }),
  refusals.malformedRequest('/x', new Error('x')),
  refusals.stopping(),
  refusals.answersNotTaken(),
  refusals.messageTooLarge(2, 1),
  refusals.messageMissing(),
  refusals.secondMessage(),
  refusals.messageCutShort(),
  refusals.unknownFlag(2),
  refusals.compressionWithoutEncoding(),
  refusals.compressionUnsupported('zstd', 'identity,gzip'),
  refusals.malformedCompression('gzip', new Error('x')),
];

test.each(REFUSALS.map((error) => [error.message, error] as const))(
  'docs/reference/errors.md has a row for: %s',
  (_text, error) => {
    const row = rows.find(({ text }) => error.message.startsWith(text));
    expect(row?.code).toBe(statusName(error.code));
  },
);

test.each([
  { method: 'POST', contentType: 'application/grpc', status: undefined },
  { method: 'POST', contentType: 'application/grpc+proto', status: undefined },
  { method: 'POST', contentType: 'application/grpc;charset=utf-8', status: undefined },
  { method: 'POST', contentType: 'application/grpc-web', status: '415' },
  { method: 'POST', contentType: 'application/grpcx', status: '415' },
  { method: 'POST', contentType: '', status: '415' },
  { method: 'GET', contentType: 'application/grpc', status: '405' },
])('$method with content-type "$contentType" gets HTTP status $status', ({ method, contentType, status }) => {
  expect(refusals.httpRefusal(method, contentType)).toBe(status);
});
