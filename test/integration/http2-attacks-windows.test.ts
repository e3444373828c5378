/**
 * Attacks by flow control and by reading slowly on the HTTP/2 transport: what an attacker can make the server hold is bounded for one
 * connection and for all together, each is got rid of, and another client's calls go on (attack-bounds.ts).
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HTTP2_LIMITS } from '../../src/grpc/http2/limits/http2-limits.ts';
import { answerOf } from '../support/http2/answers.ts';
import { dismiss, expectUnharmed, flood, hundreds, MAX_CALL_BYTES, MEBIBYTE } from '../support/http2/attack-bounds.ts';
import { type AttackEffort, AttackRange, attackPath } from '../support/http2/attack-range.ts';
import {
  data,
  FrameFlag,
  headers,
  many,
  message,
  ping,
  requestBlock,
  SettingId,
  settings,
  unaryCall,
  windowUpdate,
} from '../support/http2/frames.ts';
import { Http2Peer } from '../support/http2/peer.ts';
import { waitFor } from '../support/wait.ts';

const STALL_MS = 2_000;
const BIG_BYTES = 1_000_000;
const MAX_WINDOW = 0x7fff_ffff;
const CLOSED_WINDOW = [[SettingId.initialWindowSize, 0]] as const;
const OPEN_WINDOW = [[SettingId.initialWindowSize, MAX_WINDOW]] as const;
/** The connection's window as far open as it goes. */
const OPEN_CONNECTION = windowUpdate(0, MAX_WINDOW - 65_535);
const MAX_FRAMES = 100_000;

let range: AttackRange;
let socketPath: string;
let peers: Http2Peer[];

beforeAll(async () => {
  socketPath = join(mkdtempSync(join(tmpdir(), 'pannier-attack-')), 'grpc.sock');
  range = await AttackRange.open({
    socketPath,
    limits: { maxStalledWriteMs: STALL_MS, maxRequestMs: STALL_MS, slowReaderBytesPerSecond: 4_096 },
  });
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

/** Waits until the server begins no further call of `Big`, though more of them were sent. */
async function noFurtherCall(): Promise<void> {
  let before = 0;
  let looks = 0;
  await waitFor('no further call begins', async () => {
    const { started } = await range.report('glance');
    looks = started === before ? looks + 1 : 0;
    before = started;
    return looks >= 5;
  });
}

/**
 * What so many greedy peers can make wait: each comes to an equal share of the bound among those that are there when it comes, and
 * may have one answer more than that.
 */
function waitingBytesOf(greedy: number): number {
  const shares = Array.from({ length: greedy }, (_, before) => HTTP2_LIMITS.maxBufferedAnswerBytes / (before + 1));
  return shares.reduce(
    (sum, share) => sum + Math.min(share, HTTP2_LIMITS.maxBufferedAnswerBytesPerConnection) + BIG_BYTES,
    0,
  );
}

function bigCalls(count: number): Buffer {
  return many(count, (index) => unaryCall(2 * index + 1, attackPath('Big')));
}

describe('answers that are not taken', () => {
  const CALLS = 300;
  /** One more answer is made where the bound is not yet reached. */
  const MAX_QUEUED = HTTP2_LIMITS.maxBufferedAnswerBytesPerConnection + 2 * BIG_BYTES;

  test('zero window: so many wait, the next are refused, all are reset in the end', async () => {
    const outcome = await range.under(async () => {
      const peer = await openPeer({ settings: CLOSED_WINDOW });
      await peer.sendAll(bigCalls(CALLS));
      await peer.roundTrip();
      return { peer, held: await range.report() };
    });
    const { peer, held } = outcome.result;
    expect(held.liveBytes - outcome.before.liveBytes).toBeLessThan(MAX_QUEUED + 4 * MEBIBYTE);
    expectUnharmed(range, outcome, {
      maxBufferedRequestBytes: MAX_QUEUED,
      effort: effortOf(2 * CALLS),
      maxCallsPerFrame: 20,
    });
    const refused = [...peer.resets.values()].filter((reason) => reason === 'refusedStream').length;
    expect(refused).toBeGreaterThan(CALLS - MAX_QUEUED / BIG_BYTES - 2);
    await waitFor('all are reset', () => peer.resets.size === CALLS || !peer.isOpen);
    expect(new Set(peer.resets.values())).toEqual(new Set(['refusedStream', 'cancel']));
    const after = await range.report();
    expect(after.liveBytes - outcome.before.liveBytes).toBeLessThan(4 * MEBIBYTE);
  });

  test.each([
    { name: 'Big', calls: CALLS },
    { name: 'BigLater', calls: CALLS },
    { name: 'Flood', calls: 1_500 },
  ])('zero window, and calls of $name that have begun before any answer waits: bounded all the same', async (plan) => {
    const outcome = await range.under(async () => {
      const peer = await openPeer({ settings: CLOSED_WINDOW });
      const block = requestBlock(attackPath(plan.name));
      const body = message(Buffer.alloc(0));
      await peer.sendAll(many(plan.calls, (index) => headers(2 * index + 1, block)));
      await peer.roundTrip();
      await peer.sendAll(many(plan.calls, (index) => data(2 * index + 1, body, FrameFlag.endStream)));
      await peer.roundTrip();
      await waitFor('the handlers have answered', async () => (await range.report('glance')).running === 0);
      return await range.report();
    });
    // One message of each stream may come on top.
    const maxHeld = 2 * MAX_QUEUED + plan.calls * (16 * 1024 + MAX_CALL_BYTES);
    expect(outcome.result.liveBytes - outcome.before.liveBytes).toBeLessThan(maxHeld);
    const effort = effortOf(2 * plan.calls);
    expectUnharmed(range, outcome, { maxBufferedRequestBytes: maxHeld, effort, maxCallsPerFrame: 20 });
  });

  test('a socket that is not read: reading stops, the connection is closed', async () => {
    const outcome = await range.under(async () => {
      const peer = await openPeer({ settings: OPEN_WINDOW });
      peer.socket.pause();
      await peer.send(OPEN_CONNECTION, bigCalls(CALLS));
      await noFurtherCall();
      const held = await range.report();
      await waitFor('it is dropped', async () => (await range.report('glance')).connections <= 1);
      return { peer, held };
    });
    const maxHeld = HTTP2_LIMITS.maxUnsentBytes + MAX_QUEUED;
    expect(outcome.result.held.liveBytes - outcome.before.liveBytes).toBeLessThan(maxHeld + 4 * MEBIBYTE);
    expectUnharmed(range, outcome, { maxBufferedRequestBytes: 0, effort: effortOf(2 * CALLS), maxCallsPerFrame: 20 });
  });

  test('many peers that do not read: all of them together are bounded, and others do not notice', async () => {
    const attackers = 30;
    const outcome = await range.under(async () => {
      await Promise.all(Array.from({ length: attackers }, () => openPeer({ settings: CLOSED_WINDOW })));
      await Promise.all(peers.map((peer) => peer.sendAll(bigCalls(20))));
      await Promise.all(peers.map((peer) => peer.roundTrip()));
      return await range.report();
    });
    const maxHeld = waitingBytesOf(attackers);
    expect(outcome.result.liveBytes - outcome.before.liveBytes).toBeLessThan(maxHeld);
    expectUnharmed(range, outcome, {
      maxBufferedRequestBytes: maxHeld,
      effort: effortOf(attackers * 40),
      maxCallsPerFrame: 20,
    });
  });

  test('small answers one by one behind a socket that is full cost their bytes, not a buffer each', async () => {
    const pings = 1_500;
    const outcome = await range.under(async () => {
      // The kernel takes little for a unix socket: what comes on top waits with us.
      const peer = await Http2Peer.open(socketPath, { settings: OPEN_WINDOW });
      peers.push(peer);
      peer.socket.pause();
      await peer.send(OPEN_CONNECTION);
      await peer.sendAll(many(60, (index) => unaryCall(2 * index + 1, attackPath('Echo'), Buffer.alloc(8_000))));
      for (let sent = 0; sent < pings; sent += 1) {
        await peer.send(ping());
        if (sent % 2 === 0) {
          // By now the server has written the answer, in a turn of its own.
          await range.report('glance');
        }
      }
      return await range.report();
    });
    const maxHeld = 60 * 8_000 + pings * 200;
    expect(outcome.result.liveBytes - outcome.before.liveBytes).toBeLessThan(maxHeld + 4 * MEBIBYTE);
    // A frame that is read and answered alone costs more than a call among many.
    expectUnharmed(range, outcome, {
      maxBufferedRequestBytes: maxHeld,
      effort: effortOf(pings),
      maxCallsPerFrame: 100,
    });
  });

  test('a stream that floods is held back by a window that stays closed', async () => {
    const streams = 200;
    const outcome = await range.under(async () => {
      const peer = await openPeer({ settings: CLOSED_WINDOW });
      await peer.sendAll(many(streams, (index) => unaryCall(2 * index + 1, attackPath('Flood'))));
      await peer.roundTrip();
      return await range.report();
    });
    const maxHeld = streams * (HTTP2_LIMITS.maxBufferedAnswerBytesPerStream + 32 * 1024);
    expect(outcome.result.liveBytes - outcome.before.liveBytes).toBeLessThan(maxHeld);
    expectUnharmed(range, outcome, {
      maxBufferedRequestBytes: maxHeld,
      effort: effortOf(2 * streams),
      maxCallsPerFrame: 40,
    });
  });

  test('data dribble (CVE-2019-9511): a window doled out by the byte is paid for', async () => {
    const outcome = await range.under((port) => {
      return flood(port, {
        settings: CLOSED_WINDOW,
        opening: unaryCall(1, attackPath('Big')),
        ...hundreds(() => windowUpdate(1, 1)),
        maxFrames: MAX_FRAMES,
      });
    });
    peers.push(...outcome.result.peers);
    expect(outcome.result.ends.map((end) => end.goaway?.error)).toEqual(
      outcome.result.ends.map(() => 'enhanceYourCalm'),
    );
    expectUnharmed(range, outcome, {
      maxBufferedRequestBytes: 3 * BIG_BYTES,
      effort: outcome.result.effort,
      maxCallsPerFrame: 4,
    });
  });

  test('a trickle below the least rate counts as taking nothing', async () => {
    const peer = await openPeer({ settings: CLOSED_WINDOW });
    await peer.send(unaryCall(1, attackPath('Big')));
    await waitFor('the call is reset', async () => {
      await peer.send(windowUpdate(1, 10));
      return peer.resets.has(1);
    });
    expect(peer.resets.get(1)).toBe('cancel');
    expect(peer.dataBytes).toBeLessThan(BIG_BYTES / 10);
  });
});

describe('windows that do not add up', () => {
  test('the window of the connection beyond its maximum is the end', async () => {
    const peer = await openPeer();
    await peer.send(windowUpdate(0, MAX_WINDOW));
    expect((await peer.end()).goaway?.error).toBe('flowControlError');
    await peer.closed();
  });

  test('the window of a stream beyond its maximum resets the stream', async () => {
    const peer = await openPeer();
    await peer.send(headers(1, requestBlock(attackPath('Deaf'))), windowUpdate(1, MAX_WINDOW));
    expect((await answerOf(peer, 1)).reset).toBe('flowControlError');
    await peer.send(unaryCall(3, attackPath('Echo')));
    expect((await answerOf(peer, 3)).grpcStatus).toBe(0);
  });

  test('SETTINGS that carry a stream’s window beyond its maximum are the end', async () => {
    const peer = await openPeer();
    await peer.send(
      headers(1, requestBlock(attackPath('Deaf'))),
      windowUpdate(1, MAX_WINDOW - 65_535),
      settings([[SettingId.initialWindowSize, 65_536]]),
    );
    expect((await peer.end()).goaway?.error).toBe('flowControlError');
  });

  test.each([
    {
      name: 'an initial window of 2^31',
      row: [SettingId.initialWindowSize, 0x8000_0000] as const,
      error: 'flowControlError',
    },
    { name: 'a frame size of 100', row: [SettingId.maxFrameSize, 100] as const, error: 'protocolError' },
    { name: 'a push of 2', row: [SettingId.enablePush, 2] as const, error: 'protocolError' },
  ])('SETTINGS with $name are the end', async ({ row, error }) => {
    const peer = await openPeer();
    await peer.send(settings([row]));
    expect((await peer.end()).goaway?.error).toBe(error);
  });

  test('more than a stream’s window that nobody reads resets the stream', async () => {
    const piece = message(Buffer.alloc(16_000));
    const peer = await openPeer();
    await peer.send(headers(1, requestBlock(attackPath('Deaf'))));
    await peer.send(many(Math.ceil(HTTP2_LIMITS.streamWindowBytes / piece.length) + 1, () => data(1, piece)));
    expect((await answerOf(peer, 1)).reset).toBe('flowControlError');
  });
});

test('a message that does not end is not waited for', async () => {
  const peer = await openPeer();
  const half = data(1, message(Buffer.from('x'), 1_000));
  await peer.send(headers(1, requestBlock(attackPath('Echo'))), half);
  expect((await answerOf(peer, 1)).reset).toBe('cancel');
  await peer.send(unaryCall(3, attackPath('Echo')));
  expect((await answerOf(peer, 3)).grpcStatus).toBe(0);
});

test('after all of them nothing is left behind', async () => {
  const report = await waitFor('the handlers have ended', async () => {
    const now = await range.report();
    return now.running === 0 ? now : undefined;
  });
  expect({ uncaught: report.uncaught, logged: report.logged }).toEqual({ uncaught: 0, logged: [] });
});
