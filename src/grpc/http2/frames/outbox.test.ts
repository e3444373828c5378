/**
 * Tests the behavior of Node that the outbox relies on: a buffer may be reused once `writableLength` is 0 after its
 * write.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { waitFor } from '../../../../test/support/wait.ts';
import { ConnectionBudget, GlobalBudget } from '../limits/global-budget.ts';
import { OUTBOX_BUFFER_BYTES, Outbox } from './outbox.ts';

let server: Server;
let near: Socket;
let far: Socket;
let received: Buffer[];
let budget: ConnectionBudget;

beforeEach(async () => {
  received = [];
  budget = new ConnectionBudget(new GlobalBudget(1_000_000));
  server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  far = connect((server.address() as AddressInfo).port, '127.0.0.1');
  [near] = (await once(server, 'connection')) as [Socket];
  near.on('error', () => {});
});

afterEach(() => {
  far.destroy();
  near.destroy();
  server.close();
});

function receivedBytes(): number {
  return received.reduce((sum, chunk) => sum + chunk.length, 0);
}

test('Node does not read a written buffer again once the socket has buffered nothing of it', async () => {
  far.on('data', (chunk: Buffer) => received.push(chunk));
  const buffer = Buffer.alloc(OUTBOX_BUFFER_BYTES);
  let rounds = 0;
  for (let round = 1; round <= 200; round += 1) {
    buffer.fill(round);
    near.write(buffer);
    if (near.writableLength !== 0) {
      await once(near, 'drain');
    }
    rounds += 1;
    buffer.fill(0);
  }
  await waitFor('all bytes', () => receivedBytes() === rounds * OUTBOX_BUFFER_BYTES);
  const all = Buffer.concat(received);
  for (let round = 0; round < rounds; round += 1) {
    const piece = all.subarray(round * OUTBOX_BUFFER_BYTES, (round + 1) * OUTBOX_BUFFER_BYTES);
    expect(piece.every((byte) => byte === (round + 1) % 256)).toBe(true);
  }
});

test('does not reuse a buffer while the socket still has bytes of it', async () => {
  const outbox = new Outbox(near, { maxUnsentBytes: 1_000_000, budget });
  far.pause();
  const payload = Buffer.alloc(16_000);
  let frames = 0;
  while (!outbox.isCongested && frames < 10_000) {
    frames += 1;
    payload.writeUInt32BE(frames);
    outbox.frame(0, 0, 1, payload);
    if (frames % 3 === 0) {
      outbox.flush();
    }
  }
  outbox.flush();
  expect(outbox.isCongested).toBe(true);
  expect(budget.bytes).toBe(near.writableLength);
  far.on('data', (chunk: Buffer) => received.push(chunk));
  far.resume();
  await waitFor('all bytes', () => receivedBytes() === frames * (9 + payload.length));
  const all = Buffer.concat(received);
  for (let frame = 0; frame < frames; frame += 1) {
    expect(all.readUInt32BE(frame * (9 + payload.length) + 9)).toBe(frame + 1);
  }
  outbox.noteUnsent();
  expect(budget.bytes).toBe(0);
});

test('sends all frames of one turn of the event loop in one write', async () => {
  far.on('data', (chunk: Buffer) => received.push(chunk));
  const outbox = new Outbox(near, { maxUnsentBytes: 1_000_000, budget });
  let writes = 0;
  const write = near.write.bind(near);
  near.write = ((chunk: Buffer) => {
    writes += 1;
    return write(chunk);
  }) as Socket['write'];
  for (let index = 0; index < 100; index += 1) {
    outbox.numberFrame(8, 0, index);
  }
  await waitFor('all bytes', () => receivedBytes() === 100 * 13);
  expect(writes).toBe(1);
});

test('does not throw when the socket is destroyed', async () => {
  const outbox = new Outbox(near, { maxUnsentBytes: 1_000_000, budget });
  near.destroy();
  outbox.numberFrame(8, 0, 1);
  outbox.flush();
});
