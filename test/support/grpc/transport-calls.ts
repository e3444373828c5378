/**
 * Part of the transport contract suite. Tests the responses, status codes, error texts, deadlines and metadata of unary
 * calls.
 */
import { Status } from '../../../src/grpc/status.ts';
import { waitFor } from '../wait.ts';
import { connectHttp2, frame, http2Call } from './raw-client.ts';
import { methodPath, SECRET_TEXT } from './test-methods.ts';
import { DEFAULT_DEADLINE_MS, openFixture, type StartTransport, type TransportFixture } from './transport-contract.ts';

const INTERNAL_TEXT = "cannot answer the call: internal error; see the sidecar's log";
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

    test.each(['Echo', 'EchoLater'])('%s returns the bytes of the handler', async (name) => {
      for (const length of [1, 5, 16_384, 1_000_000]) {
        const bytes = Buffer.alloc(length, 'pannier');
        const answer = await fixture.client.unary(methodPath(name), bytes);
        expect(answer.code).toBe(Status.OK);
        expect(answer.bytes?.equals(bytes)).toBe(true);
      }
    });

    test('accepts an empty message', async () => {
      const answer = await fixture.client.unary(methodPath('Echo'), Buffer.alloc(0));
      expect(answer.code).toBe(Status.OK);
      expect(answer.bytes?.length).toBe(0);
    });

    test.each(['Fail', 'FailLater'])(
      '%s: returns each code with its text, including special characters',
      async (name) => {
        for (const code of ERROR_CODES) {
          const message = `cannot 100 % naïve ${code}: 日本語 🧺\nsecond line\ttab "quoted" %41`;
          const answer = await fixture.client.unary(methodPath(name), Buffer.from(JSON.stringify({ code, message })));
          expect(answer.code).toBe(code);
          expect(answer.details).toBe(message);
          expect(answer.bytes).toBeUndefined();
        }
      },
    );

    test('sends an error text percent-encoded', async () => {
      const session = connectHttp2(fixture.port);
      const body = frame(Buffer.from(JSON.stringify({ code: Status.ABORTED, message: 'é\n%' })));
      const end = await http2Call(session, methodPath('Fail'), { body });
      session.destroy();
      expect(end.headers['grpc-status']).toBe(String(Status.ABORTED));
      expect(end.headers['grpc-message']).toBe('%C3%A9%0A%25');
    });

    test('replaces an unpaired surrogate in an error text', async () => {
      const request = Buffer.from(JSON.stringify({ code: Status.NOT_FOUND, message: 'half \ud83e' }));
      const answer = await fixture.client.unary(methodPath('Fail'), request);
      expect(answer.code).toBe(Status.NOT_FOUND);
      expect(answer.details).toBe('half \ufffd');
    });

    test.each(['Break', 'BreakLater', 'BadAnswer', 'RejectNothing'])(
      '%s: ends with INTERNAL without details after an unexpected error',
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

    test('sends a pushback as grpc-retry-pushback-ms only if the error has one', async () => {
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

      test('applies the default deadline if the caller sets none', async () => {
        const left = await leftMs('Inspect');
        expect(left).toBeGreaterThan(DEFAULT_DEADLINE_MS - 2_000);
        expect(left).toBeLessThanOrEqual(DEFAULT_DEADLINE_MS);
      });

      test('applies the deadline that the caller sets', async () => {
        const left = await leftMs('Inspect', 60_000);
        expect(left).toBeGreaterThan(55_000);
        expect(left).toBeLessThanOrEqual(60_001);
      });

      test('supports deadlines of a month and of 99999999 hours', async () => {
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

      test('ends a call at its deadline with DEADLINE_EXCEEDED, and notifies its handler', async () => {
        const answer = await fixture.client.unary(methodPath('Hold'), Buffer.from('late'), { deadlineMs: 200 });
        expect(answer.code).toBe(Status.DEADLINE_EXCEEDED);
        const held = fixture.notebook.held.get('late');
        await waitFor('the handler to be notified', () => held?.context.isOver() === true && held.overCount === 1);
        held?.release(Buffer.from('too late'));
        await expectAlive();
      });

      test('ends a call at its deadline even if the caller keeps waiting', async () => {
        const session = connectHttp2(fixture.port);
        const headers = { 'grpc-timeout': '100m' };
        const end = await http2Call(session, methodPath('Hold'), { headers, body: frame(Buffer.from('patient')) });
        session.destroy();
        expect(end.headers['grpc-status']).toBe(String(Status.DEADLINE_EXCEEDED));
      });

      test('passes no remaining time to the handler of a call whose deadline has passed', async () => {
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

      test('starts no handler after the deadline with the interceptor', async () => {
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

      test('ends a call before the timer of the caller expires with the interceptor', async () => {
        const request = Buffer.from('ended in time');
        // Both timers run in this process. If the process blocks for 20 ms, the caller's timer may fire first, so the
        // test tries again.
        await waitFor('the server to be first', async () => {
          const answer = await fixture.client.unary(methodPath('HoldInTime'), request, { deadlineMs: 300 });
          expect(answer.code).toBe(Status.DEADLINE_EXCEEDED);
          return (
            answer.details ===
            'cannot answer in time: the handler did not finish before the deadline; the call may have been executed'
          );
        });
      });

      test('ends a malformed grpc-timeout with INVALID_ARGUMENT and starts no handler', async () => {
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

      test('of the request is available by key, and undefined for an unknown key', async () => {
        expect(await seen('x-caller,x-other', { 'x-caller': 'checkout' })).toEqual(['checkout', null]);
      });

      test('of a binary key is not returned as text', async () => {
        const metadata = { 'trace-bin': Buffer.from([0, 1, 2, 0xff]), 'x-caller': 'checkout' };
        expect(await seen('trace-bin,x-caller', metadata)).toEqual([null, 'checkout']);
      });

      test('of a binary key may be invalid base64', async () => {
        const session = connectHttp2(fixture.port);
        const headers = { 'trace-bin': '*** no base64 ***', 'other-bin': '' };
        const end = await http2Call(session, methodPath('Inspect'), { headers, body: frame(Buffer.from('trace-bin')) });
        session.destroy();
        expect(end.headers['grpc-status']).toBe('0');
      });

      test.each(['Adorn', 'AdornStream'])('%s: of a response arrives in its headers and trailers', async (name) => {
        const session = connectHttp2(fixture.port);
        const bytes = Buffer.from([0, 1, 0xfe, 0xff, 0]);
        const headers = { 'x-echo': 'some text', 'x-echo-bin': bytes.toString('base64') };
        const end = await http2Call(session, methodPath(name), { headers, body: frame(Buffer.from('adorned')) });
        session.destroy();
        expect(end.body.subarray(5).toString()).toBe('adorned');
        expect(end.headers).toMatchObject({ 'x-head': 'some text', 'x-trail': 'some text', 'grpc-status': '0' });
        expect(Buffer.from(String(end.headers['x-trail-bin']), 'base64')).toEqual(bytes);
      });

      test('of a response is sent with an error too', async () => {
        const metadata = { 'x-echo': 'why' };
        const answer = await fixture.client.unary(methodPath('Adorn'), Buffer.from('fail'), { metadata });
        expect(answer.code).toBe(Status.ABORTED);
        expect(answer.trailers.get('x-trail')).toEqual(['why']);
      });

      test('of a response must not use reserved keys', async () => {
        const answer = await fixture.client.unary(methodPath('AdornBadly'), Buffer.from('x'));
        expect(answer.code).toBe(Status.INTERNAL);
      });

      test('of more than 16 KiB ends the call with RESOURCE_EXHAUSTED and does not start the handler', async () => {
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

      test('of 300 kB ends only its own call', async () => {
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
