/**
 * Tests attacks on the HTTP/2 transport by requests that never end, or that arrive in very small pieces. The server
 * bounds the bytes that it buffers for one connection and for all connections together. Calls of another client
 * continue, within the bounds in attack-bounds.ts.
 */
import { gzipSync } from 'node:zlib';
import { HTTP2_LIMITS } from '../../src/grpc/http2/limits/http2-limits.ts';
import { TRANSPORT_LIMITS } from '../../src/grpc/transport/transport.ts';
import { answerOf } from '../support/http2/answers.ts';
import { dismiss, expectUnharmed, MAX_CALL_BYTES, MEBIBYTE } from '../support/http2/attack-bounds.ts';
import { type AttackEffort, AttackRange, attackPath } from '../support/http2/attack-range.ts';
import {
  data,
  FrameFlag,
  headers,
  literal,
  many,
  message,
  requestBlock,
  SettingId,
  unaryCall,
  windowUpdate,
} from '../support/http2/frames.ts';
import { Http2Peer } from '../support/http2/peer.ts';
import { waitFor } from '../support/wait.ts';

const MAX_WINDOW = 0x7fff_ffff;
const OPEN_WINDOW = [[SettingId.initialWindowSize, MAX_WINDOW]] as const;
/** Frame that increases the flow-control window of the connection to its maximum. */
const OPEN_CONNECTION = windowUpdate(0, MAX_WINDOW - 65_535);
/** Empty message. */
const EMPTY = message(Buffer.alloc(0));

let range: AttackRange;
let peers: Http2Peer[];

beforeAll(async () => {
  range = await AttackRange.open();
});

beforeEach(() => {
  peers = [];
});

afterEach(async () => {
  dismiss(peers);
  await waitFor('the honest client to be the only one', async () => (await range.report('glance')).connections <= 1);
});

afterAll(async () => {
  await range?.close();
});

async function openPeer(options: Parameters<typeof Http2Peer.open>[1] = {}): Promise<Http2Peer> {
  const peer = await Http2Peer.open(range.port, options);
  peers.push(peer);
  return peer;
}

function effortOf(frames: number): AttackEffort {
  return { frames, bytes: peers.reduce((sum, peer) => sum + peer.socket.bytesWritten, 0) };
}

const HUGE = TRANSPORT_LIMITS.maxMessageBytes;

test('a huge announced message length costs only the bytes that arrive', async () => {
  const calls = TRANSPORT_LIMITS.maxStreamsPerConnection;
  const outcome = await range.under(async () => {
    const peer = await openPeer();
    const begin = (id: number): Buffer => {
      return Buffer.concat([headers(id, requestBlock(attackPath('Echo'))), data(id, message(Buffer.from('x'), HUGE))]);
    };
    await peer.sendAll(many(calls, (index) => begin(2 * index + 1)));
    await peer.roundTrip();
    return await range.report();
  });
  const maxHeld = calls * (4_096 + MAX_CALL_BYTES);
  expect(outcome.result.liveBytes - outcome.before.liveBytes).toBeLessThan(maxHeld);
  expectUnharmed(range, outcome, {
    maxBufferedRequestBytes: maxHeld,
    effort: effortOf(2 * calls),
    maxCallsPerFrame: 4,
  });
});

test('rejects a message length above the bound at once', async () => {
  const peer = await openPeer();
  await peer.send(headers(1, requestBlock(attackPath('Echo'))), data(1, message(Buffer.alloc(0), 0xffff_ffff)));
  expect((await answerOf(peer, 1)).grpcStatus).toBe(8);
});

test('compressed messages that are too long end their calls, and their decompressed bytes are not buffered', async () => {
  const calls = 150;
  const bomb = message(gzipSync(Buffer.alloc(HUGE + 1)));
  bomb.writeUInt8(1);
  const block = requestBlock(attackPath('Echo'), [literal('grpc-encoding', 'gzip')]);
  const outcome = await range.under(async () => {
    const peer = await openPeer();
    const attack = (id: number): Buffer => Buffer.concat([headers(id, block), data(id, bomb, FrameFlag.endStream)]);
    await peer.sendAll(many(calls, (index) => attack(2 * index + 1)));
    const answers = [];
    for (let index = 0; index < calls; index += 1) {
      answers.push((await answerOf(peer, 2 * index + 1, 30_000)).grpcStatus);
    }
    return answers;
  });
  expect(new Set(outcome.result)).toEqual(new Set([8]));
  expectUnharmed(range, outcome, {
    // The server decompresses two messages at a time, in pieces that it joins at the end.
    maxBufferedRequestBytes: 2 * 2 * HUGE + calls * (bomb.length + MAX_CALL_BYTES),
    effort: effortOf(2 * calls),
    // Decompressing 4 MiB takes as much CPU time as several hundred small calls.
    maxCallsPerFrame: 1_500,
  });
});

const HALF = message(Buffer.alloc(200_000), HUGE);
const CALLS_OF_EACH = 120;

/** Opens calls and sends only a part of each message. */
async function sendHalves(peer: Http2Peer): Promise<void> {
  for (let index = 0; index < CALLS_OF_EACH && peer.isOpen; index += 1) {
    const id = 2 * index + 1;
    const pieces = many(HALF.length / 16_000, (at) => data(id, HALF.subarray(at * 16_000, (at + 1) * 16_000)));
    await peer.sendAll(headers(id, requestBlock(attackPath('Echo'))), pieces);
  }
  await peer.roundTrip();
}

test('incomplete requests of one connection are bounded', async () => {
  const outcome = await range.under(async () => {
    const peer = await openPeer();
    await sendHalves(peer);
    return await answerOf(peer, 2 * CALLS_OF_EACH - 1);
  });
  expect(outcome.result.grpcStatus).toBe(8);
  // The buffer of an incomplete message may be twice as large as the part of the message that has arrived.
  const maxHeld = 2 * HTTP2_LIMITS.maxBufferedRequestBytesPerConnection;
  expectUnharmed(range, outcome, { maxBufferedRequestBytes: maxHeld, effort: effortOf(0), maxCallsPerFrame: 4 });
});

test('incomplete requests of many connections are bounded, and do not disturb other clients', async () => {
  const large = message(Buffer.alloc(1_000_000, 'm'));
  const outcome = await range.under(async () => {
    await Promise.all(Array.from({ length: 8 }, () => openPeer()));
    await Promise.all(peers.map((peer) => sendHalves(peer)));
    const honest = await openPeer({ settings: OPEN_WINDOW });
    await honest.send(OPEN_CONNECTION, headers(1, requestBlock(attackPath('Echo'))));
    for (let at = 0; at < large.length; at += 16_000) {
      // Sends one window at a time, as an honest client does.
      await honest.send(data(1, large.subarray(at, at + 16_000)));
      await honest.roundTrip();
    }
    await honest.send(data(1, Buffer.alloc(0), FrameFlag.endStream));
    return await answerOf(honest, 1);
  });
  expect(outcome.result.grpcStatus).toBe(0);
  const maxHeld = 2 * HTTP2_LIMITS.maxBufferedRequestBytes;
  expectUnharmed(range, outcome, { maxBufferedRequestBytes: maxHeld, effort: effortOf(0), maxCallsPerFrame: 4 });
});

test('empty messages that no handler reads are bounded by their memory, not by their five bytes', async () => {
  const streams = 150;
  const ofEach = Math.floor(HTTP2_LIMITS.streamWindowBytes / EMPTY.length) - 1;
  const outcome = await range.under(async () => {
    const peer = await openPeer();
    const inFrame = Math.floor(16_000 / EMPTY.length);
    for (let index = 0; index < streams && peer.isOpen; index += 1) {
      const frames: Buffer[] = [headers(2 * index + 1, requestBlock(attackPath('Deaf')))];
      for (let left = ofEach; left > 0; left -= inFrame) {
        frames.push(data(2 * index + 1, Buffer.alloc(EMPTY.length * Math.min(left, inFrame))));
      }
      await peer.sendAll(...frames);
    }
    await peer.roundTrip();
    return await range.report();
  });
  const maxHeld = 3 * HTTP2_LIMITS.maxBufferedRequestBytesPerConnection;
  expect(outcome.result.liveBytes - outcome.before.liveBytes).toBeLessThan(maxHeld);
  expectUnharmed(range, outcome, { maxBufferedRequestBytes: maxHeld, effort: effortOf(0), maxCallsPerFrame: 20 });
});

test('metadata of calls that wait for their message is bounded for one connection and for all connections', async () => {
  const attackers = 5;
  const value = 'v'.repeat(1_900);
  const outcome = await range.under(async () => {
    await Promise.all(Array.from({ length: attackers }, () => openPeer()));
    await Promise.all(
      peers.map(async (peer, at) => {
        for (let index = 0; index < TRANSPORT_LIMITS.maxStreamsPerConnection && peer.isOpen; index += 1) {
          // All header lists differ, so that the header cache cannot share them.
          const fields = Array.from({ length: 8 }, (_, field) => literal(`x-${field}`, `${at} ${index} ${value}`));
          await peer.sendAll(headers(2 * index + 1, requestBlock(attackPath('Echo'), fields)));
        }
        await peer.roundTrip();
      }),
    );
    return await range.report();
  });
  const maxHeld = attackers * (HTTP2_LIMITS.maxBufferedRequestBytesPerConnection + 4 * MEBIBYTE);
  expect(outcome.result.liveBytes - outcome.before.liveBytes).toBeLessThan(maxHeld);
  expectUnharmed(range, outcome, { maxBufferedRequestBytes: maxHeld, effort: effortOf(0), maxCallsPerFrame: 4 });
});

test('consecutive deadlines cost as much as their calls, even if other clients keep many streams open', async () => {
  const holders = 30;
  const calls = 1_000;
  const deaf = requestBlock(attackPath('Deaf'));
  await Promise.all(Array.from({ length: holders }, () => openPeer()));
  await Promise.all(
    peers.map(async (peer) => {
      await peer.sendAll(many(TRANSPORT_LIMITS.maxStreamsPerConnection, (index) => headers(2 * index + 1, deaf)));
      await peer.roundTrip();
    }),
  );
  const outcome = await range.under(async () => {
    const peer = await openPeer();
    const timed = (index: number): Buffer => {
      const block = requestBlock(attackPath('Hang'), [literal('grpc-timeout', `${30 + 3 * index}m`)]);
      return Buffer.concat([headers(2 * index + 1, block), data(2 * index + 1, EMPTY, FrameFlag.endStream)]);
    };
    await peer.sendAll(many(calls, timed));
    return await answerOf(peer, 2 * calls - 1);
  });
  // Status code DEADLINE_EXCEEDED.
  expect(outcome.result.grpcStatus).toBe(4);
  const maxHeld = calls * MAX_CALL_BYTES;
  expectUnharmed(range, outcome, {
    maxBufferedRequestBytes: maxHeld,
    effort: { frames: calls, bytes: 0 },
    maxCallsPerFrame: 20,
  });
}, 60_000);

test('frames that arrive byte by byte are served at a bounded cost', async () => {
  const outcome = await range.under(async () => {
    const peer = await openPeer();
    const bytes = many(20, (index) => unaryCall(2 * index + 1, attackPath('Echo'), Buffer.from('hello')));
    for (const byte of bytes) {
      await peer.send(Buffer.from([byte]));
    }
    return { last: await answerOf(peer, 39), bytes: bytes.length };
  });
  expect(outcome.result.last.grpcStatus).toBe(0);
  // The server must read the socket once for each byte that arrives separately.
  const effort = { frames: outcome.result.bytes, bytes: 0 };
  expectUnharmed(range, outcome, { maxBufferedRequestBytes: 0, effort, maxCallsPerFrame: 20 });
});

test('a message in DATA frames of one byte is served at the cost of its frames', async () => {
  const text = Buffer.alloc(20_000, 'm');
  const outcome = await range.under(async () => {
    const peer = await openPeer();
    const bytes = message(text);
    const frames = many(bytes.length, (at) => data(1, bytes.subarray(at, at + 1)));
    await peer.sendAll(
      headers(1, requestBlock(attackPath('Echo'))),
      frames,
      data(1, Buffer.alloc(0), FrameFlag.endStream),
    );
    return { answer: await answerOf(peer, 1), frames: bytes.length };
  });
  expect(outcome.result.answer.body).toEqual(message(text));
  expectUnharmed(range, outcome, {
    maxBufferedRequestBytes: 0,
    effort: effortOf(outcome.result.frames),
    maxCallsPerFrame: 2,
  });
});

test('rejects calls above the bound of a connection, and serves those below it', async () => {
  const calls = TRANSPORT_LIMITS.maxStreamsPerConnection + 500;
  const outcome = await range.under(async () => {
    const peer = await openPeer();
    await peer.sendAll(many(calls, (index) => unaryCall(2 * index + 1, attackPath('Slow'))));
    const answers = await Promise.all(
      [1, 2 * TRANSPORT_LIMITS.maxStreamsPerConnection - 1].map((id) => answerOf(peer, id)),
    );
    return { peer, answers };
  });
  const { peer, answers } = outcome.result;
  expect(answers.map(({ grpcStatus }) => grpcStatus)).toEqual([0, 0]);
  expect(outcome.after.maxRunning).toBeLessThanOrEqual(TRANSPORT_LIMITS.maxStreamsPerConnection);
  expect([...new Set(peer.resets.values())]).toEqual(['refusedStream']);
  const maxHeld = calls * MAX_CALL_BYTES;
  expectUnharmed(range, outcome, {
    maxBufferedRequestBytes: maxHeld,
    effort: effortOf(2 * calls),
    maxCallsPerFrame: 4,
  });
});

test('after all attacks, no handler remains and nothing was logged', async () => {
  const report = await waitFor('the handlers to end', async () => {
    const now = await range.report();
    return now.running === 0 ? now : undefined;
  });
  expect({ uncaught: report.uncaught, logged: report.logged }).toEqual({ uncaught: 0, logged: [] });
});
