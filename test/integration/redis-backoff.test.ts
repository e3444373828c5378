/**
 * Tests that the client rarely attempts to connect during a long outage, and that it still recovers soon after the
 * outage.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { RedisNode } from '../../src/redis/node-table.ts';
import { redisOptions } from '../support/redis/client.ts';
import { startFakeRedisPeer } from '../support/redis/fake-redis-peer.ts';
import { waitFor } from '../support/wait.ts';

const FROM_MS = 10_000;
const TO_MS = 20_000;
/** Maximum duration of one backoff interval and one connection attempt together. */
const RECOVERY_MS = 6_000;

function openNode(port: number): RedisNode {
  const redis = redisOptions(`redis://127.0.0.1:${port}`, { connectionsPerMaster: 3 });
  return new RedisNode({ host: '127.0.0.1', port }, { redis, isVouching: () => false, onChange: () => undefined });
}

interface Outage {
  readonly what: string;
  readonly port: number;
  /** Time of each connection attempt. */
  readonly attemptsAtMs: number[];
  /** Ends the outage. */
  end(): void;
  close(): Promise<void>;
}

/** Starts a server that closes connections, does not answer or refuses the password, and later behaves like Redis. */
async function startOutage(what: 'hangs up' | 'never answers' | 'refuses the password'): Promise<Outage> {
  const attemptsAtMs: number[] = [];
  let isOver = false;
  if (what === 'refuses the password') {
    const peer = await startFakeRedisPeer({
      onHello: (hello) => {
        attemptsAtMs.push(performance.now());
        hello.answer(isOver ? '%0\r\n' : '-WRONGPASS invalid username-password pair\r\n');
      },
    });
    return {
      what,
      port: peer.port,
      attemptsAtMs,
      end: () => {
        isOver = true;
      },
      close: () => peer.close(),
    };
  }
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    attemptsAtMs.push(performance.now());
    sockets.add(socket);
    socket.on('error', () => undefined);
    if (isOver) {
      socket.on('data', (bytes) => {
        // Sends one reply each to HELLO and CLIENT SETNAME.
        socket.write(String(bytes).includes('HELLO') ? '%0\r\n+OK\r\n' : '+OK\r\n');
      });
    } else if (what === 'hangs up') {
      socket.destroy();
    } else {
      socket.resume();
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    what,
    port: (server.address() as { port: number }).port,
    attemptsAtMs,
    end: () => {
      isOver = true;
    },
    close: async () => {
      for (const socket of sockets) {
        socket.destroy();
      }
      server.close();
      await once(server, 'close');
    },
  };
}

// The outages run at the same time, because the test observes each of them for 20 s.
test('makes at most five attempts from the 10th to the 20th second of an outage, and recovers within one interval', async () => {
  const outages = await Promise.all([
    startOutage('hangs up'),
    startOutage('never answers'),
    startOutage('refuses the password'),
  ]);
  const beganAtMs = performance.now();
  const nodes = outages.map(({ port }) => openNode(port));
  await waitFor('20 s', () => performance.now() - beganAtMs > TO_MS, 30_000);
  for (const { what, attemptsAtMs } of outages) {
    const seen = attemptsAtMs.filter((atMs) => atMs - beganAtMs >= FROM_MS && atMs - beganAtMs < TO_MS).length;
    const first = attemptsAtMs.filter((atMs) => atMs - beganAtMs < 2_000).length;
    expect({ what, isRare: seen <= 5, isNoneLeftOut: seen >= 2, isPromptAtFirst: first >= 3 }).toEqual({
      what,
      isRare: true,
      isNoneLeftOut: true,
      isPromptAtFirst: true,
    });
  }
  for (const outage of outages) {
    outage.end();
  }
  await waitFor('service', () => nodes.every((node) => node.isReady), RECOVERY_MS);
  for (const node of nodes) {
    node.close();
  }
  await Promise.all(outages.map((outage) => outage.close()));
}, 60_000);

// The server accepts each connection and then closes it. If an accepted connection ended the backoff of the other
// connections, all of them would reconnect without a pause.
test('backs off with several connections to a server that accepts and then closes them', async () => {
  const peer = await startFakeRedisPeer({
    onHello: (hello) => {
      hello.answer('%0\r\n');
      setTimeout(() => hello.hangUp(), 0);
    },
  });
  const node = openNode(peer.port);
  const beganAtMs = performance.now();
  await waitFor('3 s', () => performance.now() - beganAtMs > 3_000);
  const accepted = peer.accepted();
  node.close();
  await peer.close();
  // The shortest backoff intervals are the halves of 100, 200, 400, 800, 1,600 and 3,200 ms, so each connection makes
  // at most seven attempts.
  expect(accepted).toBeLessThanOrEqual(3 * 7);
}, 20_000);
