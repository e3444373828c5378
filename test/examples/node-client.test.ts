/**
 * Tests that the client of the Node example rejects requests that @grpc/proto-loader would silently change: strings
 * instead of bytes, unknown fields, and values of the wrong type. Each `@ts-expect-error` also makes `make check`
 * verify that the request does not compile.
 */
import { type Clients, connect } from '../../examples/node/pannier.js';
import { readContract } from '../../src/grpc/descriptors.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';

let sidecar: Sidecar;
let clients: Clients;

beforeAll(async () => {
  sidecar = await startSidecar();
  clients = await connect(sidecar.address);
});

afterAll(async () => {
  await sidecar?.stop();
});

function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    return (error as TypeError).message;
  }
  throw new Error('the client must throw a TypeError, got no error');
}

describe('a string for bytes', () => {
  const mustBe = 'must be a Buffer or Uint8Array, got a string; use Buffer.from(text)';

  test('is rejected in a field before the request is sent', () => {
    const { cache } = clients;
    const key = Buffer.from('product1');
    // @ts-expect-error: a string is not bytes
    expect(refusal(() => cache.CacheGet({ key: 'product1' }))).toBe(`CacheGetRequest: key ${mustBe}`);
    // @ts-expect-error: a string is not bytes
    expect(refusal(() => cache.CacheSet({ key, value: 'hello123' }))).toBe(`CacheSetRequest: value ${mustBe}`);
    // @ts-expect-error: a string is not bytes
    expect(refusal(() => cache.CacheSet({ key, ifVersion: '' }))).toBe(`CacheSetRequest: ifVersion ${mustBe}`);
  });

  test('is rejected in a list and in a map', () => {
    const { cache, sessions } = clients;
    // @ts-expect-error: a string is not bytes
    expect(refusal(() => cache.CacheGetMany({ keys: [Buffer.from('a'), 'product1'] }))).toBe(
      `CacheGetManyRequest: keys[1] ${mustBe}`,
    );
    // @ts-expect-error: a string is not bytes
    expect(refusal(() => sessions.CreateSession({ data: { cart: 'product1' } }))).toBe(
      `CreateSessionRequest: data["cart"] ${mustBe}`,
    );
    // @ts-expect-error: a string is not bytes
    expect(refusal(() => sessions.UpdateSession({ sessionId: 'x', set: { cart: 'product1' } }))).toBe(
      `UpdateSessionRequest: set["cart"] ${mustBe}`,
    );
  });

  test('is not needed: a Buffer or Uint8Array stores the UTF-8 bytes of the text', async () => {
    const key = Buffer.from('product1');
    const value = Uint8Array.from(Buffer.from('hello123'));
    expect(await clients.cache.CacheSet({ namespace: 'b64', key, value, ttlMs: 60_000 })).toMatchObject({
      stored: true,
    });
    const { outcome, value: stored } = await clients.cache.CacheGet({ namespace: 'b64', key });
    expect({ outcome, stored: stored.toString() }).toEqual({ outcome: 'CACHE_OUTCOME_HIT', stored: 'hello123' });
  });
});

describe('an unknown field', () => {
  test('is rejected with the nearest name', () => {
    const { limits, sessions } = clients;
    // @ts-expect-error: the message has no such field
    expect(refusal(() => limits.CheckRateLimit({ policy: 'checkout', key: 'ada', cots: 3 }))).toBe(
      'unknown field "cots" in CheckRateLimitRequest; did you mean "cost"?',
    );
    // @ts-expect-error: the message has no such field
    expect(refusal(() => sessions.CreateSession({ user_id: 'ada' }))).toBe(
      'unknown field "user_id" in CreateSessionRequest; did you mean "userId"?',
    );
  });

  test('is rejected in a list of messages with its path', () => {
    const { limits } = clients;
    // @ts-expect-error: the message has no such field
    expect(refusal(() => limits.CheckRateLimit({ key: 'ada', limits: [{ limit: 5 }, { window_ms: 1_000 }] }))).toBe(
      'unknown field "limits[1].window_ms" in CheckRateLimitRequest; did you mean "windowMs"?',
    );
    // @ts-expect-error: the message has no such field
    expect(refusal(() => limits.CheckRateLimits({ checks: [{ limits: [{ brust: 1 }] }] }))).toBe(
      'unknown field "checks[0].limits[0].brust" in CheckRateLimitsRequest; did you mean "burst"?',
    );
  });

  test('is rejected with all names if no name is near', () => {
    // @ts-expect-error: the message has no such field
    expect(refusal(() => clients.sessions.ListUserSessions({ zzzzzz: 1 }))).toBe(
      'unknown field "zzzzzz" in ListUserSessionsRequest; must be one of userId',
    );
    expect(refusal(() => clients.sessions.ListUserSessions(JSON.parse('{"__proto__": {}}')))).toContain('__proto__');
  });

  test('is rejected in the request of a stream', () => {
    // @ts-expect-error: the message has no such field
    expect(refusal(() => clients.cache.WatchInvalidations({ namspace: 'products' }))).toBe(
      'unknown field "namspace" in WatchInvalidationsRequest; did you mean "namespace"?',
    );
  });
});

describe('a value of another type', () => {
  test('is rejected', () => {
    const { limits, cache, sessions } = clients;
    // @ts-expect-error: a string is not a number
    expect(refusal(() => limits.CheckRateLimit({ cost: '3' }))).toBe(
      'CheckRateLimitRequest: cost must be a whole number, got a string',
    );
    expect(refusal(() => limits.CheckRateLimit({ cost: 1.5 }))).toBe(
      'CheckRateLimitRequest: cost must be a whole number, got 1.5',
    );
    // @ts-expect-error: the enum has no such value
    expect(refusal(() => limits.CheckRateLimit({ onFailure: 'FAILURE_MODE_DENNY' }))).toBe(
      'CheckRateLimitRequest: onFailure must be one of FAILURE_MODE_UNSPECIFIED, FAILURE_MODE_ALLOW, FAILURE_MODE_DENY, ' +
        'FAILURE_MODE_LOCAL, got "FAILURE_MODE_DENNY"; did you mean "FAILURE_MODE_DENY"?',
    );
    // @ts-expect-error: a string is not a boolean
    expect(refusal(() => cache.CacheGet({ fresh: 'false' }))).toBe(
      'CacheGetRequest: fresh must be a boolean, got a string',
    );
    // @ts-expect-error: a number is not a string
    expect(refusal(() => sessions.CreateSession({ labels: { device: 1 } }))).toBe(
      'CreateSessionRequest: labels["device"] must be a string, got a number',
    );
    // @ts-expect-error: a string is not a list
    expect(refusal(() => cache.CacheInvalidate({ tags: 'users' }))).toBe(
      'CacheInvalidateRequest: tags must be an array, got a string',
    );
    // @ts-expect-error: a list is not a message
    expect(refusal(() => cache.CacheGet([]))).toBe('CacheGetRequest must be an object, got an array');
  });
});

test('rejects a wrong type in every field of every method', () => {
  const contract = readContract();
  const services = { RateLimitService: clients.limits, SessionService: clients.sessions, CacheService: clients.cache };
  for (const [service, client] of Object.entries(services)) {
    const calls = new Map<string, (request: object) => unknown>(Object.entries(client));
    const methods = contract.services.get(`pannier.v1.${service}`) ?? [];
    expect([...calls.keys()]).toEqual(methods.map(({ name }) => name));
    for (const { name, requestType } of methods) {
      for (const { jsonName } of contract.messages.get(requestType)?.fields ?? []) {
        // No field accepts a function as its value, in a list or in a map.
        for (const value of [parseInt, [parseInt], { key: parseInt }]) {
          expect(refusal(() => calls.get(name)?.({ [jsonName]: value }))).toContain(jsonName);
        }
      }
    }
  }
});

test('sends requests without fields, with unset fields and with maps', async () => {
  const { session } = await clients.sessions.CreateSession();
  expect(session).toMatchObject({ userId: '', version: 1 });
  const data = { cart: Buffer.from('[1]') };
  const created = await clients.sessions.CreateSession({
    userId: 'ada',
    idleTtlMs: undefined,
    data,
    labels: { a: 'b' },
  });
  expect(created.session?.data.cart?.toString()).toBe('[1]');
});

test('returns a stream for a watch', async () => {
  const watch = clients.cache.WatchInvalidations({ namespace: 'products' });
  const [event] = await watch.take(1).toArray();
  expect(event).toMatchObject({ started: { watchId: expect.any(Number) } });
});
