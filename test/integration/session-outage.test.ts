/**
 * Tests the Redis store of sessions while Redis is frozen, is stopped, or does not have the scripts. The kind of each
 * error must state correctly whether the call may have changed anything.
 */
import { randomBytes } from 'node:crypto';
import { StoreError } from '../../src/lib/store-error.ts';
import { createKeyspace } from '../../src/redis/keyspace.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { issueSessionId } from '../../src/session/model.ts';
import { RedisSessionStore } from '../../src/session/redis-store.ts';
import { openRedis } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { NO_CHANGE, UPDATE } from '../support/session/steps.ts';
import { waitFor } from '../support/wait.ts';

let server: RedisNode;
let redis: Redis;
let store: RedisSessionStore;

beforeAll(async () => {
  server = await startRedis();
  redis = await openRedis(server.url);
  store = new RedisSessionStore({ commands: redis, keyspace: createKeyspace('') });
}, 60_000);

afterAll(async () => {
  redis?.close();
  await server?.stop();
});

function deadline(): number {
  return performance.now() + 10_000;
}

async function create(userId: string) {
  const { credential, selector } = issueSessionId(randomBytes);
  const timeouts = { idleTtlMs: 60_000, absoluteTtlMs: 60_000 };
  await store.create({ credential, userId, data: new Map(), labels: new Map(), ...timeouts }, deadline());
  return { credential, selector };
}

async function kindOf(step: Promise<unknown>): Promise<string> {
  try {
    await step;
    return 'answered';
  } catch (error) {
    expect(error).toBeInstanceOf(StoreError);
    return (error as StoreError).kind;
  }
}

test('a flushed script cache is not a failure', async () => {
  const { credential } = await create('flush');
  await server.command('SCRIPT', 'FLUSH');
  expect(await store.read(credential, { touch: true }, deadline())).toMatchObject({ userId: 'flush' });
  await server.command('SCRIPT', 'FLUSH');
  expect(await store.endUserSessions('flush', credential, deadline())).toEqual({ outcome: 'ended', deleted: 0 });
});

test('on a frozen Redis reads are unavailable, sent writes are unknown, and the session still exists afterwards', async () => {
  const { credential, selector } = await create('frozen');
  const { verifier } = issueSessionId(randomBytes, selector).credential;
  await server.freeze();
  try {
    const kinds = await Promise.all([
      kindOf(store.read(credential, { touch: true }, deadline())),
      kindOf(store.list('frozen', deadline())),
      kindOf(store.rotate(credential, { verifier, userId: 'other', change: NO_CHANGE, graceMs: 0 }, deadline())),
      kindOf(create('frozen')),
      kindOf(store.update(credential, UPDATE, deadline())),
      kindOf(store.delete({ handle: 'none', verifier: undefined }, deadline())),
      kindOf(store.endUserSessions('unknown', undefined, deadline())),
    ]);
    expect(kinds).toEqual([
      ...['unavailable', 'unavailable', 'unavailable', 'unavailable'],
      ...['unknown', 'unknown', 'unknown'],
    ]);
  } finally {
    await server.thaw();
  }
  const found = await waitFor('the session', () => store.read(credential, { touch: false }, deadline()));
  expect(found).toMatchObject({ userId: 'frozen' });
});

test('an update whose user cannot be read afterwards does not report that nothing was done', async () => {
  const { credential } = await create('half');
  const half = new RedisSessionStore({
    keyspace: createKeyspace(''),
    commands: {
      run: (script, keys, args, deadlineAtMs) => redis.run(script, keys, args, deadlineAtMs),
      send: async () => {
        throw new StoreError('unavailable', 'the master of the user is unreachable');
      },
    },
  });
  const change = { set: new Map([['a', Buffer.from('1')]]), remove: new Set<string>() };
  expect(await kindOf(half.update(credential, { ...UPDATE, change }, deadline()))).toBe('unknown');
  expect(await kindOf(half.read(credential, { touch: true }, deadline()))).toBe('unavailable');
  // A rejected update changes nothing, so the kind `unavailable` is correct even though the user is unreachable.
  expect(await kindOf(half.update(credential, { ...UPDATE, change, ifVersion: 9 }, deadline()))).toBe('unavailable');
  const large = { set: new Map([['large', Buffer.alloc(262_144)]]), remove: new Set<string>() };
  expect(await kindOf(half.update(credential, { ...UPDATE, change: large }, deadline()))).toBe('unavailable');
  expect(await store.read(credential, { touch: false }, deadline())).toMatchObject({ version: 2 });
});

test('a full Redis rejects new sessions, but existing ones are read, renewed and ended', async () => {
  const made = [await create('full'), await create('full')];
  const [kept, other] = made as [(typeof made)[0], (typeof made)[0]];
  const before = await store.read(kept.credential, { touch: false }, deadline());
  await server.command('CONFIG', 'SET', 'maxmemory', '1');
  try {
    expect(await kindOf(create('full'))).toBe('unavailable');
    const change = { set: new Map([['a', Buffer.from('1')]]), remove: new Set<string>() };
    expect(await kindOf(store.update(kept.credential, { ...UPDATE, change }, deadline()))).toBe('unavailable');
    await waitFor('a later use', async () => {
      const found = await store.read(kept.credential, { touch: true }, deadline());
      return (found?.lastSeenAtMs ?? 0) > (before?.lastSeenAtMs ?? 0);
    });
    expect(await store.delete({ ...other.credential }, deadline())).toBe(true);
    // The first logout finds another session in the list, and the second logout finds none.
    for (let round = 0; round < 2; round += 1) {
      const ended = await store.endUserSessions('full', kept.credential, deadline());
      expect(ended).toEqual({ outcome: 'ended', deleted: 0 });
    }
    await store.endUserSessions('full', undefined, deadline());
    expect(await store.read(kept.credential, { touch: true }, deadline())).toBeUndefined();
  } finally {
    await server.command('CONFIG', 'SET', 'maxmemory', '0');
  }
});

test('a lost user key invalidates the sessions of the user', async () => {
  const { credential } = await create('lost');
  await server.command('DEL', createKeyspace('').user('lost'));
  expect(await store.read(credential, { touch: true }, deadline())).toBeUndefined();
  const again = await create('lost');
  expect(await store.read(again.credential, { touch: true }, deadline())).toMatchObject({ userId: 'lost' });
  expect(await store.read(credential, { touch: true }, deadline())).toBeUndefined();
});

test('a session created after a logout everywhere that a failover lost does not become valid by the next one', async () => {
  const user = createKeyspace('').user('forgotten');
  await create('forgotten');
  const replica = await redis.send(user, ['DUMP', user], deadline());
  await store.endUserSessions('forgotten', undefined, deadline());
  const later = await create('forgotten');
  expect(Buffer.isBuffer(replica)).toBe(true);
  await redis.send(user, ['RESTORE', user, '60000', replica as Buffer, 'REPLACE'], deadline());
  await store.endUserSessions('forgotten', undefined, deadline());
  expect(await store.read(later.credential, { touch: true }, deadline())).toBeUndefined();
});

test('on a stopped Redis every call is unavailable', async () => {
  const { credential } = await create('gone');
  await server.kill();
  await waitFor('the loss being seen', () => !redis.isReady());
  expect(await kindOf(store.read(credential, { touch: true }, deadline()))).toBe('unavailable');
  expect(await kindOf(store.update(credential, UPDATE, deadline()))).toBe('unavailable');
  expect(await kindOf(store.delete({ ...credential }, deadline()))).toBe('unavailable');
});
