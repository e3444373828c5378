/**
 * Tests that both transports reject a request of millions of empty messages while they decode it. Such a request is
 * small on the wire but huge in memory.
 */
import { connectRaw } from '../../../test/support/grpc/raw-client.ts';
import { systemClock } from '../../lib/clock.ts';
import { METHOD_CODECS } from '../generated/codec/methods.ts';
import { startGrpcJsTransport } from '../grpc-js/grpc-js-transport.ts';
import { startHttp2Transport } from '../http2/http2-transport.ts';
import { createMethodTable } from '../service-table.ts';
import { Status } from '../status.ts';
import { MAX_FIELDS_PER_MESSAGE } from '../wire/reader.ts';

const SERVICE = 'pannier.v1.RateLimitService';
const METHODS = [...METHOD_CODECS.keys()].filter((path) => path.startsWith(`/${SERVICE}/`));
/** Field `checks` with an empty message. */
const EMPTY_CHECK = Buffer.from([0x0a, 0]);

test.each([
  { name: 'http2', start: startHttp2Transport },
  { name: 'grpc-js', start: startGrpcJsTransport },
])('$name rejects a request with too many fields and calls no handler', async ({ start }) => {
  const counts: number[] = [];
  const handler = (request: { checks?: unknown[] }): object => {
    counts.push(request.checks?.length ?? 0);
    return {};
  };
  const handlers = Object.fromEntries(METHODS.map((path) => [path.split('/').at(-1) ?? '', handler]));
  const logged: unknown[] = [];
  const transport = await start({
    table: createMethodTable([{ name: SERVICE, handlers }], []),
    listen: { tcp: { host: '127.0.0.1', port: 0 } },
    defaultDeadlineMs: 10_000,
    clock: systemClock,
    log: { error: (fields) => logged.push(fields) },
  });
  const client = connectRaw(`127.0.0.1:${transport.tcpPort}`);
  const send = (checks: number) =>
    client.unary(`/${SERVICE}/CheckRateLimits`, Buffer.alloc(checks * EMPTY_CHECK.length, EMPTY_CHECK));
  try {
    expect(await send(2_000_000)).toMatchObject({
      code: Status.RESOURCE_EXHAUSTED,
      details: `cannot read the request: it has more than ${MAX_FIELDS_PER_MESSAGE} fields; send fewer fields`,
    });
    expect(await send(MAX_FIELDS_PER_MESSAGE)).toMatchObject({ code: Status.OK });
    expect({ counts, logged }).toEqual({ counts: [MAX_FIELDS_PER_MESSAGE], logged: [] });
  } finally {
    client.close();
    await transport.close();
  }
});
