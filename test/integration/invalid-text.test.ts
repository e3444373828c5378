/**
 * Tests keys and user ids that are not valid UTF-8. The tests send these strings as raw bytes, on both transports and
 * with both stores. The sidecar rejects these strings. If the sidecar replaced the invalid bytes, different strings
 * could become equal, and their callers would share a counter or a list of sessions.
 */
import { Status } from '../../src/grpc/status.ts';
import { connectRaw, type RawClient } from '../support/grpc/raw-client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitUntilReady } from '../support/sidecar/fleet.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';

const CHECK = '/pannier.v1.RateLimitService/CheckRateLimit';
const SESSIONS = '/pannier.v1.SessionService';
/** `limits: [{ name: "x", algorithm: FIXED_WINDOW, limit: 1, window_ms: 2^28 - 1 }]`. */
const ONE_PER_WINDOW = Buffer.from([0x42, 12, 0x0a, 1, 0x78, 0x10, 1, 0x18, 1, 0x20, 0xff, 0xff, 0xff, 0x7f]);

let server: RedisNode;

beforeAll(async () => {
  server = await startRedis();
}, 60_000);

afterAll(async () => {
  await server?.stop();
});

function field(number: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([number * 8 + 2, content.length]), content]);
}

function check(key: Buffer): Buffer {
  return Buffer.concat([field(2, key), ONE_PER_WINDOW]);
}

describe.each([
  { transport: 'http2', store: 'memory' },
  { transport: 'http2', store: 'redis' },
  { transport: 'grpc-js', store: 'memory' },
  { transport: 'grpc-js', store: 'redis' },
])('on $transport with the store $store', ({ transport, store }) => {
  let sidecar: Sidecar;
  let client: RawClient;

  beforeAll(async () => {
    const redis = {
      PANNIER_REDIS_URL: server.url,
      PANNIER_KEY_PREFIX: `${transport}:`,
      PANNIER_REDIS_COMMAND_TIMEOUT_MS: '5000',
    };
    sidecar = await startSidecar({ PANNIER_GRPC_TRANSPORT: transport, ...(store === 'redis' ? redis : {}) });
    await waitUntilReady(sidecar);
    client = connectRaw(sidecar.address);
  }, 60_000);

  afterAll(async () => {
    client?.close();
    await sidecar?.stop();
  });

  test('rejects keys that are not UTF-8 with INVALID_ARGUMENT, without counting them', async () => {
    for (const key of [Buffer.from([0xff]), Buffer.from('müller', 'latin1'), Buffer.from('möller', 'latin1')]) {
      const answer = await client.unary(CHECK, check(key), { deadlineMs: 30_000 });
      expect(answer).toMatchObject({ code: Status.INVALID_ARGUMENT });
      expect(answer.details).toContain('key must be valid UTF-8');
    }
    // Field 1 of the response is `allowed`, which the encoder omits if the value is false.
    for (const key of ['müller', 'möller', '\u{FFFD}', '日本語', '\u{1F600}']) {
      const [first, second] = [
        await client.unary(CHECK, check(Buffer.from(key)), { deadlineMs: 30_000 }),
        await client.unary(CHECK, check(Buffer.from(key)), { deadlineMs: 30_000 }),
      ];
      expect([first.bytes?.[0], second.bytes?.[0] === 0x08]).toEqual([0x08, false]);
    }
  });

  test('every method rejects user ids that are not UTF-8 with INVALID_ARGUMENT', async () => {
    const user = Buffer.from([0x61, 0xff]);
    for (const method of ['CreateSession', 'ListUserSessions', 'DeleteUserSessions']) {
      const answer = await client.unary(`${SESSIONS}/${method}`, field(1, user), { deadlineMs: 30_000 });
      expect(answer).toMatchObject({ code: Status.INVALID_ARGUMENT });
      expect(answer.details).toContain('user_id must be valid UTF-8');
    }
  });
});
