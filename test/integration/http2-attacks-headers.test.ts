/**
 * Tests attacks on the HTTP/2 transport with header blocks that never end, that are much larger after decoding, or that
 * violate HPACK. The attacker must receive the correct error. The calls of another client, the memory and the CPU time
 * must stay within the bounds in attack-bounds.ts.
 */
import { HTTP2_LIMITS } from '../../src/grpc/http2/limits/http2-limits.ts';
import { TRANSPORT_LIMITS } from '../../src/grpc/transport/transport.ts';
import { answerOf } from '../support/http2/answers.ts';
import {
  dismiss,
  expectUnharmed,
  type FloodResult,
  flood,
  hundreds,
  MEBIBYTE,
} from '../support/http2/attack-bounds.ts';
import { type AttackOutcome, AttackRange, attackPath } from '../support/http2/attack-range.ts';
import {
  continuation,
  data,
  FrameFlag,
  FrameType,
  headers,
  headersOnly,
  Indexing,
  indexed,
  integer,
  literal,
  message,
  requestBlock,
  tableSizeUpdate,
} from '../support/http2/frames.ts';
import { huffmanEncode } from '../support/http2/huffman.ts';
import { Http2Peer } from '../support/http2/peer.ts';
import { waitFor } from '../support/wait.ts';

const BLOCKS = 300;
const MAX_FRAMES = 100_000;
const ATTACKERS = 3;
const FRAME_BYTES = 16_000;
/** Maximum bytes of incomplete header blocks, and of the strings of a header list while the server decodes it. */
const MAX_HELD_BYTES = ATTACKERS * HTTP2_LIMITS.maxHeaderBlockBytes * 4 + MEBIBYTE;
const REQUEST = requestBlock(attackPath('Slow'));

let range: AttackRange;

beforeAll(async () => {
  range = await AttackRange.open();
});

afterAll(async () => {
  await range?.close();
});

function expectBounded(outcome: AttackOutcome<FloodResult>, maxCallsPerFrame: number): void {
  expectUnharmed(range, outcome, {
    maxBufferedRequestBytes: MAX_HELD_BYTES,
    effort: outcome.result.effort,
    maxCallsPerFrame,
  });
  dismiss(outcome.result.peers);
}

describe('a block that does not end is rejected, and its peer is disconnected', () => {
  test.each([
    { name: 'CONTINUATION flood (CVE-2024-27316)', piece: Buffer.alloc(8_000, literal('a', 'b')) },
    { name: 'CONTINUATION flood of small frames', piece: literal('a', 'b') },
    { name: 'CONTINUATION flood of empty frames', piece: Buffer.alloc(0) },
    {
      name: 'CONTINUATION flood that grows the table',
      piece: Buffer.alloc(8_000, literal('a', 'b', Indexing.incremental)),
    },
  ])('$name', async ({ piece }) => {
    const outcome = await range.under((port) => {
      return flood(port, {
        opening: headers(1, REQUEST, 0),
        framesPerStep: 1,
        make: () => continuation(1, piece),
        maxFrames: MAX_FRAMES,
        attackers: ATTACKERS,
      });
    });
    expect(outcome.result.ends.map((end) => end.goaway?.error)).toEqual([
      'enhanceYourCalm',
      'enhanceYourCalm',
      'enhanceYourCalm',
    ]);
    expect(outcome.after.started).toBe(outcome.before.started);
    expectBounded(outcome, 4);
  });

  test('frames after the rejected block are not read', async () => {
    const peer = await Http2Peer.open(range.port);
    const before = await range.report();
    const frames = Array.from({ length: HTTP2_LIMITS.maxContinuationFrames + 1 }, () =>
      continuation(1, Buffer.alloc(0)),
    );
    await peer.send(headers(1, REQUEST, 0), ...frames, headersOnly(3, REQUEST), Buffer.alloc(100_000, 0xff));
    await peer.closed();
    expect(peer.goaway?.error).toBe('enhanceYourCalm');
    expect((await range.report()).started).toBe(before.started);
  });
});

/** Returns a HEADERS frame and as many CONTINUATION frames as the header block needs. */
function block(streamId: number, bytes: Buffer): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += FRAME_BYTES) {
    const piece = bytes.subarray(at, at + FRAME_BYTES);
    const end = at + FRAME_BYTES >= bytes.length ? FrameFlag.endHeaders : 0;
    frames.push(at === 0 ? headers(streamId, piece, end | FrameFlag.endStream) : continuation(streamId, piece, end));
  }
  return Buffer.concat(frames);
}

/**
 * Field with a name of 1 character and a value of 3,900 characters. The field fits into a dynamic table of 4,096 bytes,
 * and each index that refers to it expands to its full size.
 */
const BOMB = Buffer.concat([literal('a', 'b'.repeat(3_900), Indexing.incremental), Buffer.alloc(11_000, indexed(62))]);
const HUFFMAN_ZEROS = huffmanEncode(Buffer.alloc(90_000, '0'));

describe('a list that grows when it is decoded is rejected for each call, and costs as much as its bytes', () => {
  test.each([
    { name: 'HPACK bomb', fields: BOMB },
    { name: 'fields without a value', fields: Buffer.alloc(56_000, literal('a', '')) },
    {
      name: 'fields that replace the whole table',
      fields: Buffer.alloc(56_000, literal('a', '', Indexing.incremental)),
    },
    { name: 'fields of one byte each', fields: Buffer.alloc(15_000, indexed(31)) },
    {
      name: 'a string in Huffman code that fills the block',
      fields: Buffer.concat([Buffer.from([0, 1, 97]), integer(HUFFMAN_ZEROS.length, 7, 0x80), HUFFMAN_ZEROS]),
    },
    { name: 'a value longer than the maximum header list', fields: literal('a', 'b'.repeat(50_000)) },
  ])('$name', async ({ fields }) => {
    const plan = {
      framesPerStep: 1,
      make: (step: number) => block(2 * step + 1, Buffer.concat([REQUEST, fields])),
      maxFrames: BLOCKS,
      attackers: ATTACKERS,
    };
    const outcome = await range.under(async (port) => {
      const result = await flood(port, plan);
      const answers = await Promise.all(result.peers.map((peer) => answerOf(peer, 1)));
      return { ...result, answers };
    });
    // Status code RESOURCE_EXHAUSTED.
    expect(outcome.result.answers.map(({ grpcStatus }) => grpcStatus)).toEqual([8, 8, 8]);
    expect(outcome.result.answers[0]?.grpcMessage).toContain(String(TRANSPORT_LIMITS.maxMetadataBytes));
    expect(outcome.after.started).toBe(outcome.before.started);
    expectBounded(outcome, 4);
  });

  test('consecutive changes of the table size have a bounded cost', async () => {
    const change = Buffer.concat([tableSizeUpdate(0), tableSizeUpdate(4_096)]);
    const outcome = await range.under((port) => {
      return flood(port, {
        framesPerStep: 1,
        make: (step) =>
          block(2 * step + 1, Buffer.concat([Buffer.alloc(48_000, change), requestBlock(attackPath('Echo'))])),
        maxFrames: BLOCKS,
        attackers: ATTACKERS,
      });
    });
    expectBounded(outcome, 4);
  });

  test('empty names (CVE-2019-9516) are malformed, and too many of them end the connection', async () => {
    const outcome = await range.under((port) => {
      return flood(port, {
        ...hundreds((index) => headersOnly(2 * index + 1, Buffer.concat([REQUEST, Buffer.alloc(300)]))),
        maxFrames: MAX_FRAMES,
        attackers: ATTACKERS,
      });
    });
    expect(outcome.result.peers[0]?.resets.get(1)).toBe('protocolError');
    expect(outcome.result.ends.map((end) => end.goaway?.error)).toEqual([
      'enhanceYourCalm',
      'enhanceYourCalm',
      'enhanceYourCalm',
    ]);
    expect(outcome.after.started).toBe(outcome.before.started);
    expectBounded(outcome, 4);
  });
});

test.each([
  { name: 'an index that does not exist', bytes: indexed(70) },
  { name: 'an integer that does not end', bytes: Buffer.alloc(100, 0xff) },
  { name: 'a string that is longer than its block', bytes: Buffer.from([0, 0x7f, 0xff, 0xff, 0x7f]) },
  { name: 'a table larger than announced', bytes: tableSizeUpdate(4_097) },
  { name: 'Huffman code with the end marker', bytes: Buffer.from([0, 1, 97, 0x84, 0xff, 0xff, 0xff, 0xff]) },
])('$name ends the connection with COMPRESSION_ERROR', async ({ bytes }) => {
  const peer = await Http2Peer.open(range.port);
  await peer.send(headersOnly(1, bytes));
  expect((await peer.end()).goaway?.error).toBe('compressionError');
  await peer.closed();
});

test('an interrupted block ends the connection', async () => {
  const peer = await Http2Peer.open(range.port);
  await peer.send(headers(1, REQUEST, 0), headersOnly(3, REQUEST));
  expect((await peer.end()).goaway?.error).toBe('protocolError');
});

test('after all attacks, no connection or handler remains', async () => {
  const report = await waitFor('the honest client to be the only one', async () => {
    const now = await range.report();
    return now.connections <= 1 ? now : undefined;
  });
  expect({ uncaught: report.uncaught, logged: report.logged, running: report.running }).toEqual({
    uncaught: 0,
    logged: [],
    running: 0,
  });
});

test('a peer whose header list was rejected can make further calls', async () => {
  const peer = await Http2Peer.open(range.port);
  const echo = Buffer.concat([requestBlock(attackPath('Echo')), indexed(62)]);
  await peer.send(
    block(1, Buffer.concat([REQUEST, BOMB])),
    headers(3, echo),
    data(3, message(Buffer.from('x')), FrameFlag.endStream),
  );
  expect((await answerOf(peer, 1)).grpcStatus).toBe(8);
  // The server also decoded the rejected block into its HPACK table, so the index of the second call refers to the
  // field that the client intended.
  expect((await answerOf(peer, 3)).grpcStatus).toBe(0);
  expect(peer.count(FrameType.goaway)).toBe(0);
  peer.destroy();
});
