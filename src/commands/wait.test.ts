/**
 * Tests `pannier wait`, which the hooks of a plain sidecar run. The command waits for ready or idle, and gives up at
 * the timeout.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { waitFor } from './wait.ts';

interface FakeAdmin {
  readonly address: string;
  requestCount: number;
  answer: (url: string) => { status: number; body: string };
}

const servers: Server[] = [];

async function startAdmin(answer: FakeAdmin['answer'], port = 0): Promise<FakeAdmin> {
  const server = createServer((request, response) => {
    admin.requestCount += 1;
    const { status, body } = admin.answer(request.url ?? '');
    response.writeHead(status).end(body);
  });
  servers.push(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const admin: FakeAdmin = { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, requestCount: 0, answer };
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
  test('polls /readyz until it returns 200', async () => {
    const admin = await startAdmin(() => ({ status: admin.requestCount < 3 ? 503 : 200, body: '' }));
    expect(await waitFor({ what: 'ready', admin: admin.address, timeoutMs: 20_000 })).toEqual({ kind: 'reached' });
    expect(admin.requestCount).toBe(3);
  });

  test('gives up if nothing responds, and names the cause', async () => {
    expect(await waitFor({ what: 'ready', admin: ':1', timeoutMs: 250 })).toEqual({
      kind: 'gave-up',
      problem:
        'cannot wait until the sidecar is ready: http://127.0.0.1:1/readyz must return status 200 within 250 ms, got no response (ECONNREFUSED)',
    });
  });

  test('gives up if the sidecar is not ready in time, and quotes its page', async () => {
    const admin = await startAdmin(() => ({ status: 503, body: 'not ready\nredis state: no node has replied yet\n' }));
    expect(await waitFor({ what: 'ready', admin: admin.address, timeoutMs: 150 })).toMatchObject({
      problem: expect.stringContaining('must return status 200 within 150 ms, got status 503 (not ready)'),
    });
  });

  test('connects to a port that browsers block', async () => {
    const ready = () => ({ status: 200, body: '' });
    // The test uses the first free port of this list.
    const admin = await Promise.any([10_080, 6_666, 6_697].map((port) => startAdmin(ready, port)));
    expect(await waitFor({ what: 'ready', admin: admin.address, timeoutMs: 0 })).toEqual({ kind: 'reached' });
  });
});

describe('wait idle', () => {
  test('succeeds once there has been no connection and no call for a while', async () => {
    const states = [metrics(2, 0), metrics(0, 1), metrics(0, 0)];
    const admin = await startAdmin(() => ({ status: 200, body: states[Math.min(admin.requestCount - 1, 2)] ?? '' }));
    expect(await waitFor({ what: 'idle', admin: admin.address, timeoutMs: 20_000, idleMs: 150 })).toEqual({
      kind: 'reached',
    });
    expect(admin.requestCount).toBeGreaterThanOrEqual(4);
  });

  test('gives up while a client stays connected', async () => {
    const admin = await startAdmin(() => ({ status: 200, body: metrics(1, 0) }));
    expect(await waitFor({ what: 'idle', admin: admin.address, timeoutMs: 300, idleMs: 0 })).toMatchObject({
      kind: 'gave-up',
    });
  });

  test('gives up immediately if the sidecar refuses connections', async () => {
    expect(await waitFor({ what: 'idle', admin: '127.0.0.1:1', timeoutMs: 20_000 })).toMatchObject({ kind: 'gave-up' });
  });

  test('counts neither an error nor the metrics of another program as idle', async () => {
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

  test('retries after a single reset connection', async () => {
    const admin = await startAdmin(() => ({ status: 200, body: metrics(0, 0) }));
    const server = servers.at(-1) as Server;
    server.prependOnceListener('request', (request) => request.socket.destroy());
    expect(await waitFor({ what: 'idle', admin: admin.address, timeoutMs: 20_000, idleMs: 0 })).toEqual({
      kind: 'reached',
    });
  });
});
