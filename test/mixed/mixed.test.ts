/**
 * Tests two releases on one Redis, as during a rolling update: each release reads the data of the other, and both
 * releases share counts and invalidations.
 */

import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitUntilReady, writePolicyFile } from '../support/sidecar/fleet.ts';
import { buildOtherRelease, type OtherRelease } from '../support/sidecar/other-release.ts';
import { connectPannier, type Ended, type PannierClient } from '../support/sidecar/pannier-client.ts';
import { type Sidecar, serveCommand, startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

const NOT_FOUND = 5;
const HIT = 1;
const MISS = 2;
const POLICIES = `
policies:
  login:
    limits:
      - { name: burst, algorithm: token_bucket, limit: 10, per: 1h }
      - { name: hour, algorithm: sliding_window_counter, limit: 40, per: 1h }
cache:
  near: { ttl: 10m, near: true }
`;
const ALGORITHMS = [
  'ALGORITHM_FIXED_WINDOW',
  'ALGORITHM_SLIDING_WINDOW_LOG',
  'ALGORITHM_SLIDING_WINDOW_COUNTER',
  'ALGORITHM_TOKEN_BUCKET',
  'ALGORITHM_LEAKY_BUCKET',
] as const;

let other: OtherRelease;
let redis: RedisNode;
let sidecars: Sidecar[] = [];
let ours: PannierClient;
let theirs: PannierClient;

beforeAll(async () => {
  other = buildOtherRelease();
  redis = await startRedis();
  const settings = { PANNIER_REDIS_URL: redis.url, PANNIER_POLICY_FILE: writePolicyFile(POLICIES) };
  sidecars = [await startSidecar(settings), await startSidecar(settings, serveCommand(other.mainFile))];
  const [ourClient, theirClient] = sidecars.map((sidecar) => connectPannier(sidecar.address));
  ours = ourClient as PannierClient;
  theirs = theirClient as PannierClient;
  for (const sidecar of sidecars) {
    await waitUntilReady(sidecar);
  }
}, 600_000);

afterAll(async () => {
  ours?.close();
  theirs?.close();
  await Promise.all(sidecars.map((sidecar) => sidecar.stop()));
  await redis?.stop();
  other?.remove();
});

function answerOf<Response>(ended: Ended<Response>): Response {
  if (!ended.ok) {
    throw new Error(`a call ended with code ${ended.code}: ${ended.details}`);
  }
  return ended.response;
}

/** In each test, `writer` executes the first step, and `reader` executes the next step. */
describe.each(['ours, then theirs', 'theirs, then ours'])('%s', (order) => {
  let writer: PannierClient;
  let reader: PannierClient;

  beforeAll(() => {
    [writer, reader] = order.startsWith('ours') ? [ours, theirs] : [theirs, ours];
  });

  test.each(ALGORITHMS)('%s: both share the count of a limit', async (algorithm) => {
    const limits = [{ name: 'a', algorithm, limit: 10, windowMs: 3_600_000 }];
    const key = `${order} ${algorithm}`;
    let allowed = 0;
    for (let index = 0; index < 14; index += 1) {
      const client = index % 2 === 0 ? writer : reader;
      allowed += answerOf(await client.checkRateLimit({ key, limits })).allowed ? 1 : 0;
    }
    expect(allowed).toBe(10);
    answerOf(await reader.resetRateLimit({ key, limits }));
    expect(answerOf(await writer.checkRateLimit({ key, limits })).allowed).toBe(true);
  });

  test('both share the counts of a policy with several limits', async () => {
    let allowed = 0;
    for (let index = 0; index < 14; index += 1) {
      const client = index % 2 === 0 ? writer : reader;
      allowed += answerOf(await client.checkRateLimit({ key: `user of ${order}`, policy: 'login' })).allowed ? 1 : 0;
    }
    expect(allowed).toBe(10);
  });

  test('both can read, update, rotate, list and end a session', async () => {
    const userId = `ann of ${order}`;
    const created = answerOf(
      await writer.createSession({ userId, data: { cart: Buffer.from('apples') }, labels: { device: 'phone' } }),
    );
    const first = created.session?.sessionId ?? '';
    expect(answerOf(await reader.getSession({ sessionId: first })).session).toMatchObject({ userId, version: 1 });
    const set = { cart: Buffer.from('pears') };
    expect(answerOf(await reader.updateSession({ sessionId: first, set, ifVersion: 1 })).version).toBe(2);
    const seen = answerOf(await writer.getSession({ sessionId: first })).session;
    expect(seen?.data.cart?.toString()).toBe('pears');
    const rotated = answerOf(await writer.rotateSession({ sessionId: first, graceMs: 30_000 }));
    const second = rotated.session?.sessionId ?? '';
    expect(answerOf(await reader.getSession({ sessionId: first })).session).toMatchObject({ userId, version: 2 });
    const listed = answerOf(await reader.listUserSessions({ userId })).sessions;
    expect(listed).toMatchObject([{ labels: { device: 'phone' } }]);
    const third = answerOf(await reader.rotateSession({ sessionId: second })).session?.sessionId ?? '';
    expect(answerOf(await writer.getSession({ sessionId: third })).session).toMatchObject({ userId });
    expect(answerOf(await writer.deleteSession({ sessionId: third })).existed).toBe(true);
    expect(await reader.getSession({ sessionId: third })).toMatchObject({ ok: false, code: NOT_FOUND });
  });

  test('a login and a logout everywhere take effect on both', async () => {
    const userId = `bob of ${order}`;
    const guest = answerOf(await writer.createSession({})).session?.sessionId ?? '';
    const login = answerOf(await reader.rotateSession({ sessionId: guest, userId })).session?.sessionId ?? '';
    const kept = answerOf(await writer.createSession({ userId })).session?.sessionId ?? '';
    expect(await writer.getSession({ sessionId: guest })).toMatchObject({ code: NOT_FOUND });
    expect(answerOf(await writer.deleteUserSessions({ userId, exceptSessionId: kept })).deleted).toBe(1);
    expect(await reader.getSession({ sessionId: login })).toMatchObject({ code: NOT_FOUND });
    expect(answerOf(await reader.getSession({ sessionId: kept })).session).toMatchObject({ userId });
    expect(answerOf(await reader.deleteUserSessions({ userId })).deleted).toBe(1);
    expect(await writer.getSession({ sessionId: kept })).toMatchObject({ code: NOT_FOUND });
  });

  test('both can read a value, replace it by its version, and invalidate it by key, tag and namespace', async () => {
    const namespace = `values-${order.slice(0, 4)}`;
    const [key, value] = [Buffer.from('key'), Buffer.from('one')];
    const stored = answerOf(await writer.cacheSet({ namespace, key, value, tags: ['t'] }));
    const read = answerOf(await reader.cacheGet({ namespace, key }));
    expect(read).toMatchObject({ outcome: HIT, value, tags: ['t'], version: stored.version });
    const replaced = { namespace, key, value: Buffer.from('two'), tags: ['t'], ifVersion: read.version };
    expect(answerOf(await reader.cacheSet(replaced)).stored).toBe(true);
    expect(answerOf(await writer.cacheSet(replaced)).stored).toBe(false);
    expect(answerOf(await writer.cacheGet({ namespace, key })).value.toString()).toBe('two');
    const outcome = async (client: PannierClient) => answerOf(await client.cacheGet({ namespace, key })).outcome;
    const put = async (client: PannierClient) =>
      answerOf(await client.cacheSet({ namespace, key, value, tags: ['t'] }));
    answerOf(await reader.cacheInvalidate({ namespace, tags: ['t'] }));
    expect([await outcome(writer), await outcome(reader)]).toEqual([MISS, MISS]);
    await put(writer);
    expect(answerOf(await reader.cacheInvalidate({ namespace, keys: [key] })).removed).toBe(1);
    expect([await outcome(writer), await outcome(reader)]).toEqual([MISS, MISS]);
    await put(writer);
    answerOf(await reader.cacheInvalidate({ namespace, all: true }));
    expect([await outcome(writer), await outcome(reader)]).toEqual([MISS, MISS]);
    await put(reader);
    expect(await outcome(writer)).toBe(HIT);
  });

  test('a watch on one reports writes and invalidations of the other', async () => {
    const namespace = `watched-${order.slice(0, 4)}`;
    const watch = reader.watchInvalidations({ namespace });
    try {
      await waitFor('the watch', () => watch.events.some(({ started }) => started));
      const [key, tag] = [Buffer.from('watched key'), 'watched tag'];
      answerOf(await writer.cacheSet({ namespace, key, value: key, tags: [tag] }));
      await waitFor('the key', () => watch.events.some((event) => event.key?.equals(key)));
      const flushesBefore = watch.events.filter(({ flush }) => flush).length;
      answerOf(await writer.cacheInvalidate({ namespace, tags: [tag] }));
      await waitFor('the tag', () => watch.events.some((event) => event.tag === tag));
      answerOf(await writer.cacheInvalidate({ namespace, all: true }));
      await waitFor('the flush', () => watch.events.filter(({ flush }) => flush).length > flushesBefore);
    } finally {
      watch.cancel();
    }
  });

  test('a write on one drops the near-cache entry of the other', async () => {
    const key = Buffer.from(`near ${order}`);
    const read = async () => answerOf(await reader.cacheGet({ namespace: 'near', key })).value?.toString();
    for (let round = 0; round < 5; round += 1) {
      const value = `value ${round}`;
      answerOf(await writer.cacheSet({ namespace: 'near', key, value: Buffer.from(value) }));
      await waitFor('the new value', async () => (await read()) === value);
    }
    answerOf(await writer.cacheInvalidate({ namespace: 'near', keys: [key] }));
    await waitFor('the miss', async () => answerOf(await reader.cacheGet({ namespace: 'near', key })).outcome === MISS);
  });
});

test('neither sidecar logs an error', () => {
  const lines = sidecars.flatMap((sidecar) => sidecar.logLines());
  expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
});
