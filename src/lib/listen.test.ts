/**
 * Tests the addresses that listenOn accepts, and the texts of its errors.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { listenOn } from './listen.ts';

const servers: Server[] = [];

function newServer(): Server {
  const server = createServer();
  servers.push(server);
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

afterEach(async () => {
  for (const server of servers.splice(0)) {
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
  }
});

test('rejects with the address if the port is in use, and leaves later errors to the caller', async () => {
  const first = newServer();
  await listenOn(first, { host: '127.0.0.1', port: 0 });
  const port = portOf(first);
  const text = `cannot listen on 127.0.0.1:${port}: EADDRINUSE; use a free address`;
  await expect(listenOn(newServer(), { host: '127.0.0.1', port })).rejects.toThrow(text);
  expect(first.listenerCount('error')).toBe(0);
});

test.each(['EAFNOSUPPORT', 'EADDRNOTAVAIL'])(
  'listens on all IPv4 addresses for `::` without IPv6 (%s)',
  async (code) => {
    const server = newServer();
    const listen = server.listen.bind(server);
    const hosts: unknown[] = [];
    server.listen = (...args: unknown[]): Server => {
      hosts.push(args[1]);
      if (args[1] === '::') {
        process.nextTick(() => server.emit('error', Object.assign(new Error('no'), { code })));
        return server;
      }
      return listen(0, String(args[1]));
    };
    await listenOn(server, { host: '::', port: 0 });
    expect(hosts).toEqual(['::', '0.0.0.0']);
    expect(server.address()).toMatchObject({ address: '0.0.0.0' });
  },
);

test('puts an IPv6 host in brackets in the error', async () => {
  const server = newServer();
  const failed = Object.assign(new Error('no'), { code: 'EADDRNOTAVAIL' });
  server.listen = (): Server => {
    process.nextTick(() => server.emit('error', failed));
    return server;
  };
  await expect(listenOn(server, { host: '2001:db8::1', port: 9 })).rejects.toThrow(
    'cannot listen on [2001:db8::1]:9: EADDRNOTAVAIL; use a free address',
  );
});
