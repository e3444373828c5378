/**
 * Compares our HPACK implementation with nghttp2, which node:http2 contains. Each implementation encodes thousands of
 * random header lists, which the other implementation must decode to the same fields. The tests of requests use dynamic
 * tables of several sizes, including a table whose size changes between lists.
 */
import { type ClientHttp2Stream, constants, type OutgoingHttpHeaders, sensitiveHeaders } from 'node:http2';
import { encodeFields, STATUS_200 } from '../../src/grpc/http2/hpack/encoder.ts';
import { percentEncode, trailersBlock } from '../../src/grpc/http2/messages/trailers.ts';
import type { StatusCode } from '../../src/grpc/status.ts';
import { type AnswerBlocks, type FieldList, Nghttp2Pair } from '../support/http2/nghttp2.ts';
import { FastRandom } from '../support/http2/random.ts';
import { waitFor } from '../support/wait.ts';

const SEED = 7_541;
const BATCH = 40;
const BATCHES = 20;

/** Names from the static table, and names that gRPC uses. */
const KNOWN_NAMES = [
  'accept',
  'accept-encoding',
  'cookie',
  'accept-charset',
  'via',
  'x-trace-bin',
  'grpc-timeout',
  'link',
];
const TOKEN = "abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&'*+^`|~";
/**
 * Characters with which a value can begin and end: visible ASCII. Every other position of a value can also contain a
 * space, a tab or one of the characters 128 to 255.
 */
const VISIBLE = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index));
const UPPER = Array.from({ length: 128 }, (_, index) => String.fromCharCode(128 + index));
const INNER = [...VISIBLE, ...UPPER, ' ', '\t'];

function randomName(random: FastRandom): string {
  if (random.below(3) === 0) {
    return random.pick(KNOWN_NAMES);
  }
  return `x-${Array.from({ length: 1 + random.below(random.below(20) === 0 ? 200 : 12) }, () => random.pick(TOKEN)).join('')}`;
}

function randomValue(random: FastRandom): string {
  const kind = random.below(10);
  if (kind === 0) {
    return '';
  }
  const length = kind === 1 ? random.below(6_000) : kind === 2 ? random.below(300) : 1 + random.below(30);
  const middle = kind < 6 ? INNER : VISIBLE;
  // As RFC 9113 requires, nghttp2 rejects values that begin or end with whitespace.
  return Array.from({ length }, (_, at) => random.pick(at === 0 || at === length - 1 ? VISIBLE : middle)).join('');
}

/**
 * Returns a few fields. Some names and fields are repeated from earlier lists, because an encoder uses entries of the
 * dynamic table only for repeated names and fields.
 */
function randomFields(random: FastRandom, earlier: (readonly [string, string])[]): [string, string][] {
  const fields: [string, string][] = [];
  for (let left = random.below(random.below(10) === 0 ? 40 : 8); left > 0; left -= 1) {
    const known = earlier.length > 0 && random.below(2) === 0 ? random.pick(earlier) : undefined;
    const name = known?.[0] ?? randomName(random);
    fields.push([name, known !== undefined && random.below(3) > 0 ? known[1] : randomValue(random)]);
  }
  earlier.push(...fields);
  earlier.splice(0, Math.max(0, earlier.length - 60));
  return fields;
}

/** Converts fields to the form of node:http2, which groups the values of a name. Marks some names as never indexed. */
function outgoing(fields: FieldList, random: FastRandom): OutgoingHttpHeaders {
  const lists = new Map<string, string[]>();
  for (const [name, value] of fields) {
    lists.set(name, [...(lists.get(name) ?? []), value]);
  }
  const entries: OutgoingHttpHeaders = {
    ':method': random.pick(['POST', 'GET', 'PUT']),
    ':path': `/${random.pick(['a', 'index.html', 'pannier.v1.CacheService/CacheGet'])}`,
  };
  for (const [name, values] of lists) {
    entries[name] = values.length === 1 ? values[0] : values;
  }
  const secret = [...lists.keys()].filter(() => random.below(5) === 0);
  return { ...entries, [sensitiveHeaders]: secret } as OutgoingHttpHeaders;
}

/** Sorts fields by name only, because node:http2 may reorder fields of different names. */
function sorted(fields: FieldList): FieldList {
  return [...fields].sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [String(flat[2 * index]), String(flat[2 * index + 1])]);
}

/** Fields of the headers and of the trailers that the client received. */
interface Received {
  readonly opening: [string, string][];
  readonly trailers: [string, string][];
}

function receive(stream: ClientHttp2Stream): Promise<Received> {
  return new Promise((resolve) => {
    let opening: [string, string][] = [];
    let trailers: [string, string][] = [];
    stream.on('response', (...args: unknown[]) => {
      opening = pairs(args[2] as string[]);
    });
    stream.on('trailers', (...args: unknown[]) => {
      trailers = pairs(args[2] as string[]);
    });
    stream.on('error', () => {});
    stream.on('close', () => resolve({ opening, trailers }));
    stream.resume();
    stream.end();
  });
}

const SHORT_ANSWER: AnswerBlocks = {
  opening: STATUS_200,
  trailers: encodeFields([['grpc-status', '0']]),
};

let pair: Nghttp2Pair;

afterEach(() => {
  pair?.close();
});

test.each([
  { name: 'a table of 4,096 bytes', tableBytes: 4_096, sizes: [4_096] },
  { name: 'no table at all', tableBytes: 0, sizes: [0] },
  { name: 'a table for one or two fields', tableBytes: 100, sizes: [100] },
  { name: 'a large table', tableBytes: 30_000, sizes: [30_000] },
  { name: 'a table that shrinks and grows', tableBytes: 4_096, sizes: [4_096, 500, 0, 33, 4_096, 1_000, 64] },
  { name: 'a table, and frames with padding', tableBytes: 4_096, sizes: [4_096], isPadded: true },
])(
  'decodes requests of nghttp2 to the same fields with $name',
  async ({ tableBytes, sizes, isPadded }) => {
    const random = new FastRandom(SEED + tableBytes + sizes.length);
    const clientOptions = {
      maxDeflateDynamicTableSize: 65_536,
      ...(isPadded ? { paddingStrategy: constants.PADDING_STRATEGY_MAX } : {}),
    };
    pair = await Nghttp2Pair.open({ tableBytes, answer: () => SHORT_ANSWER, clientOptions });
    const earlier: [string, string][] = [];
    let evictions = 0;
    let tableBytesBefore = 0;
    for (let batch = 0; batch < BATCHES; batch += 1) {
      pair.announceTable(random.pick(sizes));
      const sent: { stream: ClientHttp2Stream; fields: FieldList; received: Promise<Received> }[] = [];
      for (let index = 0; index < BATCH; index += 1) {
        const fields = randomFields(random, earlier);
        const stream = pair.client.request(outgoing(fields, random));
        sent.push({ stream, fields, received: receive(stream) });
      }
      await waitFor('all calls to end', () => pair.failure !== undefined || sent.every(({ stream }) => stream.closed));
      expect(pair.failure).toBeUndefined();
      for (const { stream, fields } of sent) {
        const decoded = pair.requests.get(Number(stream.id)) ?? [];
        expect(sorted(decoded.filter(([name]) => !name.startsWith(':')))).toEqual(sorted(fields));
        expect(decoded.filter(([name]) => name.startsWith(':'))).toHaveLength(4);
        pair.requests.delete(Number(stream.id));
      }
      expect(pair.decoder.table.bytes).toBeLessThanOrEqual(tableBytes);
      evictions += pair.decoder.table.bytes < tableBytesBefore ? 1 : 0;
      tableBytesBefore = pair.decoder.table.bytes;
    }
    // The test is meaningful only if the dynamic table was full and evicted fields.
    expect(evictions).toBeGreaterThan(tableBytes === 0 ? -1 : 2);
  },
  60_000,
);

test('nghttp2 decodes our metadata of all lengths and our status texts to the same fields', async () => {
  const random = new FastRandom(SEED + 1);
  const answers = new Map<number, { fields: [string, string][]; code: StatusCode; text: string }>();
  pair = await Nghttp2Pair.open({
    tableBytes: 4_096,
    clientOptions: { settings: { maxHeaderListSize: 1_000_000 } },
    answer: (streamId) => {
      const fields = randomFields(random, []);
      const code = (1 + random.below(16)) as StatusCode;
      const text = randomText(random);
      answers.set(streamId, { fields, code, text });
      return {
        opening: Buffer.concat([STATUS_200, encodeFields(fields)]),
        trailers: trailersBlock({ code, message: text, retryPushbackMs: random.below(2) === 0 ? undefined : 250 }),
      };
    },
  });
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const streams = Array.from({ length: BATCH }, () => pair.client.request({ ':method': 'POST' }));
    const received = await Promise.all(streams.map((stream) => receive(stream)));
    expect(pair.failure).toBeUndefined();
    for (const [index, { opening, trailers }] of received.entries()) {
      const answer = answers.get(Number(streams[index]?.id));
      expect(opening).toEqual([[':status', '200'], ...(answer?.fields ?? [])]);
      const trailer = Object.fromEntries(trailers);
      expect(Number(trailer['grpc-status'])).toBe(answer?.code);
      const text = decodeURIComponent(trailer['grpc-message'] ?? '');
      expect(answer?.text.toWellFormed().startsWith(text)).toBe(true);
      expect(trailer['grpc-message'] ?? '').toBe(percentEncode(answer?.text ?? ''));
    }
  }
}, 60_000);

/**
 * Returns a random status message with valid and invalid characters: umlauts, characters beyond the BMP, lone
 * surrogates and line breaks.
 */
function randomText(random: FastRandom): string {
  const pieces = [
    'cannot set',
    ': ',
    '100 %',
    'ä',
    'é',
    '\u{1f600}',
    '\ud800',
    '\n',
    '\0',
    '"quoted"',
    ' ',
    '%41',
    '€',
  ];
  return Array.from({ length: random.below(12) }, () => random.pick(pieces)).join('');
}
