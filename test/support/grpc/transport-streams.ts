/**
 * Part of the transport contract suite. Tests streams and calls that end early: order, backpressure, cancellation and
 * concurrency.
 */
import { Status } from '../../../src/grpc/status.ts';
import { waitFor } from '../wait.ts';
import { connectHttp2, connectRaw, frame } from './raw-client.ts';
import { FLOOD_MESSAGE_BYTES, methodPath, SECRET_TEXT } from './test-methods.ts';
import { openFixture, type StartTransport, type TransportFixture } from './transport-contract.ts';

const A_DAY_MS = 86_400_000;

export function describeTransportStreams(startTransport: StartTransport): void {
  describe('streams and cancellation', () => {
    let fixture: TransportFixture;

    beforeAll(async () => {
      fixture = await openFixture(startTransport);
    });

    afterAll(async () => {
      await fixture.close();
    });

    async function heldCall(name: string) {
      return await waitFor(`the handler of ${name} to start`, () => fixture.notebook.held.get(name));
    }

    test('sends all messages of a server stream in order and ends with OK', async () => {
      const stream = fixture.client.serverStream(methodPath('Flood'), Buffer.from('order:200'));
      expect((await stream.ended).code).toBe(Status.OK);
      expect(stream.messages.map((message) => message.readUInt32BE())).toEqual([...Array(200).keys()]);
    });

    test('pauses the handler while the caller does not read', async () => {
      const count = 2_000;
      const stream = fixture.client.serverStream(methodPath('Flood'), Buffer.from(`slow:${count}`));
      stream.call.pause();
      const record = await waitFor('the flood to begin', () => fixture.notebook.floods.get('slow'));
      await waitFor('send to return false', () => record.refusals > 0);
      // The buffers of both sockets and both libraries limit the bytes in flight, so the handler cannot send
      // everything.
      await waitFor('the handler to pause', async () => {
        const before = record.sent;
        await new Promise((resolve) => setTimeout(resolve, 50));
        return record.sent === before;
      });
      expect(record.sent * FLOOD_MESSAGE_BYTES).toBeLessThan(16 * 1024 * 1024);
      expect(record.hasEnded).toBe(false);
      stream.call.resume();
      expect((await stream.ended).code).toBe(Status.OK);
      expect(stream.messages).toHaveLength(count);
    });

    test('resumes a handler that waits to send when the caller cancels', async () => {
      const stream = fixture.client.serverStream(methodPath('Flood'), Buffer.from('left:1000000'));
      stream.call.pause();
      const record = await waitFor('the flood to begin', () => fixture.notebook.floods.get('left'));
      await waitFor('send to return false', () => record.refusals > 0);
      stream.call.cancel();
      await waitFor('the handler to end', () => record.hasEnded);
      expect(record.sent).toBeLessThan(1_000_000);
      expect((await stream.ended).code).toBe(Status.CANCELLED);
    });

    test('sends an error after the messages, with code and text', async () => {
      const failure = JSON.stringify({ code: Status.ABORTED, message: 'cannot go on: ä', retryPushbackMs: 5 });
      const stream = fixture.client.serverStream(methodPath('FailStream'), Buffer.from(failure));
      const end = await stream.ended;
      expect(stream.messages.map(String)).toEqual([failure]);
      expect(end).toMatchObject({ code: Status.ABORTED, details: 'cannot go on: ä' });
      expect(end.trailers.get('grpc-retry-pushback-ms')).toEqual(['5']);
    });

    test.each(['BreakStream', 'RejectNothingStream'])(
      '%s: ends with INTERNAL without details after an unexpected error',
      async (name) => {
        const end = await fixture.client.serverStream(methodPath(name), Buffer.from('x')).ended;
        expect(end.code).toBe(Status.INTERNAL);
        expect(JSON.stringify([end.details, end.trailers.toJSON()])).not.toContain(SECRET_TEXT);
      },
    );

    test('ends a stream at its deadline, and sets no default deadline', async () => {
      const endless = fixture.client.serverStream(methodPath('InspectStream'), Buffer.from('x'));
      expect((await endless.ended).code).toBe(Status.OK);
      const seen = JSON.parse(String(endless.messages[0])) as { leftMs: number };
      expect(seen.leftMs).toBeGreaterThan(365 * A_DAY_MS);
      const short = fixture.client.serverStream(methodPath('HoldStream'), Buffer.from('short'), { deadlineMs: 150 });
      expect((await short.ended).code).toBe(Status.DEADLINE_EXCEEDED);
      const held = await heldCall('short');
      await waitFor('the handler to be notified', () => held.context.isOver() && held.overCount === 1);
      held.release(Buffer.from('dropped'));
    });

    test('sends responses of a bidi stream while it is open, and ends it after the caller', async () => {
      const stream = fixture.client.bidi(methodPath('Converse'));
      for (let number = 0; number < 20; number += 1) {
        stream.call.write(Buffer.from(`message ${number}`));
        await waitFor('the response', () => stream.messages.length === number + 1);
        expect(String(stream.messages[number])).toBe(`message ${number}`);
      }
      stream.call.end();
      expect((await stream.ended).code).toBe(Status.OK);
    });

    test('sends many messages of a bidi stream in order', async () => {
      const stream = fixture.client.bidi(methodPath('Converse'));
      const sent = Array.from({ length: 2_000 }, (_, index) => `${index}:${'x'.repeat(index % 500)}`);
      for (const text of sent) {
        stream.call.write(Buffer.from(text));
      }
      stream.call.end();
      expect((await stream.ended).code).toBe(Status.OK);
      expect(stream.messages.map(String)).toEqual(sent);
    });

    test('ends a bidi stream whose handler ends or fails before its caller', async () => {
      const stopped = fixture.client.bidi(methodPath('Converse'));
      stopped.call.write(Buffer.from('one'));
      stopped.call.write(Buffer.from('stop'));
      expect((await stopped.ended).code).toBe(Status.OK);
      expect(stopped.messages.map(String)).toEqual(['one']);
      const failed = fixture.client.bidi(methodPath('Converse'));
      failed.call.write(Buffer.from('fail'));
      const end = await failed.ended;
      expect(end.code).toBe(Status.INTERNAL);
      expect(end.details).not.toContain(SECRET_TEXT);
    });

    test.each(['Hold', 'HoldStream'])('%s: notifies the handler of a cancelled call once', async (name) => {
      const key = `cancel ${name}`;
      const call = fixture.client.start(methodPath(name), Buffer.from(key));
      const held = await heldCall(key);
      expect(held.context.isOver()).toBe(false);
      call.cancel();
      expect((await call.ended).code).toBe(Status.CANCELLED);
      await waitFor('the handler to be notified', () => held.context.isOver());
      let lateListeners = 0;
      held.context.onOver(() => {
        lateListeners += 1;
      });
      held.release(Buffer.from('dropped'));
      await fixture.client.unary(methodPath('Echo'), Buffer.from('x'));
      expect([held.overCount, lateListeners]).toEqual([1, 1]);
    });

    test('notifies the handler after a call was answered', async () => {
      const call = fixture.client.start(methodPath('Hold'), Buffer.from('answered'));
      const held = await heldCall('answered');
      held.release(Buffer.from('done'));
      expect(String((await call.ended).bytes)).toBe('done');
      await waitFor('the handler to be notified', () => held.context.isOver() && held.overCount === 1);
    });

    test('ends only the calls of a broken connection', async () => {
      const session = connectHttp2(fixture.port);
      const headers = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };
      for (const name of ['Hold', 'HoldStream']) {
        const stream = session.request({ ...headers, ':path': methodPath(name) });
        stream.on('error', () => {});
        stream.end(frame(Buffer.from(`broken ${name}`)));
      }
      const held = [await heldCall('broken Hold'), await heldCall('broken HoldStream')];
      session.socket?.destroy();
      await waitFor('the handlers to be notified', () => held.every((call) => call.context.isOver()));
      expect(held.map((call) => call.overCount)).toEqual([1, 1]);
      for (const call of held) {
        call.release(Buffer.from('dropped'));
      }
      expect((await fixture.client.unary(methodPath('Echo'), Buffer.from('x'))).code).toBe(Status.OK);
    });

    test('serves 1,000 concurrent calls on one connection in any order', async () => {
      const client = connectRaw(`127.0.0.1:${fixture.port}`);
      const names = Array.from({ length: 1_000 }, (_, index) => `many ${index}`);
      const calls = names.map((name) => client.start(methodPath('Hold'), Buffer.from(name)));
      await waitFor('all handlers to start', () => names.every((name) => fixture.notebook.held.has(name)));
      for (const name of names.toReversed()) {
        fixture.notebook.held.get(name)?.release(Buffer.from(`response of ${name}`));
      }
      const answers = await Promise.all(calls.map((call) => call.ended));
      expect(answers.map((answer) => String(answer.bytes))).toEqual(names.map((name) => `response of ${name}`));
      client.close();
    });
  });
}
