/**
 * The part of the transport contract about listening, draining and closing: addresses, the unix socket, what is left over.
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

/** A drain that is not about its time ends long before this, even on a slow and busy machine. */
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

    test('TCP and a unix socket serve the same methods at the same time', async () => {
      const transport = await start({ tcp: { host: '127.0.0.1', port: 0 }, socketPath: path });
      expect(transport.tcpPort).toBeGreaterThan(0);
      for (const address of [`127.0.0.1:${transport.tcpPort}`, `unix:${path}`]) {
        expect(String((await echo(address)).bytes)).toBe('hello');
      }
    });

    test('IPv6 loopback works', async () => {
      const transport = await start({ tcp: { host: '::1', port: 0 } });
      expect(String((await echo(`[::1]:${transport.tcpPort}`)).bytes)).toBe('hello');
    });

    test('neither address nor path is refused', async () => {
      await expect(start({})).rejects.toThrow('neither an address nor a socket path is set');
    });

    test('the unix socket has mode 0660 whatever the umask, and goes when the transport closes or drains', async () => {
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

    test('the unix socket has another mode where one is asked for', async () => {
      await start({ socketPath: path, socketMode: 0o666 });
      expect(statSync(path).mode & 0o777).toBe(0o666);
    });

    test('a socket that a killed process left behind is replaced', async () => {
      const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
      const process_ = await spawnBound(process.execPath, ['-e', script]);
      await waitFor('the other process listens', () => existsSync(path));
      process_.signal('SIGKILL');
      await process_.ended;
      expect(lstatSync(path).isSocket()).toBe(true);
      await start({ socketPath: path });
      expect(String((await echo(`unix:${path}`)).bytes)).toBe('hello');
    });

    test('a socket that somebody listens on is refused, and stays', async () => {
      await start({ socketPath: path });
      const wanted = `cannot listen on ${path}: another process listens there, wanted a free path`;
      await expect(start({ socketPath: path })).rejects.toThrow(wanted);
      expect(String((await echo(`unix:${path}`)).bytes)).toBe('hello');
    });

    test('a path that is no socket is refused, and stays', async () => {
      writeFileSync(path, 'precious');
      const wanted = `cannot listen on ${path}: it is there and no socket, wanted a free path`;
      await expect(start({ socketPath: path })).rejects.toThrow(wanted);
      expect(lstatSync(path).isFile()).toBe(true);
    });

    test('a path that is too long, or whose directory is missing, is refused', async () => {
      const long = join(directory, 'x'.repeat(120));
      await expect(start({ socketPath: long })).rejects.toThrow(/the path has \d+ bytes, wanted at most 107/);
      const missing = join(directory, 'no', 'api.sock');
      await expect(start({ socketPath: missing })).rejects.toThrow('the directory does not exist');
    });

    test('an address in use is refused, and what was opened before is closed', async () => {
      const first = await start({ tcp: { host: '127.0.0.1', port: 0 } });
      const tcp = { host: '127.0.0.1', port: Number(first.tcpPort) };
      const wanted = `cannot listen on 127.0.0.1:${tcp.port}: the address is in use, wanted a free one`;
      await expect(start({ tcp, socketPath: path })).rejects.toThrow(wanted);
      expect(existsSync(path)).toBe(false);
      writeFileSync(path, 'no socket');
      const port = await freePort();
      await expect(start({ tcp: { host: '127.0.0.1', port }, socketPath: path })).rejects.toThrow('no socket');
      expect(await isListening(port)).toBe(false);
    });

    test('an address of another machine is refused', async () => {
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
      return await waitFor(`the handler of ${name}`, () => fixture.notebook.held.get(name));
    }

    test('a drain lets calls in flight end, takes no new ones, and is done when they are', async () => {
      const call = fixture.client.start(methodPath('Hold'), Buffer.from('flying'));
      const { release } = await held('flying');
      let isDrained = false;
      const drained = fixture.transport.drain(GRACE_MS).then(() => {
        isDrained = true;
      });
      await waitFor('the port is closed', async () => !(await isListening(fixture.port)));
      const late = await fixture.client.unary(methodPath('Echo'), Buffer.from('late'), { deadlineMs: 20_000 });
      expect(late.code).toBe(Status.UNAVAILABLE);
      // Long after the moment in which a drain has done all that it does by itself.
      const longMs = performance.now() + 400;
      await waitFor('a while passes', () => performance.now() > longMs);
      expect(isDrained).toBe(false);
      release(Buffer.from('landed'));
      expect(String((await call.ended).bytes)).toBe('landed');
      await waitFor('the drain ends', () => isDrained);
      await drained;
    });

    test('a drain lets calls end whose message is still compressed', async () => {
      const session = connectHttp2(fixture.port);
      const failure = Buffer.alloc(LONG_MESSAGE_BYTES, ' ');
      failure.write(JSON.stringify({ code: Status.ABORTED, message: 'read all of it' }));
      const options = { headers: { 'grpc-encoding': 'gzip' }, body: messageFrame(gzipSync(failure), 1) };
      // Only two at a time are decompressed: most of them wait when the first is answered.
      const calls = Array.from({ length: 12 }, () => http2Call(session, methodPath('Fail'), options));
      await calls[0];
      await fixture.transport.drain(GRACE_MS);
      for (const { headers } of await Promise.all(calls)) {
        expect(headers['grpc-status']).toBe(String(Status.ABORTED));
      }
      session.destroy();
    }, 120_000);

    test('a drain ends streams with UNAVAILABLE', async () => {
      const stream = fixture.client.serverStream(methodPath('HoldStream'), Buffer.from('watcher'));
      const { context } = await held('watcher');
      await fixture.transport.drain(GRACE_MS);
      const end = await stream.ended;
      expect(end.code).toBe(Status.UNAVAILABLE);
      expect(end.details).toContain('the sidecar is stopping');
      expect(context.isOver()).toBe(true);
    });

    test('a drain does not wait beyond its grace', async () => {
      const call = fixture.client.start(methodPath('Hold'), Buffer.from('stuck'));
      const { context } = await held('stuck');
      const startMs = performance.now();
      await fixture.transport.drain(300);
      // The wait for the last connections to be gone has a bound of its own.
      expect(performance.now() - startMs).toBeLessThan(2_500);
      expect((await call.ended).code).toBe(Status.UNAVAILABLE);
      await waitFor('the handler hears of it', () => context.isOver());
    });

    test('calls that keep coming during a drain are served or certainly not executed', async () => {
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
      await waitFor('the load runs', () => answers.length > 100);
      await fixture.transport.drain(GRACE_MS);
      isOver = true;
      await Promise.all(callers);
      const codes = new Set(answers.map((answer) => answer.code));
      codes.delete(Status.OK);
      expect([...codes].filter((code) => code !== Status.UNAVAILABLE)).toEqual([]);
    });

    test('a call that was sent before its caller saw the drain of an old connection is served', async () => {
      const aged = await openFixture(startTransport, { limits: { maxConnectionAgeMs: 200 } });
      const peer = await Http2Peer.open(aged.port);
      try {
        await peer.send(settingsAck(), unaryCall(1, methodPath('Echo'), Buffer.from('young')));
        await waitFor('the GOAWAY', () => peer.goaway !== undefined);
        expect(peer.goaway).toMatchObject({ error: 'noError', lastStreamId: 2 ** 31 - 1 });
        await peer.send(unaryCall(3, methodPath('Echo'), Buffer.from('old')));
        await waitFor('the answer', () => peer.resets.has(3) || dataOf(peer, 3).includes('old'));
        expect(peer.resets.get(3)).toBeUndefined();
        const question = await peer.frame('a PING', ({ type, flags }) => type === FrameType.ping && flags === 0);
        await peer.send(frame(FrameType.ping, FrameFlag.ack, 0, question.payload));
        await peer.closed();
      } finally {
        peer.destroy();
        await aged.close();
      }
    });

    test('close ends calls, connections and ports at once', async () => {
      const call = fixture.client.start(methodPath('Hold'), Buffer.from('cut'));
      const { context } = await held('cut');
      await fixture.transport.close();
      expect((await call.ended).code).toBe(Status.UNAVAILABLE);
      await waitFor('the handler hears of it', () => context.isOver());
      expect(await isListening(fixture.port)).toBe(false);
    });

    test('close and drain may be called again, in any order and at once', async () => {
      const { transport } = fixture;
      await Promise.all([transport.drain(GRACE_MS), transport.close(), transport.drain(GRACE_MS), transport.close()]);
      await transport.drain(GRACE_MS);
      await transport.close();
    });

    test('a connection on which nobody says a word does not hold up a drain beyond its grace', async () => {
      const socket = await openSocket(fixture.port);
      await fixture.transport.drain(500);
      await waitFor('the socket is closed', () => socket.destroyed);
    });

    test('nothing is left: no handle of ours, and the port can be had again', async () => {
      const before = handles();
      const others = await Promise.all(Array.from({ length: 5 }, () => openFixture(startTransport)));
      for (const other of others) {
        await other.client.unary(methodPath('Echo'), Buffer.from('x'));
        await other.close();
      }
      await waitFor('no handle is left', () => handles() <= before);
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

/** Servers and sockets that keep the process alive. */
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
    // Unread bytes would hide that the other side has closed.
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

/** The body of an answer so far. */
function dataOf(peer: Http2Peer, streamId: number): Buffer {
  const frames = peer.frames.filter((each) => each.type === FrameType.data && each.streamId === streamId);
  return Buffer.concat(frames.map(({ payload }) => payload));
}
