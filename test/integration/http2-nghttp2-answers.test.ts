/**
 * Tests that nghttp2 (node:http2) reads the responses of the built-in HTTP/2 server. The client receives random
 * metadata and status messages exactly as the handlers set them. Between rounds of calls, the client changes the
 * maximum size of the server's header table.
 */
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { startHttp2Transport } from '../../src/grpc/http2/http2-transport.ts';
import type { AnyMethod, CallContext, MetadataEntry } from '../../src/grpc/method.ts';
import { type StatusCode, StatusError } from '../../src/grpc/status.ts';
import type { Transport } from '../../src/grpc/transport/transport.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { connectHttp2 } from '../support/grpc/raw-client.ts';
import { message } from '../support/http2/frames.ts';
import { FastRandom } from '../support/http2/random.ts';
import { waitFor } from '../support/wait.ts';

const SEED = 9_113;
const ROUNDS = 60;
const CALLS = 30;
/** Minimum length of a status message after the server has truncated it. */
const MIN_TEXT_LENGTH = 900;
const TABLE_SIZES = [0, 1, 33, 100, 4_096, 65_536];
const KEYS = ['x-request-id', 'x-bytes-bin', 'retry-after', 'server', 'x', 'x_y-z.0', 'vary', 'via', 'etag'];

/** Response that the handler must send. */
interface ExpectedAnswer {
  readonly headers: MetadataEntry[];
  readonly trailers: MetadataEntry[];
  readonly code: number;
  readonly text: string;
}

/** Expected responses, by the number of the call. */
const expectedAnswers = new Map<number, ExpectedAnswer>();
let transport: Transport;
let session: ClientHttp2Session;

const ANSWER = {
  path: '/nghttp2.Test/Answer',
  kind: 'unary',
  decode: (bytes: Buffer) => Buffer.from(bytes),
  encode: (response: Buffer) => response,
  handler: (request: Buffer, context: CallContext) => {
    const expected = expectedAnswers.get(request.readUInt32BE(0));
    context.answerWith({ headers: expected?.headers ?? [], trailers: expected?.trailers ?? [] });
    if (expected !== undefined && expected.code !== 0) {
      throw new StatusError(expected.code as StatusCode, expected.text);
    }
    return request;
  },
} satisfies AnyMethod;

beforeAll(async () => {
  transport = await startHttp2Transport({
    table: new Map([[ANSWER.path, ANSWER]]),
    listen: { tcp: { host: '127.0.0.1', port: 0 } },
    defaultDeadlineMs: 10_000,
    clock: systemClock,
    log: { error: () => {} },
  });
  session = connectHttp2(Number(transport.tcpPort));
});

afterAll(async () => {
  session?.destroy();
  await transport?.close();
});

function randomEntries(random: FastRandom): MetadataEntry[] {
  return Array.from({ length: random.below(6) }, () => {
    const key = random.pick(KEYS);
    const length = random.below(random.pick([3, 30, 300]));
    return [key, key.endsWith('-bin') ? random.bytes(length) : randomValue(length, random)];
  });
}

/** Returns printable ASCII without leading or trailing spaces, which HTTP/2 does not allow. */
function randomValue(length: number, random: FastRandom): string {
  const characters = Array.from({ length }, () => String.fromCharCode(32 + random.below(95)));
  return characters.join('').trim();
}

function randomText(random: FastRandom): string {
  const pieces = [
    ' ',
    'cannot set',
    ': ',
    '100 %',
    'ä',
    '\u{1f600}',
    '\ud800',
    '\n',
    '\0',
    '"',
    '%41',
    'x'.repeat(700),
  ];
  return Array.from({ length: random.below(9) }, () => random.pick(pieces)).join('');
}

interface Received {
  fields: [string, string][];
  trailers: [string, string][];
  resetCode: number;
}

function call(index: number): Promise<Received> {
  return new Promise((resolve) => {
    const received: Received = { fields: [], trailers: [], resetCode: 0 };
    const stream: ClientHttp2Stream = session.request({
      ':method': 'POST',
      ':path': ANSWER.path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('response', (...args: unknown[]) => {
      received.fields = pairs(args[2]);
    });
    stream.on('trailers', (...args: unknown[]) => {
      received.trailers = pairs(args[2]);
    });
    stream.on('error', () => {});
    stream.on('close', () => resolve({ ...received, resetCode: stream.rstCode ?? 0 }));
    stream.resume();
    const request = Buffer.alloc(4);
    request.writeUInt32BE(index);
    stream.end(message(request));
  });
}

function pairs(flat: unknown): [string, string][] {
  const fields = flat as string[];
  return Array.from({ length: fields.length / 2 }, (_, at) => [String(fields[2 * at]), String(fields[2 * at + 1])]);
}

/** Returns the metadata entries in their wire format: bytes are in base64 without padding. */
function onWire(entries: readonly MetadataEntry[]): [string, string][] {
  return entries.map(([key, value]) => [
    key,
    typeof value === 'string' ? value : value.toString('base64').replace(/=+$/, ''),
  ]);
}

/**
 * Returns whether `received` is the expected status message. Invalid characters must be replaced as gRPC requires, and
 * the message may be truncated.
 */
function isText(received: string | undefined, expected: string): boolean {
  const text = decodeURIComponent(received ?? '');
  const whole = expected.toWellFormed();
  return text === whole || (whole.startsWith(text) && text.length >= MIN_TEXT_LENGTH);
}

test('nghttp2 reads what handlers send, with any size of its header table', async () => {
  const random = new FastRandom(SEED);
  const wrong: unknown[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    if (random.once(2)) {
      const headerTableSize = random.pick(TABLE_SIZES);
      session.settings({ headerTableSize });
      if (random.once(2)) {
        await waitFor(
          'the SETTINGS to be acknowledged',
          () => session.localSettings.headerTableSize === headerTableSize,
        );
      }
    }
    const indexes = Array.from({ length: CALLS }, (_, at) => round * CALLS + at);
    const received = await Promise.all(
      indexes.map((index) => {
        const code = random.once(2) ? 0 : 1 + random.below(16);
        const text = randomText(random);
        expectedAnswers.set(index, { headers: randomEntries(random), trailers: randomEntries(random), code, text });
        return call(index);
      }),
    );
    for (const [at, answer] of received.entries()) {
      const expected = expectedAnswers.get(Number(indexes[at])) as ExpectedAnswer;
      if (!isRight(answer, expected)) {
        wrong.push({ answer, expected });
      }
    }
  }
  expect(wrong.slice(0, 2)).toEqual([]);
  expect(session.destroyed).toBe(false);
}, 60_000);

function isRight(answer: Received, expected: ExpectedAnswer): boolean {
  // A status without a message is sent in one header block (Trailers-Only).
  const last = expected.code === 0 ? answer.trailers : answer.fields;
  const status = new Map(last);
  const own = (fields: [string, string][]): string => {
    return JSON.stringify(fields.filter(([name]) => KEYS.includes(name)));
  };
  const isOk = expected.code === 0;
  return (
    answer.resetCode === 0 &&
    status.get('grpc-status') === String(expected.code) &&
    (isOk || isText(status.get('grpc-message'), expected.text)) &&
    own(last) === JSON.stringify(onWire(expected.trailers)) &&
    (!isOk || own(answer.fields) === JSON.stringify(onWire(expected.headers)))
  );
}
