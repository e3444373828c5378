/**
 * The client of the Node example refuses requests that @grpc/proto-loader would change without a word: strings for bytes,
 * unknown fields, values of another type. Each `@ts-expect-error` also shows that the fault does not compile (`make check`).
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
  throw new Error('cannot test the refusal: the client accepted the request');
}

describe('a string for bytes', () => {
  const mustBe = 'must be a Buffer or Uint8Array, got a string; use Buffer.from(text)';

  test('is refused in a field, before anything is sent', () => {
    const { cache } = clients;
    const key = Buffer.from('product1');
    // @ts-expect-error: a string is not bytes
    expect(refusal(() => cache.CacheGet({ key: 'product1' }))).toBe(`CacheGetRequest: key ${mustBe}`);
    // @ts-expect-error: a string is not bytes
    expect(refusal(() => cache.CacheSet({ key, value: 'hello123' }))).toBe(`CacheSetRequest: value ${mustBe}`);
    // @ts-expect-error: a string is not bytes
    expect(refusal(() => cache.CacheSet({ key, ifVersion: '' }))).toBe(`CacheSetRequest: ifVersion ${mustBe}`);
  });

  test('is refused in a list and in a map', () => {
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

  test('stays away from the cache, which has what the bytes say', async () => {
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
  test('is refused with the nearest name', () => {
    const { limits, sessions } = clients;
    // @ts-expect-error: no such field
    expect(refusal(() => limits.CheckRateLimit({ policy: 'checkout', key: 'ada', cots: 3 }))).toBe(
      'CheckRateLimitRequest: unknown field cots; did you mean "cost"?',
    );
    // @ts-expect-error: no such field
    expect(refusal(() => sessions.CreateSession({ user_id: 'ada' }))).toBe(
      'CreateSessionRequest: unknown field user_id; did you mean "userId"?',
    );
  });

  test('is refused within a list of messages, with its path', () => {
    const { limits } = clients;
    // @ts-expect-error: no such field
    expect(refusal(() => limits.CheckRateLimit({ key: 'ada', limits: [{ limit: 5 }, { window_ms: 1_000 }] }))).toBe(
      'CheckRateLimitRequest: unknown field limits[1].window_ms; did you mean "windowMs"?',
    );
    // @ts-expect-error: no such field
    expect(refusal(() => limits.CheckRateLimits({ checks: [{ limits: [{ brust: 1 }] }] }))).toBe(
      'CheckRateLimitsRequest: unknown field checks[0].limits[0].brust; did you mean "burst"?',
    );
  });

  test('is refused with all names if none is near', () => {
    // @ts-expect-error: no such field
    expect(refusal(() => clients.sessions.ListUserSessions({ zzzzzz: 1 }))).toBe(
      'ListUserSessionsRequest: unknown field zzzzzz; must be one of userId',
    );
    expect(refusal(() => clients.sessions.ListUserSessions(JSON.parse('{"__proto__": {}}')))).toContain('__proto__');
  });

  test('is refused in a stream too', () => {
    // @ts-expect-error: no such field
    expect(refusal(() => clients.cache.WatchInvalidations({ namspace: 'products' }))).toBe(
      'WatchInvalidationsRequest: unknown field namspace; did you mean "namespace"?',
    );
  });
});

describe('a value of another type', () => {
  test('is refused', () => {
    const { limits, cache, sessions } = clients;
    // @ts-expect-error: a string is not a number
    expect(refusal(() => limits.CheckRateLimit({ cost: '3' }))).toBe(
      'CheckRateLimitRequest: cost must be a whole number, got a string',
    );
    expect(refusal(() => limits.CheckRateLimit({ cost: 1.5 }))).toBe(
      'CheckRateLimitRequest: cost must be a whole number, got 1.5',
    );
    // @ts-expect-error: no such value
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

test('every field of every method is checked', () => {
  const contract = readContract();
  const services = { RateLimitService: clients.limits, SessionService: clients.sessions, CacheService: clients.cache };
  for (const [service, client] of Object.entries(services)) {
    const calls = new Map<string, (request: object) => unknown>(Object.entries(client));
    const methods = contract.services.get(`pannier.v1.${service}`) ?? [];
    expect([...calls.keys()]).toEqual(methods.map(({ name }) => name));
    for (const { name, requestType } of methods) {
      for (const { jsonName } of contract.messages.get(requestType)?.fields ?? []) {
        // A function is no value of any type, in a list or in a map either.
        for (const value of [parseInt, [parseInt], { key: parseInt }]) {
          expect(refusal(() => calls.get(name)?.({ [jsonName]: value }))).toContain(jsonName);
        }
      }
    }
  }
});

test('requests without fields, unset fields and maps are sent', async () => {
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

test('a watch returns a stream', async () => {
  const watch = clients.cache.WatchInvalidations({ namespace: 'products' });
  const [event] = await watch.take(1).toArray();
  expect(event).toMatchObject({ started: { watchId: expect.any(Number) } });
});
