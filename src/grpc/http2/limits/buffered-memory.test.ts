/**
 * Tests that bytes which stay buffered for a long time keep little other memory alive, whatever else the connection
 * receives.
 */
import { AttackRange, attackPath } from '../../../../test/support/http2/attack-range.ts';
import {
  data,
  frame,
  headers,
  message,
  requestBlock,
  SettingId,
  unaryCall,
} from '../../../../test/support/http2/frames.ts';
import { Http2Peer } from '../../../../test/support/http2/peer.ts';
import { bufferedCopy, bufferedMemory } from '../../transport/buffered-memory.ts';

const CALLS = 120;
/** Size of Node's buffer pool. The test sends frames until they have used up one pool per call. */
const POOL_BYTES = Buffer.poolSize;
const PASSING = frame(0x77, 0, 0, Buffer.alloc(16_000));

test.each([0, 1, 64, 65, 1_000, 1_024, 1_025, 100_000])(
  '%i buffered bytes share no memory with other pieces',
  (size) => {
    const pieces = Array.from({ length: 50 }, (_, index) => bufferedMemory(size).fill(index));
    expect(pieces.every((piece, index) => piece.length === size && piece.every((byte) => byte === index))).toBe(true);
    expect(Math.max(...pieces.map((piece) => piece.buffer.byteLength))).toBeLessThanOrEqual(Math.max(size, 4_096));
  },
);

test('copies the requested range', () => {
  const source = Buffer.from('before, that, behind');
  const copy = bufferedCopy(source, 8, 12);
  source.fill(0);
  expect(copy.toString()).toBe('that');
});

describe('the HTTP/2 server', () => {
  let range: AttackRange;

  beforeAll(async () => {
    range = await AttackRange.open({});
  });

  afterAll(async () => {
    await range?.close();
  });

  test.each([
    { name: 'buffered responses', call: (id: number) => unaryCall(id, attackPath('Echo'), Buffer.alloc(100)) },
    {
      name: 'partial requests',
      call: (id: number) =>
        Buffer.concat([headers(id, requestBlock(attackPath('Echo'))), data(id, message(Buffer.alloc(100), 9_000))]),
    },
  ])('keeps $name in memory, but not the frames between them', async ({ call }) => {
    const peer = await Http2Peer.open(range.port, { settings: [[SettingId.initialWindowSize, 0]] });
    await peer.roundTrip();
    const before = await range.report();
    for (let sent = 0; sent < CALLS; sent += 1) {
      await peer.send(call(2 * sent + 1));
      for (let bytes = 0; bytes < POOL_BYTES; bytes += PASSING.length) {
        // Gives the server time to read the first part as a separate chunk.
        await peer.send(PASSING.subarray(0, 8_000));
        await range.report('glance');
        await peer.send(PASSING.subarray(8_000));
        await peer.roundTrip();
      }
    }
    const after = await range.report();
    expect(after.liveBytes - before.liveBytes).toBeLessThan((CALLS * POOL_BYTES) / 4);
    peer.destroy();
  });
});
