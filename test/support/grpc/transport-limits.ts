/**
 * Part of the transport contract suite. Tests the limits on connections, on calls per connection, and on callers that
 * send too fast.
 */
import { type ClientHttp2Session, constants } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { Status } from '../../../src/grpc/status.ts';
import { waitFor } from '../wait.ts';
import { connectHttp2, connectRaw, http2Call } from './raw-client.ts';
import { methodPath } from './test-methods.ts';
import { openFixture, type StartTransport, type TransportFixture } from './transport-contract.ts';

const MESSAGE_BYTES = 16 * 1024;

export function describeTransportLimits(startTransport: StartTransport): void {
  describe('limits', () => {
    let fixture: TransportFixture;

    async function open(limits: Parameters<typeof openFixture>[1] = {}): Promise<void> {
      fixture = await openFixture(startTransport, limits);
    }

    afterEach(async () => {
      await fixture.close();
    });

    async function echo(): Promise<number> {
      return (await fixture.client.unary(methodPath('Echo'), Buffer.from('x'), { deadlineMs: 20_000 })).code;
    }

    test('applies the limits of the options', async () => {
      await open({ limits: { maxMessageBytes: 100, maxMetadataBytes: 1_000 } });
      const { client } = fixture;
      expect((await client.unary(methodPath('Echo'), Buffer.alloc(100))).code).toBe(Status.OK);
      expect((await client.unary(methodPath('Echo'), Buffer.alloc(101))).code).toBe(Status.RESOURCE_EXHAUSTED);
      const metadata = { 'x-big': 'b'.repeat(1_000) };
      const refused = await client.unary(methodPath('Echo'), Buffer.alloc(1), { metadata });
      expect(refused.code).toBe(Status.RESOURCE_EXHAUSTED);
      expect(refused.details).toContain('1000 bytes');
    });

    test('serves calls above the limit of a connection later', async () => {
      await open({ limits: { maxStreamsPerConnection: 5 } });
      const names = Array.from({ length: 20 }, (_, index) => `queued ${index}`);
      expect(await echo()).toBe(Status.OK);
      const calls = names.map((name) => fixture.client.start(methodPath('Hold'), Buffer.from(name)));
      await waitFor('five handlers to start', () => fixture.notebook.held.size === 5);
      for (let done = 0; done < names.length; done += 1) {
        const name = await waitFor('the next handler to start', () =>
          names.find((each) => fixture.notebook.held.has(each)),
        );
        expect(fixture.notebook.held.size).toBeLessThanOrEqual(5);
        fixture.notebook.held.get(name)?.release(Buffer.from(name));
        fixture.notebook.held.delete(name);
      }
      const answers = await Promise.all(calls.map((call) => call.ended));
      expect(answers.map((answer) => String(answer.bytes))).toEqual(names);
    });

    test('closes connections above the limit, and serves the others', async () => {
      await open({ limits: { maxConnections: 3 } });
      expect(await echo()).toBe(Status.OK);
      const sockets = await Promise.all([openSocket(fixture.port), openSocket(fixture.port)]);
      const fourth = await openSocket(fixture.port);
      await waitFor('the fourth connection to close', () => fourth.destroyed);
      expect(sockets.map((socket) => socket.destroyed)).toEqual([false, false]);
      expect(await echo()).toBe(Status.OK);
      for (const socket of sockets) {
        socket.destroy();
      }
      await waitFor('a new connection to be served', async () => {
        const client = connectRaw(`127.0.0.1:${fixture.port}`);
        const answer = await client.unary(methodPath('Echo'), Buffer.from('x'), { deadlineMs: 1_000 });
        client.close();
        return answer.code === Status.OK;
      });
    });

    test('slows down a caller that sends faster than the handler reads, without losing messages', async () => {
      await open();
      const count = 1_000;
      const stream = fixture.client.bidi(methodPath('ConverseLater'));
      let taken = 0;
      for (let index = 0; index < count; index += 1) {
        stream.call.write(Buffer.alloc(MESSAGE_BYTES, index % 200), () => {
          taken += 1;
        });
      }
      const held = await waitFor('the handler to start', () => fixture.notebook.held.get('converse later'));
      await waitFor('the transport to stop reading', async () => {
        const before = taken;
        await new Promise((resolve) => setTimeout(resolve, 50));
        return taken === before && taken > 0;
      });
      expect(taken * MESSAGE_BYTES).toBeLessThan(8 * 1024 * 1024);
      held.release(Buffer.alloc(0));
      stream.call.end();
      expect((await stream.ended).code).toBe(Status.OK);
      expect(stream.messages).toHaveLength(count);
      expect(stream.messages.every((message, index) => message[0] === index % 200)).toBe(true);
    });

    test('serves calls after many calls were opened and reset at once', async () => {
      await open();
      const session = connectHttp2(fixture.port);
      for (let round = 0; round < 20; round += 1) {
        await resetMany(session, 50);
      }
      session.destroy();
      expect(await echo()).toBe(Status.OK);
      const held = [...fixture.notebook.held.values()];
      await waitFor('every call to be over', () => held.every((call) => call.context.isOver()));
      const other = connectHttp2(fixture.port);
      expect((await http2Call(other, methodPath('Echo'))).headers['grpc-status']).toBe('0');
      other.destroy();
    });
  });
}

async function resetMany(session: ClientHttp2Session, count: number): Promise<void> {
  const closings = Array.from({ length: count }, () => {
    const stream = session.request({
      ':method': 'POST',
      ':path': methodPath('Hold'),
      'content-type': 'application/grpc',
    });
    stream.on('error', () => {});
    stream.write(Buffer.from([0, 0, 0, 0, 1, 65]));
    stream.close(constants.NGHTTP2_CANCEL);
    return new Promise((resolve) => stream.once('close', resolve));
  });
  await Promise.all(closings);
}

function openSocket(port: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.resume();
    socket.on('error', () => {});
  });
}
