/**
 * Attacks by requests that do not end, or come in the smallest pieces, on the HTTP/2 transport: what they make the server hold is
 * bounded for one connection and for all together, and another client's calls go on (attack-bounds.ts).
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
/** The connection's window as far open as it goes. */
const OPEN_CONNECTION = windowUpdate(0, MAX_WINDOW - 65_535);
/** A message of no bytes. */
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
  await waitFor('only the honest client is there', async () => (await range.report('glance')).connections <= 1);
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

test('a huge length that is announced costs nothing but its bytes', async () => {
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

test('a length beyond the bound is refused at once', async () => {
  const peer = await openPeer();
  await peer.send(headers(1, requestBlock(attackPath('Echo'))), data(1, message(Buffer.alloc(0), 0xffff_ffff)));
  expect((await answerOf(peer, 1)).grpcStatus).toBe(8);
});

test('compressed messages that are too long end their calls, and are not buffered decompressed', async () => {
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
    // Two are decompressed at a time, in pieces that are joined at the end.
    maxBufferedRequestBytes: 2 * 2 * HUGE + calls * (bomb.length + MAX_CALL_BYTES),
    effort: effortOf(2 * calls),
    // To decompress 4 MiB costs as much as some hundred small calls.
    maxCallsPerFrame: 1_500,
  });
});

const HALF = message(Buffer.alloc(200_000), HUGE);
const CALLS_OF_EACH = 120;

/** Calls whose messages stop in their midst. */
async function sendHalves(peer: Http2Peer): Promise<void> {
  for (let index = 0; index < CALLS_OF_EACH && peer.isOpen; index += 1) {
    const id = 2 * index + 1;
    const pieces = many(HALF.length / 16_000, (at) => data(id, HALF.subarray(at * 16_000, (at + 1) * 16_000)));
    await peer.sendAll(headers(id, requestBlock(attackPath('Echo'))), pieces);
  }
  await peer.roundTrip();
}

test('half requests of one connection are bounded', async () => {
  const outcome = await range.under(async () => {
    const peer = await openPeer();
    await sendHalves(peer);
    return await answerOf(peer, 2 * CALLS_OF_EACH - 1);
  });
  expect(outcome.result.grpcStatus).toBe(8);
  // A message that grows has room for twice its bytes.
  const maxHeld = 2 * HTTP2_LIMITS.maxBufferedRequestBytesPerConnection;
  expectUnharmed(range, outcome, { maxBufferedRequestBytes: maxHeld, effort: effortOf(0), maxCallsPerFrame: 4 });
});

test('half requests of many connections are bounded, and others do not notice', async () => {
  const large = message(Buffer.alloc(1_000_000, 'm'));
  const outcome = await range.under(async () => {
    await Promise.all(Array.from({ length: 8 }, () => openPeer()));
    await Promise.all(peers.map((peer) => sendHalves(peer)));
    const honest = await openPeer({ settings: OPEN_WINDOW });
    await honest.send(OPEN_CONNECTION, headers(1, requestBlock(attackPath('Echo'))));
    for (let at = 0; at < large.length; at += 16_000) {
      // A window at a time, as an honest client does.
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

test('empty messages that nobody reads are bounded by what they cost, not by their five bytes', async () => {
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

test('the metadata of calls that wait for their message is bounded for one connection and for all', async () => {
  const attackers = 5;
  const value = 'v'.repeat(1_900);
  const outcome = await range.under(async () => {
    await Promise.all(Array.from({ length: attackers }, () => openPeer()));
    await Promise.all(
      peers.map(async (peer, at) => {
        for (let index = 0; index < TRANSPORT_LIMITS.maxStreamsPerConnection && peer.isOpen; index += 1) {
          // No two lists are the same, so that none is shared.
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

test('deadlines one after the other cost what their calls cost, however many streams others keep open', async () => {
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
  // DEADLINE_EXCEEDED.
  expect(outcome.result.grpcStatus).toBe(4);
  const maxHeld = calls * MAX_CALL_BYTES;
  expectUnharmed(range, outcome, {
    maxBufferedRequestBytes: maxHeld,
    effort: { frames: calls, bytes: 0 },
    maxCallsPerFrame: 20,
  });
}, 60_000);

test('frames byte by byte are frames, at a price of their own', async () => {
  const outcome = await range.under(async () => {
    const peer = await openPeer();
    const bytes = many(20, (index) => unaryCall(2 * index + 1, attackPath('Echo'), Buffer.from('hello')));
    for (const byte of bytes) {
      await peer.send(Buffer.from([byte]));
    }
    return { last: await answerOf(peer, 39), bytes: bytes.length };
  });
  expect(outcome.result.last.grpcStatus).toBe(0);
  // A byte that comes alone costs a read of its own.
  const effort = { frames: outcome.result.bytes, bytes: 0 };
  expectUnharmed(range, outcome, { maxBufferedRequestBytes: 0, effort, maxCallsPerFrame: 20 });
});

test('DATA byte by byte is a message, at the price of its frames', async () => {
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

test('calls beyond the bound of a connection are refused, those below it are served', async () => {
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

test('after all of them nothing is left behind', async () => {
  const report = await waitFor('the handlers have ended', async () => {
    const now = await range.report();
    return now.running === 0 ? now : undefined;
  });
  expect({ uncaught: report.uncaught, logged: report.logged }).toEqual({ uncaught: 0, logged: [] });
});
