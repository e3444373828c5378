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

async function startAdmin(answer: FakeAdmin['answer']): Promise<FakeAdmin> {
  const server = createServer((request, response) => {
    admin.asked += 1;
    const { status, body } = admin.answer(request.url ?? '');
    response.writeHead(status).end(body);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
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
    expect(await waitFor({ what: 'ready', admin: admin.address, timeoutMs: 20_000 })).toBe(true);
    expect(admin.asked).toBe(3);
  });

  test('gives up when nothing answers', async () => {
    expect(await waitFor({ what: 'ready', admin: '127.0.0.1:1', timeoutMs: 250 })).toBe(false);
  });
});

describe('wait idle', () => {
  test('ends once no connection and no call has been there for a while', async () => {
    const states = [metrics(2, 0), metrics(0, 1), metrics(0, 0)];
    const admin = await startAdmin(() => ({ status: 200, body: states[Math.min(admin.asked - 1, 2)] ?? '' }));
    expect(await waitFor({ what: 'idle', admin: admin.address, timeoutMs: 20_000, idleMs: 150 })).toBe(true);
    expect(admin.asked).toBeGreaterThanOrEqual(4);
  });

  test('gives up while somebody stays connected', async () => {
    const admin = await startAdmin(() => ({ status: 200, body: metrics(1, 0) }));
    expect(await waitFor({ what: 'idle', admin: admin.address, timeoutMs: 300, idleMs: 0 })).toBe(false);
  });

  test('ends when the sidecar is gone', async () => {
    expect(await waitFor({ what: 'idle', admin: '127.0.0.1:1', timeoutMs: 20_000 })).toBe(false);
  });
});
