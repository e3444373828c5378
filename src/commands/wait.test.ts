/**
 * The hooks of a plain sidecar: wait for ready, wait for idle, and give up in time.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { waitFor } from './wait.ts';

interface FakeAdmin {
  readonly address: string;
  asked: number;
  answer: (url: string) => { status: number; body: string };
}

const servers: Server[] = [];

async function startAdmin(answer: FakeAdmin['answer'], port = 0): Promise<FakeAdmin> {
  const server = createServer((request, response) => {
    admin.asked += 1;
    const { status, body } = admin.answer(request.url ?? '');
    response.writeHead(status).end(body);
  });
  servers.push(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const admin: FakeAdmin = { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked: 0, answer };
  return admin;
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

const metrics = (connections: number, calls: number): string =>
  `# HELP pannier_grpc_connections x\npannier_grpc_connections{listener="tcp"} ${connections}\npannier_grpc_calls_in_flight ${calls}\n`;

describe('wait ready', () => {
  test('ends when /readyz says so, however often it did not', async () => {
    const admin = await startAdmin(() => ({ status: admin.asked < 3 ? 503 : 200, body: '' }));
    expect(await waitFor({ what: 'ready', admin: admin.address, timeoutMs: 20_000 })).toEqual({ kind: 'reached' });
    expect(admin.asked).toBe(3);
  });

  test('gives up when nothing answers, and says so', async () => {
    expect(await waitFor({ what: 'ready', admin: ':1', timeoutMs: 250 })).toEqual({
      kind: 'gave-up',
      problem:
        'cannot wait until the sidecar is ready: /readyz of 127.0.0.1:1 does not answer (ECONNREFUSED), wanted status 200 within 250 ms',
    });
  });

  test('gives up when it is not ready in time, with what it says', async () => {
    const admin = await startAdmin(() => ({ status: 503, body: 'not ready\nredis state: no node has answered yet\n' }));
    expect(await waitFor({ what: 'ready', admin: admin.address, timeoutMs: 150 })).toMatchObject({
      problem: expect.stringContaining('answers 503 (not ready), wanted status 200'),
    });
  });

  test('asks a port that browsers are not allowed to ask', async () => {
    const ready = () => ({ status: 200, body: '' });
    // Whichever of them is free.
    const admin = await Promise.any([10_080, 6_666, 6_697].map((port) => startAdmin(ready, port)));
    expect(await waitFor({ what: 'ready', admin: admin.address, timeoutMs: 0 })).toEqual({ kind: 'reached' });
  });
});

describe('wait idle', () => {
  test('ends once no connection and no call has been there for a while', async () => {
    const states = [metrics(2, 0), metrics(0, 1), metrics(0, 0)];
    const admin = await startAdmin(() => ({ status: 200, body: states[Math.min(admin.asked - 1, 2)] ?? '' }));
    expect(await waitFor({ what: 'idle', admin: admin.address, timeoutMs: 20_000, idleMs: 150 })).toEqual({
      kind: 'reached',
    });
    expect(admin.asked).toBeGreaterThanOrEqual(4);
  });

  test('gives up while somebody stays connected', async () => {
    const admin = await startAdmin(() => ({ status: 200, body: metrics(1, 0) }));
    expect(await waitFor({ what: 'idle', admin: admin.address, timeoutMs: 300, idleMs: 0 })).toMatchObject({
      kind: 'gave-up',
    });
  });

  test('ends when the sidecar is gone', async () => {
    expect(await waitFor({ what: 'idle', admin: '127.0.0.1:1', timeoutMs: 20_000 })).toMatchObject({ kind: 'gave-up' });
  });

  test('takes neither an error nor the metrics of another program for idle', async () => {
    for (const page of [
      { status: 500, body: metrics(0, 0) },
      { status: 200, body: 'up 1\n' },
    ]) {
      const admin = await startAdmin(() => page);
      expect(await waitFor({ what: 'idle', admin: admin.address, timeoutMs: 150, idleMs: 0 })).toMatchObject({
        kind: 'gave-up',
      });
    }
  });

  test('one connection that is cut is no end of the sidecar', async () => {
    const admin = await startAdmin(() => ({ status: 200, body: metrics(0, 0) }));
    const server = servers.at(-1) as Server;
    server.prependOnceListener('request', (request) => request.socket.destroy());
    expect(await waitFor({ what: 'idle', admin: admin.address, timeoutMs: 20_000, idleMs: 0 })).toEqual({
      kind: 'reached',
    });
  });
});
