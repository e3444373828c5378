/**
 * Tests replies of Redis that no script of Pannier returns. Calls of all three services end with INTERNAL, and the
 * sidecar logs one error line for each call. The sidecar does not apply the failure mode or report a cache miss,
 * because either would hide the error.
 */
import { randomBytes } from 'node:crypto';
import { RedisCacheStore } from '../../src/cache/redis-store.ts';
import { createCacheService } from '../../src/cache/service.ts';
import { DEFAULT_POLICY_FILE } from '../../src/config/policy-file.ts';
import type { ErrorLog } from '../../src/grpc/error-status.ts';
import { startGrpcJsTransport } from '../../src/grpc/grpc-js/grpc-js-transport.ts';
import { startHttp2Transport } from '../../src/grpc/http2/http2-transport.ts';
import { createMethodTable, type Service } from '../../src/grpc/service-table.ts';
import { Status } from '../../src/grpc/status.ts';
import type { Transport } from '../../src/grpc/transport/transport.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { LocalChannels } from '../../src/near/local-channels.ts';
import { RedisRateLimitStore } from '../../src/rate-limit/redis-store.ts';
import { createRateLimitService } from '../../src/rate-limit/service.ts';
import type { RedisCommands, RedisReply } from '../../src/redis/commands.ts';
import { createKeyspace } from '../../src/redis/keyspace.ts';
import { issueSessionId } from '../../src/session/model.ts';
import { RedisSessionStore } from '../../src/session/redis-store.ts';
import { createSessionService } from '../../src/session/service.ts';
import { noCacheMetrics } from '../support/cache/no-metrics.ts';
import { testLimit, testPolicy } from '../support/rate-limit/service.ts';
import { noSessionMetrics } from '../support/session/no-metrics.ts';
import { connectPannier, type Ended, type PannierClient } from '../support/sidecar/pannier-client.ts';

const keyspace = createKeyspace('');
const policies = {
  current: () => ({
    ...DEFAULT_POLICY_FILE,
    policies: new Map([
      testPolicy('open', [testLimit('one')], { onFailure: 'allow' }),
      testPolicy('closed', [testLimit('one')], { onFailure: 'deny' }),
    ]),
  }),
};
const { sessionId } = issueSessionId(randomBytes);
const bytes = Buffer.from('text');

type Call = (client: PannierClient) => Promise<Ended<unknown>>;

const CALLS: readonly [string, Call][] = [
  ['RateLimitService/CheckRateLimit', (client) => client.checkRateLimit({ key: 'x', policy: 'open' })],
  ['RateLimitService/CheckRateLimit', (client) => client.checkRateLimit({ key: 'x', policy: 'closed' })],
  ['RateLimitService/ResetRateLimit', (client) => client.resetRateLimit({ key: 'x', policy: 'open' })],
  ['SessionService/CreateSession', (client) => client.createSession({ userId: 'user' })],
  ['SessionService/GetSession', (client) => client.getSession({ sessionId })],
  ['SessionService/DeleteSession', (client) => client.deleteSession({ sessionId })],
  ['CacheService/CacheGet', (client) => client.cacheGet({ key: bytes })],
  ['CacheService/CacheGetMany', (client) => client.cacheGetMany({ keys: [bytes] })],
  ['CacheService/CacheSet', (client) => client.cacheSet({ key: bytes, value: bytes, ttlMs: 1_000 })],
  ['CacheService/CacheInvalidate', (client) => client.cacheInvalidate({ keys: [bytes], all: true })],
];

const FORMS: readonly [string, RedisReply][] = [
  ['text', bytes],
  ['a list that is too short', [1]],
  ['a list with a number for bytes', [1, 1, 1, 1, 1, 1]],
];

describe.each([
  ['http2', startHttp2Transport],
  ['grpc-js', startGrpcJsTransport],
] as const)('transport %s', (_transport, start) => {
  let reply: RedisReply;
  let errorLines: object[];
  let transport: Transport;
  let client: PannierClient;

  beforeAll(async () => {
    const answer = async (): Promise<RedisReply> => reply;
    const commands: RedisCommands = { run: answer, send: answer };
    const log = { error: (fields: object) => errorLines.push(fields) };
    transport = await start({
      table: createMethodTable(servicesOn(commands, log), []),
      listen: { tcp: { host: '127.0.0.1', port: 0 } },
      defaultDeadlineMs: 10_000,
      clock: systemClock,
      log,
    });
    client = connectPannier(`127.0.0.1:${transport.tcpPort}`);
  });

  afterAll(async () => {
    client?.close();
    await transport?.close();
  });

  describe.each(FORMS)('replies that are %s', (_form, malformed) => {
    test.each(CALLS)('ends %s as INTERNAL with one error line', async (method, call) => {
      reply = malformed;
      errorLines = [];
      expect(await call(client)).toMatchObject({ ok: false, code: Status.INTERNAL });
      expect(errorLines).toEqual([
        {
          method: `/pannier.v1.${method}`,
          error: expect.stringMatching(/^Error: cannot read the reply of Redis: it must be /),
          stack: expect.stringContaining('script-reply'),
        },
      ]);
    });
  });
});

function servicesOn(commands: RedisCommands, log: ErrorLog): readonly Service[] {
  const clock = systemClock;
  return [
    createRateLimitService({
      store: new RedisRateLimitStore({ redis: commands, keyspace }),
      policies,
      scope: 'test',
      clock,
      metrics: {
        decision: () => undefined,
        denial: () => undefined,
        peek: () => undefined,
        unknownPolicy: () => undefined,
      },
      log,
    }),
    createSessionService({
      store: new RedisSessionStore({ commands, keyspace }),
      policies,
      clock,
      metrics: noSessionMetrics,
    }),
    createCacheService({
      maxValueBytes: 1_048_576,
      store: new RedisCacheStore({ commands, keyspace }),
      createSubscriber: (listener) => new LocalChannels().createSubscriber(listener),
      channelNames: keyspace,
      policies,
      clock,
      metrics: noCacheMetrics,
    }),
  ];
}
