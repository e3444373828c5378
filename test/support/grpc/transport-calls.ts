/**
 * The part of the transport contract about unary calls: answers, codes and texts, deadlines, metadata.
 */
import { Status } from '../../../src/grpc/status.ts';
import { waitFor } from '../wait.ts';
import { connectHttp2, frame, http2Call } from './raw-client.ts';
import { methodPath, SECRET_TEXT } from './test-methods.ts';
import { DEFAULT_DEADLINE_MS, openFixture, type StartTransport, type TransportFixture } from './transport-contract.ts';

const INTERNAL_TEXT = "cannot answer: internal error, see the sidecar's log";
const ERROR_CODES = Object.values(Status).filter((code) => code !== Status.OK);

export function describeTransportCalls(startTransport: StartTransport): void {
  describe('unary calls', () => {
    let fixture: TransportFixture;

    beforeAll(async () => {
      fixture = await openFixture(startTransport);
    });

    afterAll(async () => {
      await fixture.close();
    });

    async function expectAlive(): Promise<void> {
      const answer = await fixture.client.unary(methodPath('Echo'), Buffer.from('still here'));
      expect(answer.bytes?.toString()).toBe('still here');
    }

    test.each(['Echo', 'EchoLater'])('%s answers with the bytes of the handler', async (name) => {
      for (const length of [1, 5, 16_384, 1_000_000]) {
        const bytes = Buffer.alloc(length, 'pannier');
        const answer = await fixture.client.unary(methodPath(name), bytes);
        expect(answer.code).toBe(Status.OK);
        expect(answer.bytes?.equals(bytes)).toBe(true);
      }
    });

    test('an empty message is a message', async () => {
      const answer = await fixture.client.unary(methodPath('Echo'), Buffer.alloc(0));
      expect(answer.code).toBe(Status.OK);
      expect(answer.bytes?.length).toBe(0);
    });

    test.each(['Fail', 'FailLater'])('%s: each code arrives with its text, whatever stands in it', async (name) => {
      for (const code of ERROR_CODES) {
        const message = `Cannot 100 % naïve ${code}: 日本語 🧺\nsecond line\ttab "quoted" %41`;
        const answer = await fixture.client.unary(methodPath(name), Buffer.from(JSON.stringify({ code, message })));
        expect(answer.code).toBe(code);
        expect(answer.details).toBe(message);
        expect(answer.bytes).toBeUndefined();
      }
    });

    test('a text goes over the wire percent-encoded', async () => {
      const session = connectHttp2(fixture.port);
      const body = frame(Buffer.from(JSON.stringify({ code: Status.ABORTED, message: 'é\n%' })));
      const end = await http2Call(session, methodPath('Fail'), { body });
      session.destroy();
      expect(end.headers['grpc-status']).toBe(String(Status.ABORTED));
      expect(end.headers['grpc-message']).toBe('%C3%A9%0A%25');
    });

    test('a text with half a character does no harm', async () => {
      const request = Buffer.from(JSON.stringify({ code: Status.NOT_FOUND, message: 'half \ud83e' }));
      const answer = await fixture.client.unary(methodPath('Fail'), request);
      expect(answer.code).toBe(Status.NOT_FOUND);
      expect(answer.details).toBe('half \ufffd');
    });

    test.each(['Break', 'BreakLater', 'BadAnswer', 'RejectNothing'])(
      '%s: an unexpected error is INTERNAL and tells nothing',
      async (name) => {
        fixture.logged.length = 0;
        const answer = await fixture.client.unary(methodPath(name), Buffer.from('x'));
        expect(answer.code).toBe(Status.INTERNAL);
        expect(answer.details).toBe(INTERNAL_TEXT);
        expect(JSON.stringify(answer.trailers.toJSON())).not.toContain(SECRET_TEXT);
        expect(fixture.logged).toHaveLength(1);
        expect(fixture.logged[0]?.fields.method).toBe(methodPath(name));
        await expectAlive();
      },
    );

    test('a pushback travels as grpc-retry-pushback-ms, and only where there is one', async () => {
      const failure = { code: Status.UNAVAILABLE, message: 'busy' };
      const hinted = Buffer.from(JSON.stringify({ ...failure, retryPushbackMs: 99.6 }));
      const answer = await fixture.client.unary(methodPath('Fail'), hinted);
      expect(answer.trailers.get('grpc-retry-pushback-ms')).toEqual(['100']);
      const plain = await fixture.client.unary(methodPath('Fail'), Buffer.from(JSON.stringify(failure)));
      expect(plain.trailers.get('grpc-retry-pushback-ms')).toEqual([]);
    });

    describe('deadlines', () => {
      async function leftMs(name: string, deadlineMs?: number): Promise<number> {
        const options = deadlineMs === undefined ? {} : { deadlineMs };
        const answer = await fixture.client.unary(methodPath(name), Buffer.from('key'), options);
        return (JSON.parse(String(answer.bytes)) as { leftMs: number }).leftMs;
      }

      test('a caller that sets none gets the default', async () => {
        const left = await leftMs('Inspect');
        expect(left).toBeGreaterThan(DEFAULT_DEADLINE_MS - 2_000);
        expect(left).toBeLessThanOrEqual(DEFAULT_DEADLINE_MS);
      });

      test('a caller that sets one has its own', async () => {
        const left = await leftMs('Inspect', 60_000);
        expect(left).toBeGreaterThan(55_000);
        expect(left).toBeLessThanOrEqual(60_001);
      });

      test('one of a month or of 99999999 hours is far away and does not wrap', async () => {
        const session = connectHttp2(fixture.port);
        for (const timeout of ['2592000S', '99999999H']) {
          const headers = { 'grpc-timeout': timeout };
          const end = await http2Call(session, methodPath('Inspect'), { headers, body: frame(Buffer.from('month')) });
          expect(end.headers['grpc-status']).toBe('0');
          const seen = JSON.parse(end.body.subarray(5).toString()) as { leftMs: number };
          expect(seen.leftMs).toBeGreaterThan(24 * 86_400_000);
          expect(Number.isFinite(seen.leftMs)).toBe(true);
        }
        session.destroy();
      });

      test('a handler that misses it is told, and the caller gets DEADLINE_EXCEEDED', async () => {
        const answer = await fixture.client.unary(methodPath('Hold'), Buffer.from('late'), { deadlineMs: 200 });
        expect(answer.code).toBe(Status.DEADLINE_EXCEEDED);
        const held = fixture.notebook.held.get('late');
        await waitFor('the handler hears of it', () => held?.context.isOver() === true && held.overCount === 1);
        held?.release(Buffer.from('too late'));
        await expectAlive();
      });

      test('a server ends a call by itself, whatever its caller does', async () => {
        const session = connectHttp2(fixture.port);
        const headers = { 'grpc-timeout': '100m' };
        const end = await http2Call(session, methodPath('Hold'), { headers, body: frame(Buffer.from('patient')) });
        session.destroy();
        expect(end.headers['grpc-status']).toBe(String(Status.DEADLINE_EXCEEDED));
      });

      test('one that is over reaches the handler as such, or not at all', async () => {
        const session = connectHttp2(fixture.port);
        for (const timeout of ['0n', '0S', '1n']) {
          const headers = { 'grpc-timeout': timeout };
          const end = await http2Call(session, methodPath('Inspect'), { headers, body: frame(Buffer.from('over')) });
          const seen =
            end.body.length > 5 ? (JSON.parse(end.body.subarray(5).toString()) as { leftMs: number }) : undefined;
          expect(seen?.leftMs ?? 0).toBeLessThanOrEqual(0);
          expect(['0', '4']).toContain(end.headers['grpc-status']);
        }
        session.destroy();
      });

      test('with the interceptor, one that is over starts no handler', async () => {
        const session = connectHttp2(fixture.port);
        for (const timeout of ['0n', '0S', '1n']) {
          const headers = { 'grpc-timeout': timeout };
          const body = frame(Buffer.from('never seen'));
          const end = await http2Call(session, methodPath('InspectInTime'), { headers, body });
          expect(end.headers['grpc-status']).toBe(String(Status.DEADLINE_EXCEEDED));
        }
        session.destroy();
        expect(fixture.notebook.started).not.toContain('never seen');
      });

      test('with the interceptor, a caller is told by us before its own timer runs out', async () => {
        const request = Buffer.from('told in time');
        // Both timers are in this process: when it stalls for 20 ms the caller's may be first, so it may try again.
        await waitFor('the server is first', async () => {
          const answer = await fixture.client.unary(methodPath('HoldInTime'), request, { deadlineMs: 300 });
          expect(answer.code).toBe(Status.DEADLINE_EXCEEDED);
          return answer.details === 'cannot answer in time: the deadline runs out, it may have happened';
        });
      });

      test('a malformed one is refused and starts no handler', async () => {
        const session = connectHttp2(fixture.port);
        for (const timeout of ['', 'soon', '-1S', '5', 'S', '1.5S', '123456789S', '1X', '1S, 1S']) {
          const headers = { 'grpc-timeout': timeout };
          const body = frame(Buffer.from('malformed'));
          const end = await http2Call(session, methodPath('Inspect'), { headers, body });
          expect([timeout, end.headers['grpc-status']]).toEqual([timeout, String(Status.INVALID_ARGUMENT)]);
        }
        expect(fixture.notebook.started).not.toContain('malformed');
        session.destroy();
        await expectAlive();
      });
    });

    describe('metadata', () => {
      async function seen(keys: string, metadata: Record<string, string | Buffer>): Promise<unknown> {
        const answer = await fixture.client.unary(methodPath('Inspect'), Buffer.from(keys), { metadata });
        return (JSON.parse(String(answer.bytes)) as { metadata: unknown }).metadata;
      }

      test('is there by its key, and what is not there is not', async () => {
        expect(await seen('x-caller,x-other', { 'x-caller': 'checkout' })).toEqual(['checkout', null]);
      });

      test('of a binary key is not offered and does no harm', async () => {
        const metadata = { 'trace-bin': Buffer.from([0, 1, 2, 0xff]), 'x-caller': 'checkout' };
        expect(await seen('trace-bin,x-caller', metadata)).toEqual([null, 'checkout']);
      });

      test('of a binary key that is no base64 does no harm', async () => {
        const session = connectHttp2(fixture.port);
        const headers = { 'trace-bin': '*** no base64 ***', 'other-bin': '' };
        const end = await http2Call(session, methodPath('Inspect'), { headers, body: frame(Buffer.from('trace-bin')) });
        session.destroy();
        expect(end.headers['grpc-status']).toBe('0');
      });

      test.each(['Adorn', 'AdornStream'])('%s: of an answer arrives, before it and with its status', async (name) => {
        const session = connectHttp2(fixture.port);
        const bytes = Buffer.from([0, 1, 0xfe, 0xff, 0]);
        const headers = { 'x-echo': 'some text', 'x-echo-bin': bytes.toString('base64') };
        const end = await http2Call(session, methodPath(name), { headers, body: frame(Buffer.from('adorned')) });
        session.destroy();
        expect(end.body.subarray(5).toString()).toBe('adorned');
        expect(end.headers).toMatchObject({ 'x-head': 'some text', 'x-trail': 'some text', 'grpc-status': '0' });
        expect(Buffer.from(String(end.headers['x-trail-bin']), 'base64')).toEqual(bytes);
      });

      test('of an answer goes with an error too', async () => {
        const metadata = { 'x-echo': 'why' };
        const answer = await fixture.client.unary(methodPath('Adorn'), Buffer.from('fail'), { metadata });
        expect(answer.code).toBe(Status.ABORTED);
        expect(answer.trailers.get('x-trail')).toEqual(['why']);
      });

      test("of an answer cannot be the protocol's own", async () => {
        const answer = await fixture.client.unary(methodPath('AdornBadly'), Buffer.from('x'));
        expect(answer.code).toBe(Status.INTERNAL);
      });

      test('beyond 16 KiB is refused and does not start the handler', async () => {
        const metadata = { 'x-big': 'b'.repeat(17_000) };
        const answer = await fixture.client.unary(methodPath('Inspect'), Buffer.from('big'), { metadata });
        expect(answer.code).toBe(Status.RESOURCE_EXHAUSTED);
        expect(answer.details).toContain('16384 bytes');
        expect(fixture.notebook.started).not.toContain('big');
        const many = Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`x-${index}`, 'v']));
        expect((await fixture.client.unary(methodPath('Echo'), Buffer.from('x'), { metadata: many })).code).toBe(
          Status.RESOURCE_EXHAUSTED,
        );
        expect(await seen('x-large', { 'x-large': 'c'.repeat(15_000) })).toEqual(['c'.repeat(15_000)]);
      });

      test('far beyond what HTTP/2 carries ends that call alone', async () => {
        const metadata = { 'x-huge': 'h'.repeat(300_000) };
        const answer = await fixture.client.unary(methodPath('Echo'), Buffer.from('x'), {
          metadata,
          deadlineMs: 20_000,
        });
        expect(answer.code).not.toBe(Status.OK);
        await expectAlive();
      });
    });
  });
}
