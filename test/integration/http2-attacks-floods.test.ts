/**
 * Tests floods on the HTTP/2 transport: frames that cost the server time but do not advance any call. The server sends
 * GOAWAY ENHANCE_YOUR_CALM to the attacker and closes the attacker's connection. Calls of another client continue, and
 * the server stays within the bounds of memory and CPU time in attack-bounds.ts.
 */
import { HTTP2_LIMITS } from '../../src/grpc/http2/limits/http2-limits.ts';
import { TRANSPORT_LIMITS } from '../../src/grpc/transport/transport.ts';
import {
  ATTACKERS,
  dismiss,
  expectUnharmed,
  type Flood,
  flood,
  hundreds,
  MAX_CALL_BYTES,
  MEBIBYTE,
} from '../support/http2/attack-bounds.ts';
import { AttackRange, attackPath } from '../support/http2/attack-range.ts';
import {
  continuation,
  data,
  FrameFlag,
  FrameType,
  frame,
  goaway,
  headers,
  headersOnly,
  many,
  ping,
  priority,
  requestBlock,
  resetStream,
  SettingId,
  settings,
  settingsAck,
  unaryCall,
  windowUpdate,
} from '../support/http2/frames.ts';
import { Http2Peer } from '../support/http2/peer.ts';
import { waitFor } from '../support/wait.ts';

/**
 * Maximum number of frames in a flood, which is far above every frame budget. If the attacker can send this many
 * frames, the server has not stopped the flood.
 */
const MAX_FRAMES = 200_000;
/**
 * Maximum memory of calls that continue after their caller has disconnected. The limit on streams per connection also
 * limits the number of these calls.
 */
const MAX_HELD_BYTES = ATTACKERS * TRANSPORT_LIMITS.maxStreamsPerConnection * MAX_CALL_BYTES;
const REQUEST = requestBlock(attackPath('Slow'));
const OPEN_IDLE_STREAM = headers(1, requestBlock(attackPath('Deaf')));

function idOf(index: number): number {
  return 2 * index + 1;
}

let range: AttackRange;

beforeAll(async () => {
  range = await AttackRange.open();
});

afterAll(async () => {
  await range?.close();
});

interface FloodCase extends Omit<Flood, 'maxFrames'> {
  readonly name: string;
  /** Maximum CPU time per frame, as a multiple of the CPU time of a complete honest call. */
  readonly maxCallsPerFrame: number;
}

const FLOODS: readonly FloodCase[] = [
  {
    name: 'rapid reset (CVE-2023-44487)',
    maxCallsPerFrame: 4,
    ...hundreds((index) => Buffer.concat([unaryCall(idOf(index), attackPath('Slow')), resetStream(idOf(index))])),
  },
  {
    name: 'rapid reset of calls without their message',
    maxCallsPerFrame: 4,
    ...hundreds((index) => Buffer.concat([headers(idOf(index), REQUEST), resetStream(idOf(index))])),
  },
  {
    name: 'MadeYouReset (CVE-2025-8671) by WINDOW_UPDATE with an increment of 0',
    maxCallsPerFrame: 4,
    ...hundreds((index) => Buffer.concat([unaryCall(idOf(index), attackPath('Slow')), windowUpdate(idOf(index), 0)])),
  },
  {
    name: 'MadeYouReset by DATA after END_STREAM',
    maxCallsPerFrame: 4,
    ...hundreds((index) => {
      return Buffer.concat([unaryCall(idOf(index), attackPath('Slow')), data(idOf(index), Buffer.alloc(1))]);
    }),
  },
  {
    name: 'MadeYouReset by windows above the maximum',
    maxCallsPerFrame: 4,
    ...hundreds((index) => {
      return Buffer.concat([unaryCall(idOf(index), attackPath('Slow')), windowUpdate(idOf(index), 0x7fff_ffff)]);
    }),
  },
  {
    name: 'MadeYouReset by malformed request headers',
    maxCallsPerFrame: 4,
    ...hundreds((index) => headersOnly(idOf(index), REQUEST.subarray(1))),
  },
  { name: 'SETTINGS', maxCallsPerFrame: 2, ...hundreds(() => settings()) },
  {
    name: 'SETTINGS that change the windows of a thousand streams with each entry',
    maxCallsPerFrame: 2,
    opening: many(900, (index) => headers(idOf(index), requestBlock(attackPath('Deaf')))),
    framesPerStep: 1,
    make: () => {
      const row = (index: number): readonly [number, number] => [SettingId.initialWindowSize, 65_535 + (index % 2)];
      return settings(Array.from({ length: 2_730 }, (_, index) => row(index)));
    },
  },
  { name: 'acknowledgements of SETTINGS', maxCallsPerFrame: 2, ...hundreds(() => settingsAck()) },
  { name: 'PING (CVE-2019-9512)', maxCallsPerFrame: 2, ...hundreds(() => ping()) },
  { name: 'unsolicited PING acknowledgements', maxCallsPerFrame: 2, ...hundreds(() => ping(FrameFlag.ack)) },
  { name: 'PRIORITY (CVE-2019-9513)', maxCallsPerFrame: 2, ...hundreds((index) => priority(3, 2 * (index % 7) + 5)) },
  {
    name: 'empty DATA (CVE-2019-9518)',
    maxCallsPerFrame: 2,
    opening: headers(1, REQUEST),
    ...hundreds(() => data(1, Buffer.alloc(0))),
  },
  {
    name: 'DATA that contains only padding',
    maxCallsPerFrame: 2,
    opening: headers(1, REQUEST),
    ...hundreds(() => data(1, Buffer.from([2, 0, 0]), FrameFlag.padded)),
  },
  {
    name: 'empty DATA on a stream that was reset',
    maxCallsPerFrame: 2,
    opening: Buffer.concat([unaryCall(1, attackPath('Slow')), windowUpdate(1, 0)]),
    ...hundreds(() => data(1, Buffer.alloc(0))),
  },
  {
    name: 'HEADERS on a stream that was reset',
    maxCallsPerFrame: 4,
    opening: Buffer.concat([unaryCall(1, attackPath('Slow')), windowUpdate(1, 0)]),
    ...hundreds(() => headersOnly(1, REQUEST)),
  },
  {
    name: 'RST_STREAM of a finished call',
    maxCallsPerFrame: 2,
    opening: unaryCall(1, attackPath('Echo')),
    ...hundreds(() => resetStream(1)),
  },
  {
    name: 'WINDOW_UPDATE of the connection by one byte',
    maxCallsPerFrame: 2,
    ...hundreds(() => windowUpdate(0, 1)),
  },
  {
    name: 'WINDOW_UPDATE of a stream by one byte',
    maxCallsPerFrame: 2,
    opening: OPEN_IDLE_STREAM,
    ...hundreds(() => windowUpdate(1, 1)),
  },
  {
    name: 'WINDOW_UPDATE of a finished call',
    maxCallsPerFrame: 2,
    opening: unaryCall(1, attackPath('Echo')),
    ...hundreds(() => windowUpdate(1, 1)),
  },
  { name: 'GOAWAY', maxCallsPerFrame: 2, ...hundreds(() => goaway(0, 0, 'again')) },
  {
    name: 'frames of unknown types',
    maxCallsPerFrame: 2,
    ...hundreds((index) => frame(10 + (index % 240), 0xff, index % 9)),
  },
  {
    name: 'header blocks in many CONTINUATION frames',
    maxCallsPerFrame: 4,
    ...hundreds((index) => {
      const pieces = [0, 1, 2, 3].map((at) => continuation(idOf(index), REQUEST.subarray(10 + 2 * at, 12 + 2 * at)));
      const last = continuation(idOf(index), REQUEST.subarray(18), FrameFlag.endHeaders);
      return Buffer.concat([headers(idOf(index), REQUEST.subarray(0, 10), FrameFlag.endStream), ...pieces, last]);
    }),
  },
];

test.each(FLOODS)('ends a flood of $name', async (plan) => {
  const outcome = await range.under((port) => flood(port, { ...plan, maxFrames: MAX_FRAMES }));
  const { effort, ends, peers } = outcome.result;
  expect(ends.map((end) => end.goaway?.error)).toEqual(ends.map(() => 'enhanceYourCalm'));
  await Promise.all(peers.map((peer) => peer.closed()));
  expectUnharmed(range, outcome, {
    maxBufferedRequestBytes: MAX_HELD_BYTES,
    effort,
    maxCallsPerFrame: plan.maxCallsPerFrame,
  });
  // `maxRunning` includes handlers that continue after their caller has disconnected.
  expect(outcome.after.maxRunning).toBeLessThanOrEqual(peers.length * TRANSPORT_LIMITS.maxStreamsPerConnection);
  dismiss(peers);
  await waitFor('the handlers to end', async () => (await range.report()).running === 0);
});

test('ends a flood of PING whose acknowledgements are not read', async () => {
  const outcome = await range.under(async (port) => {
    const peer = await Http2Peer.open(port);
    peer.socket.pause();
    let frames = 0;
    while (frames < MAX_FRAMES && peer.socket.writableLength < MEBIBYTE && (await peer.send(many(100, () => ping())))) {
      frames += 100;
    }
    const held = await range.report();
    peer.socket.resume();
    const end = await peer.end();
    return { peer, held, end, effort: { frames, bytes: peer.socket.bytesWritten } };
  });
  const { peer, held, end, effort } = outcome.result;
  expect(end.goaway?.error).toBe('enhanceYourCalm');
  expect(held.liveBytes - outcome.before.liveBytes).toBeLessThan(HTTP2_LIMITS.maxUnsentBytes + 4 * MEBIBYTE);
  expectUnharmed(range, outcome, { maxBufferedRequestBytes: MAX_HELD_BYTES, effort, maxCallsPerFrame: 2 });
  dismiss([peer]);
});

test('an honest peer may use every frame type for an unlimited time', async () => {
  const peer = await Http2Peer.open(range.port);
  await peer.send(windowUpdate(0, 1_000_000));
  for (let round = 0; round < 300; round += 1) {
    const calls = many(50, (index) => unaryCall(idOf(round * 50 + index), attackPath('Echo'), Buffer.from('x')));
    const around = Buffer.concat([ping(), priority(idOf(round * 50 + 40), 0), windowUpdate(0, 500), frame(200, 0, 0)]);
    await peer.send(round % 10 === 0 ? settings() : Buffer.alloc(0), around, calls, resetStream(idOf(round * 50 + 49)));
    await peer.roundTrip();
  }
  expect(peer.goaway).toBeUndefined();
  expect(peer.count(FrameType.rstStream)).toBe(0);
  peer.destroy();
});

test('after all floods, no connection or handler remains, and each dropped peer was counted', async () => {
  const report = await waitFor('the honest client to be the only one', async () => {
    const now = await range.report();
    return now.connections <= 1 && now.running === 0 ? now : undefined;
  });
  expect(report.uncaught).toBe(0);
  expect(report.logged).toEqual([]);
  expect(report.drops).toEqual({ enhance_your_calm: FLOODS.length * ATTACKERS + 1 });
});
