/**
 * Tests that the limit of connections applies to TCP and the unix socket together.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../../../test/support/wait.ts';
import { Listeners } from './listen-addresses.ts';

let directory: string;
let listeners: Listeners | undefined;
let peers: Socket[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pannier-listeners-'));
  peers = [];
});

afterEach(async () => {
  for (const peer of peers) {
    peer.destroy();
  }
  listeners?.stopListening();
  listeners?.destroyConnections();
  await listeners?.whenEmpty(5_000);
  rmSync(directory, { recursive: true });
});

function open(where: number | string): Socket {
  const peer = typeof where === 'number' ? connect(where, '127.0.0.1') : connect(where);
  peers.push(peer.on('error', () => {}).resume());
  return peer;
}

test('closes connections above the limit at once, and accepts another after one has closed', async () => {
  const accepted: Socket[] = [];
  const all = new Listeners({ maxConnections: 2, onConnection: (socket) => accepted.push(socket.resume()) });
  listeners = all;
  const socketPath = join(directory, 'grpc.sock');
  const port = Number(await all.listen({ tcp: { host: '127.0.0.1', port: 0 }, socketPath }));
  const first = open(port);
  open(socketPath);
  await waitFor('two connections', () => accepted.length === 2);
  for (const where of [port, socketPath]) {
    const late = open(where);
    await waitFor('the third connection is closed', () => late.destroyed);
  }
  await waitFor('two connections remain', () => all.connections === 2);
  expect(accepted.length).toBe(2);
  first.destroy();
  await waitFor('one connection remains', () => all.connections === 1);
  open(socketPath);
  await waitFor('a third connection is accepted', () => accepted.length === 3);
});
