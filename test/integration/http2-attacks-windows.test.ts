/**
 * Tests attacks on the HTTP/2 transport by means of flow control and slow reading. The server bounds the bytes that it
 * buffers for one connection and for all connections together. The server stops each attack, and calls of another
 * client continue, within the bounds in attack-bounds.ts.
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
/** Frame that increases the flow-control window of the connection to its maximum. */
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

/** Waits until the server no longer starts calls of `Big`, although the client has sent more calls. */
async function noFurtherCall(): Promise<void> {
  let before = 0;
  let unchangedReports = 0;
  await waitFor('the server to start no further call', async () => {
    const { started } = await range.report('glance');
    unchangedReports = started === before ? unchangedReports + 1 : 0;
    before = started;
    return unchangedReports >= 5;
  });
}

/**
 * Returns how many response bytes the server may buffer for `greedy` peers that do not read. When a peer connects, its
 * quota is the bound for all connections, divided by the number of peers at that time. A peer can exceed its quota by
 * one response.
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

describe('answers that are not read', () => {
  const CALLS = 300;
  /** The server may start one more response while the buffered bytes are below the bound. */
  const MAX_QUEUED = HTTP2_LIMITS.maxBufferedAnswerBytesPerConnection + 2 * BIG_BYTES;

  test('with a zero window, buffers answers up to the bound, rejects further calls, and finally resets all of them', async () => {
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
    await waitFor('all streams to be reset', () => peer.resets.size === CALLS || !peer.isOpen);
    expect(new Set(peer.resets.values())).toEqual(new Set(['refusedStream', 'cancel']));
    const after = await range.report();
    expect(after.liveBytes - outcome.before.liveBytes).toBeLessThan(4 * MEBIBYTE);
  });

  test.each([
    { name: 'Big', calls: CALLS },
    { name: 'BigLater', calls: CALLS },
    { name: 'Flood', calls: 1_500 },
  ])(
    'with a zero window, bounds the answers of $name calls that started before any answer was buffered',
    async (plan) => {
      const outcome = await range.under(async () => {
        const peer = await openPeer({ settings: CLOSED_WINDOW });
        const block = requestBlock(attackPath(plan.name));
        const body = message(Buffer.alloc(0));
        await peer.sendAll(many(plan.calls, (index) => headers(2 * index + 1, block)));
        await peer.roundTrip();
        await peer.sendAll(many(plan.calls, (index) => data(2 * index + 1, body, FrameFlag.endStream)));
        await peer.roundTrip();
        await waitFor('the handlers to answer', async () => (await range.report('glance')).running === 0);
        return await range.report();
      });
      // In addition, the server may buffer one message for each stream.
      const maxHeld = 2 * MAX_QUEUED + plan.calls * (16 * 1024 + MAX_CALL_BYTES);
      expect(outcome.result.liveBytes - outcome.before.liveBytes).toBeLessThan(maxHeld);
      const effort = effortOf(2 * plan.calls);
      expectUnharmed(range, outcome, { maxBufferedRequestBytes: maxHeld, effort, maxCallsPerFrame: 20 });
    },
  );

  test('stops reading from a peer that does not read, and closes its connection', async () => {
    const outcome = await range.under(async () => {
      const peer = await openPeer({ settings: OPEN_WINDOW });
      peer.socket.pause();
      await peer.send(OPEN_CONNECTION, bigCalls(CALLS));
      await noFurtherCall();
      const held = await range.report();
      await waitFor('the connection to be dropped', async () => (await range.report('glance')).connections <= 1);
      return { peer, held };
    });
    const maxHeld = HTTP2_LIMITS.maxUnsentBytes + MAX_QUEUED;
    expect(outcome.result.held.liveBytes - outcome.before.liveBytes).toBeLessThan(maxHeld + 4 * MEBIBYTE);
    expectUnharmed(range, outcome, { maxBufferedRequestBytes: 0, effort: effortOf(2 * CALLS), maxCallsPerFrame: 20 });
  });

  test('answers for many peers that do not read are bounded together, and do not disturb other clients', async () => {
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

  test('small consecutive answers to a full socket cost their bytes, and not one buffer each', async () => {
    const pings = 1_500;
    const outcome = await range.under(async () => {
      // For a unix socket, the kernel buffers only a small amount of data, so the server buffers the rest.
      const peer = await Http2Peer.open(socketPath, { settings: OPEN_WINDOW });
      peers.push(peer);
      peer.socket.pause();
      await peer.send(OPEN_CONNECTION);
      await peer.sendAll(many(60, (index) => unaryCall(2 * index + 1, attackPath('Echo'), Buffer.alloc(8_000))));
      for (let sent = 0; sent < pings; sent += 1) {
        await peer.send(ping());
        if (sent % 2 === 0) {
          // Waits for a report, so that the event loop of the server has completed a turn and written the response to
          // the ping.
          await range.report('glance');
        }
      }
      return await range.report();
    });
    const maxHeld = 60 * 8_000 + pings * 200;
    expect(outcome.result.liveBytes - outcome.before.liveBytes).toBeLessThan(maxHeld + 4 * MEBIBYTE);
    // A frame that the server reads and answers separately needs more CPU time than a call that the server reads
    // together with many other calls.
    expectUnharmed(range, outcome, {
      maxBufferedRequestBytes: maxHeld,
      effort: effortOf(pings),
      maxCallsPerFrame: 100,
    });
  });

  test('a closed window stops a handler that sends many messages', async () => {
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

  test('data dribble (CVE-2019-9511): ends a connection that opens its window byte by byte', async () => {
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

  test('resets a call that is read more slowly than the minimum rate', async () => {
    const peer = await openPeer({ settings: CLOSED_WINDOW });
    await peer.send(unaryCall(1, attackPath('Big')));
    await waitFor('the call to be reset', async () => {
      await peer.send(windowUpdate(1, 10));
      return peer.resets.has(1);
    });
    expect(peer.resets.get(1)).toBe('cancel');
    expect(peer.dataBytes).toBeLessThan(BIG_BYTES / 10);
  });
});

describe('invalid windows', () => {
  test('a connection window above the maximum ends the connection', async () => {
    const peer = await openPeer();
    await peer.send(windowUpdate(0, MAX_WINDOW));
    expect((await peer.end()).goaway?.error).toBe('flowControlError');
    await peer.closed();
  });

  test('a stream window above the maximum resets the stream', async () => {
    const peer = await openPeer();
    await peer.send(headers(1, requestBlock(attackPath('Deaf'))), windowUpdate(1, MAX_WINDOW));
    expect((await answerOf(peer, 1)).reset).toBe('flowControlError');
    await peer.send(unaryCall(3, attackPath('Echo')));
    expect((await answerOf(peer, 3)).grpcStatus).toBe(0);
  });

  test('SETTINGS that raise a stream window above the maximum end the connection', async () => {
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
  ])('SETTINGS with $name end the connection', async ({ row, error }) => {
    const peer = await openPeer();
    await peer.send(settings([row]));
    expect((await peer.end()).goaway?.error).toBe(error);
  });

  test('more unread bytes than the stream window reset the stream', async () => {
    const piece = message(Buffer.alloc(16_000));
    const peer = await openPeer();
    await peer.send(headers(1, requestBlock(attackPath('Deaf'))));
    await peer.send(many(Math.ceil(HTTP2_LIMITS.streamWindowBytes / piece.length) + 1, () => data(1, piece)));
    expect((await answerOf(peer, 1)).reset).toBe('flowControlError');
  });
});

test('resets a call whose message does not end, and serves the next call', async () => {
  const peer = await openPeer();
  const half = data(1, message(Buffer.from('x'), 1_000));
  await peer.send(headers(1, requestBlock(attackPath('Echo'))), half);
  expect((await answerOf(peer, 1)).reset).toBe('cancel');
  await peer.send(unaryCall(3, attackPath('Echo')));
  expect((await answerOf(peer, 3)).grpcStatus).toBe(0);
});

test('after all attacks, no handler remains and nothing was logged', async () => {
  const report = await waitFor('the handlers to end', async () => {
    const now = await range.report();
    return now.running === 0 ? now : undefined;
  });
  expect({ uncaught: report.uncaught, logged: report.logged }).toEqual({ uncaught: 0, logged: [] });
});
