/**
 * Fuzzes the interpretation of header blocks.
 *
 * Invariants:
 *   1. For a cached block, the header cache returns the same request headers as decoding the block, however the dynamic
 *      table has changed.
 *   2. The kind of a request (malformed, not gRPC, or a call) is correct according to RFC 9113, section 8. This file
 *      implements the rules of that section one by one.
 */

import { ConnectionFault } from '../../src/grpc/http2/frames/protocol.ts';
import { HpackDecoder } from '../../src/grpc/http2/hpack/decoder.ts';
import type { Field } from '../../src/grpc/http2/hpack/field.ts';
import { HeaderCache } from '../../src/grpc/http2/messages/header-cache.ts';
import { type RequestHeaders, readRequestHeaders } from '../../src/grpc/http2/messages/request-headers.ts';
import type { MethodTable } from '../../src/grpc/method.ts';
import { Indexing, indexed, literal, tableSizeUpdate } from '../support/http2/frames.ts';
import type { FastRandom } from '../support/http2/random.ts';
import { ensure, type FuzzTarget } from './target.ts';

const TABLE_BYTES = 300;
const NO_METHODS: MethodTable = new Map();
const RULES = { table: NO_METHODS, maxMetadataBytes: 1_500, maxMetadataFields: 30 };

type NameAndValue = readonly [name: string, value: string];

const GOOD: readonly NameAndValue[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/a/B'],
  [':authority', 'localhost'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
];
const MORE: readonly NameAndValue[] = [
  [':method', 'GET'],
  [':method', ''],
  [':path', ''],
  [':scheme', 'https'],
  [':authority', ''],
  [':status', '200'],
  [':strange', 'x'],
  ['content-type', 'application/grpc+proto'],
  ['content-type', 'application/grpc;x=y'],
  ['content-type', 'application/grpc-web'],
  ['content-type', 'text/html'],
  ['te', 'gzip'],
  ['connection', 'close'],
  ['transfer-encoding', 'chunked'],
  ['upgrade', 'h2c'],
  ['content-length', '12'],
  ['content-length', '13'],
  ['content-length', '-1'],
  ['grpc-timeout', '5S'],
  ['grpc-timeout', '5'],
  ['grpc-encoding', 'gzip'],
  ['x-plain', 'value'],
  ['X-Upper', 'value'],
  ['x blank', 'value'],
  ['', 'value'],
  ['x-bin', 'AAEC'],
  ['x-nul', 'a\0b'],
  ['x-line', 'a\r\nb'],
  ['x-before', ' a'],
  ['x-behind', 'a\t'],
  ['x-tab', 'a\tb'],
  ['x-latin', 'caf\u00e9'],
];

export const requestHeadersTarget: FuzzTarget = {
  name: 'request-headers',
  share: 5,
  run: (random) => {
    const headerCache = new HeaderCache({ ...RULES, hpackTableBytes: TABLE_BYTES });
    const decoder = new HpackDecoder({
      tableBytes: TABLE_BYTES,
      maxListBytes: RULES.maxMetadataBytes,
      maxListFields: RULES.maxMetadataFields,
    });
    const blocks = Array.from({ length: 1 + random.below(4) }, () => randomBlock(random));
    for (let left = 2 + random.below(10); left > 0; left -= 1) {
      const block = random.pick(blocks);
      if (random.once(6)) {
        // Trailers use the same dynamic table, but not the header cache.
        attempt(() => headerCache.readFields(block, 0, block.length));
        attempt(() => decoder.decode(block, 0, block.length, []));
      } else if (!compare(headerCache, decoder, block)) {
        break;
      }
    }
    return undefined;
  },
};

/**
 * Decodes a block with and without the header cache, and compares the results. Returns false if the block is invalid,
 * which would end the connection.
 */
function compare(headerCache: HeaderCache, decoder: HpackDecoder, block: Buffer): boolean {
  const fields: Field[] = [];
  const isComplete = attempt(() => decoder.decode(block, 0, block.length, fields));
  const found = attempt(() => headerCache.read(block, 0, block.length));
  const context = (): unknown => ({ block: block.toString('hex'), fields, found: found && shown(found) });
  ensure(
    (isComplete === undefined) === (found === undefined),
    'only one of cache and decoder accepts the block',
    context,
  );
  if (isComplete === undefined || found === undefined) {
    return false;
  }
  const expected = readRequestHeaders(fields, isComplete, RULES);
  ensure(shown(found) === shown(expected), 'the cached block has another meaning than the decoded one', context);
  if (isComplete) {
    const verdict = referenceVerdict(fields.map(({ name, value }) => [name, value]));
    ensure(found.verdict === verdict, `verdict must be ${verdict}, got ${found.verdict}`, context);
  }
  return true;
}

function attempt<Result>(step: () => Result): Result | undefined {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof ConnectionFault)) {
      throw error;
    }
    return undefined;
  }
}

function shown(request: RequestHeaders): string {
  const { refusal, metadata, ...rest } = request;
  const fields = metadata.map(({ name, value }) => [name, value]);
  return JSON.stringify({ ...rest, refusal: refusal && [refusal.code, refusal.message], fields });
}

function randomBlock(random: FastRandom): Buffer {
  const fields: NameAndValue[] = [...GOOD];
  for (let left = random.below(3); left > 0; left -= 1) {
    fields.splice(random.below(fields.length + 1), 0, random.pick(MORE));
  }
  if (random.once(4)) {
    fields.splice(random.below(fields.length), 1);
  }
  const parts = fields.map(([name, value]) => {
    return literal(name, value, random.once(8) ? Indexing.incremental : Indexing.none);
  });
  if (random.once(6)) {
    parts.unshift(tableSizeUpdate(random.below(TABLE_BYTES + 1)));
  }
  if (random.once(4)) {
    parts.push(indexed(62 + random.below(3)));
  }
  if (random.once(20)) {
    parts.push(literal('x-long', 'v'.repeat(random.below(2_000))));
  }
  return Buffer.concat(parts);
}

/** Returns the kind of a request according to RFC 9113, section 8. */
function referenceVerdict(fields: readonly NameAndValue[]): RequestHeaders['verdict'] {
  const pseudo = fields.filter(([name]) => name.startsWith(':'));
  const regular = fields.filter(([name]) => !name.startsWith(':'));
  const values = (of: string): string[] => fields.filter(([name]) => name === of).map(([, value]) => value);
  const lengths = values('content-length');
  const rules = [
    // Section 8.3: pseudo-headers precede other fields, are known, and occur once. All required pseudo-headers are
    // present.
    fields.slice(0, pseudo.length).every(([name]) => name.startsWith(':')),
    pseudo.every(([name]) => [':method', ':scheme', ':path', ':authority'].includes(name)),
    new Set(pseudo.map(([name]) => name)).size === pseudo.length,
    [':method', ':scheme', ':path'].every(
      (name) => values(name).every((value) => value !== '') && values(name).length === 1,
    ),
    // Section 8.2.1: names are lower-case tokens. Values contain no line breaks and no NUL, and no whitespace at their
    // ends.
    regular.every(([name]) => /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)),
    fields.every(([, value]) => !/[\0\r\n]/.test(value) && !/^[ \t]/.test(value) && !/[ \t]$/.test(value)),
    // Section 8.2.2: the request has no connection-specific fields.
    regular.every(
      ([name]) => !['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade'].includes(name),
    ),
    values('te').every((value) => value === 'trailers'),
    // Section 8.1.1: content-length is valid and unambiguous.
    lengths.every((value) => /^\d+$/.test(value)) && new Set(lengths.map(Number)).size <= 1,
  ];
  if (rules.includes(false)) {
    return 'malformed';
  }
  const type = values('content-type').at(-1) ?? '';
  return values(':method')[0] === 'POST' && /^application\/grpc($|[+;])/.test(type) ? 'call' : 'http';
}
