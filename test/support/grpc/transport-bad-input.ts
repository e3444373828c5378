/**
 * Part of the transport contract suite. Tests that each invalid request ends only its own call with an error.
 */
import { deflateSync, gzipSync } from 'node:zlib';
import { Status } from '../../../src/grpc/status.ts';
import { connectHttp2, frame, type Http2End, http2Call } from './raw-client.ts';
import { GARBAGE_BYTE, methodPath, SECRET_TEXT } from './test-methods.ts';
import { openFixture, type StartTransport, type TransportFixture } from './transport-contract.ts';

const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const COMPRESSORS = { gzip: gzipSync, deflate: deflateSync } as const;
const GARBAGE = Buffer.from([GARBAGE_BYTE, 1, 2, 3]);

export function describeTransportBadInput(startTransport: StartTransport): void {
  describe('bad input', () => {
    let fixture: TransportFixture;

    beforeAll(async () => {
      fixture = await openFixture(startTransport);
    });

    afterAll(async () => {
      await fixture.close();
    });

    afterEach(async () => {
      const answer = await fixture.client.unary(methodPath('Echo'), Buffer.from('still here'));
      expect(answer.bytes?.toString()).toBe('still here');
    });

    async function send(options: {
      path?: string;
      headers?: Record<string, string>;
      body?: Buffer;
    }): Promise<Http2End> {
      const session = connectHttp2(fixture.port);
      try {
        return await http2Call(session, options.path ?? methodPath('Echo'), options);
      } finally {
        session.destroy();
      }
    }

    test('accepts a message of 4 MiB, and ends a longer one with RESOURCE_EXHAUSTED', async () => {
      const largest = await fixture.client.unary(methodPath('Echo'), Buffer.alloc(MAX_MESSAGE_BYTES));
      expect(largest.bytes?.length).toBe(MAX_MESSAGE_BYTES);
      const larger = await fixture.client.unary(methodPath('Echo'), Buffer.alloc(MAX_MESSAGE_BYTES + 1));
      expect(larger.code).toBe(Status.RESOURCE_EXHAUSTED);
    });

    test('rejects a message that announces too many bytes before they arrive', async () => {
      const prefix = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
      expect((await send({ body: prefix })).headers['grpc-status']).toBe(String(Status.RESOURCE_EXHAUSTED));
    });

    test.each(Object.entries(COMPRESSORS))('%s: serves compressed messages', async (encoding, compress) => {
      for (const message of [Buffer.from('p'), Buffer.alloc(500, 'p'), Buffer.alloc(MAX_MESSAGE_BYTES, 'p')]) {
        const end = await send({ headers: { 'grpc-encoding': encoding }, body: frame(compress(message), 1) });
        expect([end.headers['grpc-status'], end.body.subarray(5).equals(message)]).toEqual(['0', true]);
        expect(end.headers['grpc-accept-encoding']).toBe('identity,deflate,gzip');
      }
    });

    test.each(Object.entries(COMPRESSORS))(
      '%s: ends only the call of a message above 4 MiB',
      async (encoding, compress) => {
        const session = connectHttp2(fixture.port);
        for (const bytes of [MAX_MESSAGE_BYTES + 1, MAX_MESSAGE_BYTES * 8]) {
          const options = { headers: { 'grpc-encoding': encoding }, body: frame(compress(Buffer.alloc(bytes)), 1) };
          const end = await http2Call(session, methodPath('Echo'), options);
          expect(end.headers['grpc-status']).toBe(String(Status.RESOURCE_EXHAUSTED));
        }
        expect((await http2Call(session, methodPath('Echo'))).headers['grpc-status']).toBe('0');
        session.destroy();
      },
    );

    test('keeps the order of compressed and plain messages in a stream', async () => {
      // The long message is decompressed in another thread.
      const [long, short, plain] = [Buffer.alloc(1024 * 1024, 'l'), Buffer.from('short'), Buffer.from('plain')];
      const body = [frame(gzipSync(long), 1), frame(plain), frame(gzipSync(short), 1), frame(plain)];
      const headers = { 'grpc-encoding': 'gzip' };
      const end = await send({ path: methodPath('Converse'), headers, body: Buffer.concat(body) });
      const answers = Buffer.concat([long, plain, short, plain].map((message) => frame(message)));
      expect([end.headers['grpc-status'], end.body.equals(answers)]).toEqual(['0', true]);
    });

    test.each([
      { encoding: 'gzip', code: Status.INTERNAL },
      { encoding: 'deflate', code: Status.INTERNAL },
      { encoding: 'identity', code: Status.INTERNAL },
      { encoding: 'zstd', code: Status.UNIMPLEMENTED },
    ])('ends the call of a message that does not match grpc-encoding $encoding', async ({ encoding, code }) => {
      const end = await send({ headers: { 'grpc-encoding': encoding }, body: frame(Buffer.from('no archive'), 1) });
      expect(end.headers['grpc-status']).toBe(String(code));
      expect(end.headers['grpc-accept-encoding']).toBe('identity,deflate,gzip');
    });

    test.each(['Echo', 'EchoLater', 'Flood'])(
      '%s: ends a malformed message with INTERNAL without quoting it',
      async (name) => {
        const answer =
          name === 'Flood'
            ? await fixture.client.serverStream(methodPath(name), GARBAGE).ended
            : await fixture.client.unary(methodPath(name), GARBAGE);
        expect(answer.code).toBe(Status.INTERNAL);
        expect(answer.details).toBe(
          `cannot read the request of ${methodPath(name)}: it is not a valid protobuf message of the request type`,
        );
        expect(JSON.stringify(answer.trailers.toJSON())).not.toContain(SECRET_TEXT);
      },
    );

    test('ends a bidi stream with a malformed message with INTERNAL', async () => {
      const stream = fixture.client.bidi(methodPath('Converse'));
      stream.call.write(Buffer.from('good'));
      stream.call.write(GARBAGE);
      const end = await stream.ended;
      expect(end.code).toBe(Status.INTERNAL);
      expect(end.details).toContain('it is not a valid protobuf message of the request type');
    });

    test('ends an unknown method, service or path with UNIMPLEMENTED and names it', async () => {
      const paths = [
        methodPath('Nothing'),
        '/pannier.test.v1.UnknownService/Echo',
        '/x',
        '/',
        '/pannier.test.v1.TestService/echo',
      ];
      for (const path of paths) {
        const answer = await fixture.client.unary(path, Buffer.from('x'));
        expect(answer.code).toBe(Status.UNIMPLEMENTED);
        expect(answer.details).toBe(
          `cannot call ${path}: the server has no such method; use one that reflection lists`,
        );
      }
    });

    test('truncates and encodes an unusual path in the error text', async () => {
      const answer = await send({ path: `/${'x'.repeat(3_000)}` });
      expect(answer.headers['grpc-status']).toBe(String(Status.UNIMPLEMENTED));
      expect(String(answer.headers['grpc-message']).length).toBeLessThan(400);
      const odd = await send({ path: '/a%0a/"b"' });
      expect(odd.headers['grpc-status']).toBe(String(Status.UNIMPLEMENTED));
      expect(odd.headers['grpc-message']).toContain('/a%250a/%22b%22');
    });

    test.each([
      { headers: { ':method': 'GET' }, status: 405 },
      { headers: { ':method': 'PUT' }, status: 405 },
      { headers: { ':method': 'HEAD' }, status: 405 },
      { headers: { 'content-type': 'text/plain' }, status: 415 },
      { headers: { 'content-type': 'application/grpc-web' }, status: 415 },
      { headers: { 'content-type': 'application/grpcx' }, status: 415 },
    ])(
      'rejects a request that is not gRPC with an HTTP status and calls no handler: $headers',
      async ({ headers, status }) => {
        const before = fixture.notebook.started.length;
        const end = await send({ path: methodPath('Inspect'), headers });
        expect([end.headers[':status'], fixture.notebook.started.length - before]).toEqual([status, 0]);
      },
    );

    test('rejects a unary call without a message, with half a message or with two messages', async () => {
      const bodies = [Buffer.alloc(0), Buffer.from([0, 0, 0]), frame(Buffer.from('whole')).subarray(0, 7)];
      for (const body of [...bodies, Buffer.concat([frame(Buffer.from('a')), frame(Buffer.from('b'))])]) {
        const end = await send({ body });
        expect(['12', '13']).toContain(end.headers['grpc-status']);
      }
    });

    test.each([2, 0xfe])('ends a message with the unknown flag %i with INTERNAL', async (flag) => {
      const end = await send({ body: frame(Buffer.from('x'), flag) });
      expect(end.headers['grpc-status']).toBe(String(Status.INTERNAL));
    });
  });
}
