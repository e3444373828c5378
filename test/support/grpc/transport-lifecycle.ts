/**
 * Part of the transport contract suite. Tests listening, draining and closing.
 */
import { chmodSync, existsSync, lstatSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Status } from '../../../src/grpc/status.ts';
import type { Transport, TransportOptions } from '../../../src/grpc/transport/transport.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { FrameFlag, FrameType, frame, settingsAck, unaryCall } from '../http2/frames.ts';
import { Http2Peer } from '../http2/peer.ts';
import { spawnBound } from '../sidecar/bound-process.ts';
import { waitFor } from '../wait.ts';
import { connectHttp2, connectRaw, http2Call, frame as messageFrame, type RawAnswer } from './raw-client.ts';
import { createTestMethods, methodPath } from './test-methods.ts';
import { DEFAULT_DEADLINE_MS, openFixture, type StartTransport, type TransportFixture } from './transport-contract.ts';

/** Grace period of drains that should end long before this period has passed, even on a slow and busy machine. */
const GRACE_MS = 60_000;
const LONG_MESSAGE_BYTES = 1024 * 1024;

export function describeTransportListening(startTransport: StartTransport): void {
  describe('listening', () => {
    let directory: string;
    let path: string;
    const open: Transport[] = [];

    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'pannier-socket-'));
      path = join(directory, 'api.sock');
    });

    afterEach(async () => {
      await Promise.all(open.splice(0).map((transport) => transport.close()));
      chmodSync(directory, 0o700);
      rmSync(directory, { recursive: true, force: true });
    });

    async function start(listen: TransportOptions['listen']): Promise<Transport> {
      const { table } = createTestMethods();
      const log = { error: () => {} };
      const transport = await startTransport({
        table,
        listen,
        defaultDeadlineMs: DEFAULT_DEADLINE_MS,
        clock: systemClock,
        log,
      });
      open.push(transport);
      return transport;
    }

    async function echo(address: string): Promise<RawAnswer> {
      const client = connectRaw(address);
      const answer = await client.unary(methodPath('Echo'), Buffer.from('hello'));
      client.close();
      return answer;
    }

    test('serves the same methods on TCP and on a unix socket at the same time', async () => {
      const transport = await start({ tcp: { host: '127.0.0.1', port: 0 }, socketPath: path });
      expect(transport.tcpPort).toBeGreaterThan(0);
      for (const address of [`127.0.0.1:${transport.tcpPort}`, `unix:${path}`]) {
        expect(String((await echo(address)).bytes)).toBe('hello');
      }
    });

    test('listens on the IPv6 loopback address', async () => {
      const transport = await start({ tcp: { host: '::1', port: 0 } });
      expect(String((await echo(`[::1]:${transport.tcpPort}`)).bytes)).toBe('hello');
    });

    test('fails without an address and a path', async () => {
      await expect(start({})).rejects.toThrow(
        'cannot serve gRPC: neither an address nor a socket path is set; set one of them',
      );
    });

    test('creates the unix socket with mode 0660 despite the umask, and removes it on close or drain', async () => {
      const umaskBefore = process.umask(0o077);
      try {
        for (const end of ['close', 'drain'] as const) {
          const transport = await start({ socketPath: path });
          expect(transport.tcpPort).toBeUndefined();
          expect(statSync(path).mode & 0o777).toBe(0o660);
          await transport[end](GRACE_MS);
          expect(existsSync(path)).toBe(false);
        }
      } finally {
        process.umask(umaskBefore);
      }
    });

    test('creates the unix socket with the mode of the options', async () => {
      await start({ socketPath: path, socketMode: 0o666 });
      expect(statSync(path).mode & 0o777).toBe(0o666);
    });

    test('replaces a socket that a killed process left behind', async () => {
      const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
      const process_ = await spawnBound(process.execPath, ['-e', script]);
      await waitFor('the other process to listen', () => existsSync(path));
      process_.signal('SIGKILL');
      await process_.ended;
      expect(lstatSync(path).isSocket()).toBe(true);
      await start({ socketPath: path });
      expect(String((await echo(`unix:${path}`)).bytes)).toBe('hello');
    });

    test('fails on a socket on which another process listens, and keeps it', async () => {
      await start({ socketPath: path });
      const text = `cannot listen on ${path}: another process listens there; use another path`;
      await expect(start({ socketPath: path })).rejects.toThrow(text);
      expect(String((await echo(`unix:${path}`)).bytes)).toBe('hello');
    });

    test('fails on a path that is not a socket, and keeps the file', async () => {
      writeFileSync(path, 'precious');
      const text = `cannot listen on ${path}: the path exists and is not a socket; use another path`;
      await expect(start({ socketPath: path })).rejects.toThrow(text);
      expect(lstatSync(path).isFile()).toBe(true);
    });

    test('fails on a path that is too long or whose directory is missing', async () => {
      const long = join(directory, 'x'.repeat(120));
      await expect(start({ socketPath: long })).rejects.toThrow(/the path has \d+ bytes; use at most 107/);
      const missing = join(directory, 'no', 'api.sock');
      await expect(start({ socketPath: missing })).rejects.toThrow('the directory does not exist; create it');
    });

    test('fails on an address in use, and closes listeners that were already open', async () => {
      const first = await start({ tcp: { host: '127.0.0.1', port: 0 } });
      const tcp = { host: '127.0.0.1', port: Number(first.tcpPort) };
      const text = `cannot listen on 127.0.0.1:${tcp.port}: the address is in use; use another one`;
      await expect(start({ tcp, socketPath: path })).rejects.toThrow(text);
      expect(existsSync(path)).toBe(false);
      writeFileSync(path, 'a file');
      const port = await freePort();
      await expect(start({ tcp: { host: '127.0.0.1', port }, socketPath: path })).rejects.toThrow('is not a socket');
      expect(await isListening(port)).toBe(false);
    });

    test('fails on an address of another host', async () => {
      await expect(start({ tcp: { host: '192.0.2.1', port: 0 } })).rejects.toThrow('does not have the address');
    });
  });
}

export function describeTransportEnding(startTransport: StartTransport): void {
  describe('draining and closing', () => {
    let fixture: TransportFixture;

    beforeEach(async () => {
      fixture = await openFixture(startTransport);
    });

    afterEach(async () => {
      await fixture.close();
    });

    async function held(name: string) {
      return await waitFor(`the handler of ${name} to start`, () => fixture.notebook.held.get(name));
    }

    test('drains: finishes calls in flight, rejects new ones, and ends after the last call', async () => {
      const call = fixture.client.start(methodPath('Hold'), Buffer.from('flying'));
      const { release } = await held('flying');
      let isDrained = false;
      const drained = fixture.transport.drain(GRACE_MS).then(() => {
        isDrained = true;
      });
      await waitFor('the port to close', async () => !(await isListening(fixture.port)));
      const late = await fixture.client.unary(methodPath('Echo'), Buffer.from('late'), { deadlineMs: 20_000 });
      expect(late.code).toBe(Status.UNAVAILABLE);
      // The test waits far longer than the drain of an idle transport takes.
      const longMs = performance.now() + 400;
      await waitFor('400 ms to pass', () => performance.now() > longMs);
      expect(isDrained).toBe(false);
      release(Buffer.from('landed'));
      expect(String((await call.ended).bytes)).toBe('landed');
      await waitFor('the drain to end', () => isDrained);
      await drained;
    });

    test('drains: finishes calls whose message is still compressed', async () => {
      const session = connectHttp2(fixture.port);
      const failure = Buffer.alloc(LONG_MESSAGE_BYTES, ' ');
      failure.write(JSON.stringify({ code: Status.ABORTED, message: 'read all of it' }));
      const options = { headers: { 'grpc-encoding': 'gzip' }, body: messageFrame(gzipSync(failure), 1) };
      // Only two messages are decompressed at a time, so most messages are still queued when the first call ends.
      const calls = Array.from({ length: 12 }, () => http2Call(session, methodPath('Fail'), options));
      await calls[0];
      await fixture.transport.drain(GRACE_MS);
      for (const { headers } of await Promise.all(calls)) {
        expect(headers['grpc-status']).toBe(String(Status.ABORTED));
      }
      session.destroy();
    }, 120_000);

    test('drains: ends streams with UNAVAILABLE', async () => {
      const stream = fixture.client.serverStream(methodPath('HoldStream'), Buffer.from('watcher'));
      const { context } = await held('watcher');
      await fixture.transport.drain(GRACE_MS);
      const end = await stream.ended;
      expect(end.code).toBe(Status.UNAVAILABLE);
      expect(end.details).toContain('the sidecar is stopping');
      expect(context.isOver()).toBe(true);
    });

    test('drains: does not wait longer than the grace period', async () => {
      const call = fixture.client.start(methodPath('Hold'), Buffer.from('stuck'));
      const { context } = await held('stuck');
      const startMs = performance.now();
      await fixture.transport.drain(300);
      // The drain may also wait for the last connections to close, with a separate time limit.
      expect(performance.now() - startMs).toBeLessThan(2_500);
      expect((await call.ended).code).toBe(Status.UNAVAILABLE);
      await waitFor('the handler to be notified', () => context.isOver());
    });

    test('drains: serves new calls or ends them with UNAVAILABLE', async () => {
      const answers: RawAnswer[] = [];
      let isOver = false;
      async function callOn(): Promise<void> {
        const client = connectRaw(`127.0.0.1:${fixture.port}`);
        while (!isOver) {
          answers.push(await client.unary(methodPath('EchoLater'), Buffer.from('load')));
        }
        client.close();
      }
      const callers = Array.from({ length: 8 }, callOn);
      await waitFor('100 calls', () => answers.length > 100);
      await fixture.transport.drain(GRACE_MS);
      isOver = true;
      await Promise.all(callers);
      const codes = new Set(answers.map((answer) => answer.code));
      codes.delete(Status.OK);
      expect([...codes].filter((code) => code !== Status.UNAVAILABLE)).toEqual([]);
    });

    test('serves a call that was sent before its caller received the GOAWAY of an old connection', async () => {
      const aged = await openFixture(startTransport, { limits: { maxConnectionAgeMs: 200 } });
      const peer = await Http2Peer.open(aged.port);
      try {
        await peer.send(settingsAck(), unaryCall(1, methodPath('Echo'), Buffer.from('young')));
        await waitFor('the GOAWAY', () => peer.goaway !== undefined);
        expect(peer.goaway).toMatchObject({ error: 'noError', lastStreamId: 2 ** 31 - 1 });
        await peer.send(unaryCall(3, methodPath('Echo'), Buffer.from('old')));
        await waitFor('the response', () => peer.resets.has(3) || dataOf(peer, 3).includes('old'));
        expect(peer.resets.get(3)).toBeUndefined();
        const ping = await peer.frame('a PING', ({ type, flags }) => type === FrameType.ping && flags === 0);
        await peer.send(frame(FrameType.ping, FrameFlag.ack, 0, ping.payload));
        await peer.closed();
      } finally {
        peer.destroy();
        await aged.close();
      }
    });

    test('closes calls, connections and ports at once', async () => {
      const call = fixture.client.start(methodPath('Hold'), Buffer.from('cut'));
      const { context } = await held('cut');
      await fixture.transport.close();
      expect((await call.ended).code).toBe(Status.UNAVAILABLE);
      await waitFor('the handler to be notified', () => context.isOver());
      expect(await isListening(fixture.port)).toBe(false);
    });

    test('accepts close and drain again, in any order and concurrently', async () => {
      const { transport } = fixture;
      await Promise.all([transport.drain(GRACE_MS), transport.close(), transport.drain(GRACE_MS), transport.close()]);
      await transport.drain(GRACE_MS);
      await transport.close();
    });

    test('drains: does not wait longer than the grace period for a silent connection', async () => {
      const socket = await openSocket(fixture.port);
      await fixture.transport.drain(500);
      await waitFor('the socket to close', () => socket.destroyed);
    });

    test('closes all handles, so that the port can be used again', async () => {
      const before = handles();
      const others = await Promise.all(Array.from({ length: 5 }, () => openFixture(startTransport)));
      for (const other of others) {
        await other.client.unary(methodPath('Echo'), Buffer.from('x'));
        await other.close();
      }
      await waitFor('all handles to close', () => handles() <= before);
      const { table } = createTestMethods();
      const again = await startTransport({
        table,
        listen: { tcp: { host: '127.0.0.1', port: others[0]?.port ?? 0 } },
        defaultDeadlineMs: DEFAULT_DEADLINE_MS,
        clock: systemClock,
        log: { error: () => {} },
      });
      await again.close();
    });
  });
}

/** Returns the number of servers and sockets that keep the process alive. */
function handles(): number {
  return process.getActiveResourcesInfo().filter((name) => /TCP|Pipe/.test(name)).length;
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function openSocket(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    // The socket must read all bytes. A socket with unread bytes would not report that the peer has closed the
    // connection.
    socket.resume();
    socket.on('error', reject);
  });
}

async function isListening(port: number): Promise<boolean> {
  try {
    (await openSocket(port)).destroy();
    return true;
  } catch {
    return false;
  }
}

/** Returns the part of a response body that has arrived so far. */
function dataOf(peer: Http2Peer, streamId: number): Buffer {
  const frames = peer.frames.filter((each) => each.type === FrameType.data && each.streamId === streamId);
  return Buffer.concat(frames.map(({ payload }) => payload));
}
