/**
 * Tests the races that docs/internals/session-races.md describes, in which another call runs between two steps of a
 * call. Each race is deterministic: the other call runs completely after a given step and before the next one.
 */
import { randomBytes } from 'node:crypto';
import type { UserLimit } from '../../src/config/policy-file.ts';
import { StoreError } from '../../src/lib/store-error.ts';
import type { RedisCommands } from '../../src/redis/commands.ts';
import { createKeyspace } from '../../src/redis/keyspace.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { issueSessionId, LOGIN_SETTLES_MS, type SessionCredential } from '../../src/session/model.ts';
import { RedisSessionStore } from '../../src/session/redis-store.ts';
import type { RotateOutcome, SessionStore } from '../../src/session/store.ts';
import { openRedis, PATIENT } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { NO_CHANGE } from '../support/session/steps.ts';
import { waitFor } from '../support/wait.ts';

const keyspace = createKeyspace('');

let server: RedisNode;
let redis: Redis;
let store: SessionStore;

beforeAll(async () => {
  server = await startRedis();
  redis = await openRedis(server.url, PATIENT);
  store = new RedisSessionStore({ commands: redis, keyspace });
}, 60_000);

afterAll(async () => {
  redis?.close();
  await server?.stop();
});

/**
 * Creates a store on the same Redis. After the first run of the given script or command, the store runs the other call
 * to completion.
 */
function storeWithCallAfter(step: string, call: () => unknown): SessionStore {
  let isDue = true;
  async function after(done: string): Promise<void> {
    if (isDue && done === step) {
      isDue = false;
      await call();
    }
  }
  const commands: RedisCommands = {
    run: async (script, keys, args, deadlineAtMs) => {
      const reply = await redis.run(script, keys, args, deadlineAtMs);
      await after(script.name);
      return reply;
    },
    send: async (key, command, deadlineAtMs) => {
      const reply = await redis.send(key, command, deadlineAtMs);
      await after(String(command[0]));
      return reply;
    },
  };
  return new RedisSessionStore({ commands, keyspace });
}

function deadline(): number {
  return performance.now() + 10_000;
}

function name(): string {
  return `user-${randomBytes(6).toString('hex')}`;
}

async function create(on: SessionStore, userId: string, userLimit?: UserLimit, timeoutMs = 60_000) {
  const { credential, selector } = issueSessionId(randomBytes);
  const timeouts = { idleTtlMs: timeoutMs, absoluteTtlMs: timeoutMs };
  const limit = userLimit === undefined ? {} : { userLimit };
  const { outcome } = await on.create(
    { credential, userId, data: new Map(), labels: new Map(), ...timeouts, ...limit },
    deadline(),
  );
  return { credential, selector, outcome };
}

async function read(credential: SessionCredential) {
  return await store.read(credential, { touch: false }, deadline());
}

async function rotate(
  on: SessionStore,
  old: { selector: string; credential: SessionCredential },
  userId: string | undefined,
  userLimit?: UserLimit,
): Promise<{ credential: SessionCredential; outcome: RotateOutcome['outcome'] }> {
  const { credential } = issueSessionId(randomBytes, old.selector);
  const limit = userLimit === undefined ? {} : { userLimit };
  const rotation = { verifier: credential.verifier, userId, change: NO_CHANGE, graceMs: 0, ...limit };
  const { outcome } = await on.rotate(old.credential, rotation, deadline());
  return { credential, outcome };
}

test('a logout everywhere between the steps of a creation invalidates the session', async () => {
  const user = name();
  const racing = storeWithCallAfter('session-user-enter', () => store.endUserSessions(user, undefined, deadline()));
  const { credential } = await create(racing, user);
  expect(await read(credential)).toBeUndefined();
});

test('a logout everywhere between the steps of a login invalidates the session', async () => {
  const user = name();
  const guest = await create(store, '');
  const racing = storeWithCallAfter('session-user-enter', () => store.endUserSessions(user, undefined, deadline()));
  const { credential } = await rotate(racing, guest, user);
  expect(await read(credential)).toBeUndefined();
});

/**
 * Removes a session from the list of its user. The list may be incomplete if a user has more than 1,000 sessions. Calls
 * do not find sessions that are missing from the list, so only a new generation can invalidate these sessions.
 */
async function unlist(userId: string, credential: SessionCredential): Promise<void> {
  await redis.send('', ['HDEL', keyspace.user(userId), `h:${credential.handle}`], deadline());
}

test.each([true, false])(
  'a session rotated for the same user does not survive a logout everywhere (named: %s)',
  async (isNamed) => {
    const user = name();
    const old = await create(store, user);
    await unlist(user, old.credential);
    const racing = storeWithCallAfter('HMGET', () => store.endUserSessions(user, undefined, deadline()));
    const { credential, outcome } = await rotate(racing, old, isNamed ? user : undefined);
    expect(outcome).toBe('rotated');
    expect(await read(credential)).toBeUndefined();
    expect(await read(old.credential)).toBeUndefined();
  },
);

test('an exception does not revive a session that a concurrent logout everywhere has ended', async () => {
  const user = name();
  const kept = await create(store, user);
  await unlist(user, kept.credential);
  const racing = storeWithCallAfter('HMGET', () => store.endUserSessions(user, undefined, deadline()));
  expect(await racing.endUserSessions(user, kept.credential, deadline())).toEqual({ outcome: 'not_found' });
  expect(await read(kept.credential)).toBeUndefined();
});

test('a session that is extended between the steps of its login does not outlive its new user', async () => {
  const user = name();
  const guest = await create(store, '');
  const absoluteTtlMs = 30 * 86_400_000;
  const update = { change: NO_CHANGE, ifVersion: undefined, idleTtlMs: undefined, absoluteTtlMs };
  const racing = storeWithCallAfter('session-user-enter', () => store.update(guest.credential, update, deadline()));
  const { credential } = await rotate(racing, guest, user);
  const session = await read(credential);
  await waitFor('the extension of the user', async () => {
    const endMs = Number(await redis.send('', ['PEXPIRETIME', keyspace.user(user)], deadline()));
    return endMs > (session?.absoluteEndMs ?? Number.POSITIVE_INFINITY);
  });
});

test('a login does not revive a session that was logged out everywhere', async () => {
  const user = name();
  const old = await create(store, user);
  await unlist(user, old.credential);
  await store.endUserSessions(user, undefined, deadline());
  const { credential, outcome } = await rotate(store, old, name());
  expect(outcome).toBe('not_found');
  expect(await read(credential)).toBeUndefined();
});

test('a list between the steps of a creation does not remove the session from the list', async () => {
  const user = name();
  const racing = storeWithCallAfter('session-user-enter', async () => {
    expect(await store.list(user, deadline())).toEqual([]);
    expect(await store.list(user, deadline())).toEqual([]);
  });
  const { credential } = await create(racing, user);
  expect(await store.list(user, deadline())).toMatchObject([{ handle: credential.handle }]);
});

/** Returns the generation of a user, which consists of an incarnation and a number. */
async function generationOf(userId: string): Promise<readonly string[]> {
  const key = keyspace.user(userId);
  return ((await redis.send(key, ['HMGET', key, 'i', 'n'], deadline())) as Buffer[]).map(String);
}

async function setGeneration(userId: string, [incarnation = '', number = '']: readonly string[]): Promise<void> {
  await redis.send('', ['HSET', keyspace.user(userId), 'i', incarnation, 'n', number], deadline());
}

test('the removal of an invalid session does not remove one that was rotated to another user meanwhile', async () => {
  const [first, second] = [name(), name()];
  const old = await create(store, first);
  const before = await generationOf(first);
  let rotated: SessionCredential | undefined;
  const racing = storeWithCallAfter('session-user-end', async () => {
    // Simulates a login that read the generation just before the logout changed it.
    const after = await generationOf(first);
    await setGeneration(first, before);
    rotated = (await rotate(store, old, second)).credential;
    await setGeneration(first, after);
  });
  expect(await racing.endUserSessions(first, undefined, deadline())).toEqual({ outcome: 'ended', deleted: 0 });
  expect(rotated && (await read(rotated))).toMatchObject({ userId: second });
});

test('a deletion between the steps of a rotation is final', async () => {
  const user = name();
  const old = await create(store, user);
  const racing = storeWithCallAfter('session-read', () => store.delete(old.credential, deadline()));
  const { credential, outcome } = await rotate(racing, old, name());
  expect(outcome).toBe('not_found');
  expect(await read(credential)).toBeUndefined();
  expect(await redis.send('', ['EXISTS', keyspace.session(old.credential.handle)], deadline())).toBe(0);
});

describe('with a limit of one live session per user', () => {
  const REFUSE: UserLimit = { maxSessions: 1, atLimit: 'refuse' };
  const EVICT: UserLimit = { maxSessions: 1, atLimit: 'evict' };

  async function settled(): Promise<void> {
    const startedAtMs = Date.now();
    await waitFor('the time of a login', () => Date.now() > startedAtMs + LOGIN_SETTLES_MS, LOGIN_SETTLES_MS + 5_000);
  }

  test.each([REFUSE, EVICT])('an interrupted login blocks other logins only briefly ($atLimit)', async (limit) => {
    const user = name();
    const cutOff = storeWithCallAfter('session-user-enter', () => {
      throw new StoreError('unknown', 'the process stopped here');
    });
    await expect(create(cutOff, user, limit)).rejects.toThrow(StoreError);
    if (limit === REFUSE) {
      expect((await create(store, user, limit)).outcome).toBe('user_full');
      await settled();
    }
    const { credential, outcome } = await create(store, user, limit);
    expect(outcome).toBe('created');
    expect((await store.list(user, deadline())).map(({ handle }) => handle)).toEqual([credential.handle]);
  });

  test('a creation that Redis rejects removes its list entry at once', async () => {
    const user = name();
    const full = storeWithCallAfter('session-user-enter', () => server.command('CONFIG', 'SET', 'maxmemory', '1'));
    await expect(create(full, user, REFUSE)).rejects.toMatchObject({ kind: 'unavailable' });
    await server.command('CONFIG', 'SET', 'maxmemory', '0');
    expect((await create(store, user, REFUSE)).outcome).toBe('created');
  });

  test('a login that is too late to create its session creates none, and another login takes its list entry', async () => {
    const user = name();
    let other: SessionCredential | undefined;
    const late = storeWithCallAfter('session-user-enter', async () => {
      await settled();
      other = (await create(store, user, REFUSE)).credential;
    });
    await expect(create(late, user, REFUSE)).rejects.toMatchObject({ kind: 'deadline' });
    expect((await store.list(user, deadline())).map(({ handle }) => handle)).toEqual([other?.handle]);
  });

  test('a login that takes longer than the idle timeout of its session keeps its list entry until the session exists', async () => {
    const user = name();
    const timeoutMs = 200;
    let other = '';
    const slow = storeWithCallAfter('session-user-enter', async () => {
      const enteredAtMs = Date.now();
      await waitFor('the expiry of the session', () => Date.now() > enteredAtMs + timeoutMs, 5_000);
      other = (await create(store, user, REFUSE)).outcome;
    });
    // If a machine needs 2 s for these steps, the slow login fails and the other login succeeds.
    const first = await create(slow, user, REFUSE, timeoutMs).catch((error: unknown) => error);
    expect([first, other]).toEqual(
      other === 'created' ? [expect.objectContaining({ kind: 'deadline' }), 'created'] : [first, 'user_full'],
    );
  });

  test('a login by rotation that is too late changes nothing', async () => {
    const user = name();
    const guest = await create(store, '');
    const late = storeWithCallAfter('session-user-enter', async () => {
      await settled();
      await create(store, user, REFUSE);
    });
    await expect(rotate(late, guest, user, REFUSE)).rejects.toMatchObject({ kind: 'deadline' });
    expect(await read(guest.credential)).toMatchObject({ userId: '' });
    expect(await store.list(user, deadline())).toHaveLength(1);
  });

  test('the oldest session stays valid if it is rotated to another user before the limit ends it', async () => {
    const user = name();
    const oldest = await create(store, user, EVICT);
    let moved: SessionCredential | undefined;
    const racing = storeWithCallAfter('HMGET', async () => {
      moved = (await rotate(store, oldest, name())).credential;
    });
    const { credential, outcome } = await create(racing, user, EVICT);
    expect(outcome).toBe('created');
    expect(await read(credential)).toMatchObject({ userId: user });
    expect(moved === undefined ? undefined : await read(moved)).toBeDefined();
  });

  test('a session that left its user ends no other session, however late its entry is removed', async () => {
    const user = name();
    const limit: UserLimit = { maxSessions: 2, atLimit: 'evict' };
    const first = await create(store, user, limit);
    const leaving = await create(store, user, limit);
    const commands: RedisCommands = {
      send: (...call) => redis.send(...call),
      run: async (script, ...call) => {
        if (script.name === 'session-user-forget') {
          const dueMs = Date.now() + 300;
          await waitFor('what does not wait to go ahead', () => Date.now() > dueMs);
        }
        return await redis.run(script, ...call);
      },
    };
    const slow = new RedisSessionStore({ commands, keyspace });
    expect((await rotate(slow, leaving, '', limit)).outcome).toBe('rotated');
    expect((await create(store, user, limit)).outcome).toBe('created');
    expect(await read(first.credential)).toMatchObject({ userId: user });
  });

  test.each([
    ['from a clock that was ahead', `${Date.now() + 86_400_000} ${Date.now() + 172_800_000}`],
    ['with a time that is not a number', `${'9'.repeat(400)} ${'9'.repeat(400)}`],
    ['of garbage', 'garbage'],
  ])('an entry %s without a session blocks no login', async (_what, entry) => {
    const user = name();
    const { credential } = await create(store, user, REFUSE);
    await redis.send('', ['HSET', keyspace.user(user), `h:${credential.handle}`, entry], deadline());
    expect((await create(store, user, REFUSE)).outcome).toBe('user_full');
    await redis.send('', ['DEL', keyspace.session(credential.handle)], deadline());
    expect((await create(store, user, REFUSE)).outcome).toBe('created');
  });

  test('a session that returns to its user while it is treated as ended keeps its list entry', async () => {
    const user = name();
    const session = await create(store, '');
    // The list entry of this session remains from an earlier login of the session as this user.
    await create(store, user);
    const entry = [keyspace.user(user), `h:${session.credential.handle}`, '1 9999999999999'];
    await redis.send('', ['HSET', ...entry], deadline());
    let back: SessionCredential | undefined;
    const racing = storeWithCallAfter('HMGET', async () => {
      back = (await rotate(store, session, user)).credential;
    });
    expect((await create(racing, user, { maxSessions: 2, atLimit: 'refuse' })).outcome).toBe('user_full');
    expect(back === undefined ? undefined : await read(back)).toMatchObject({ userId: user });
    expect(await store.list(user, deadline())).toHaveLength(2);
  });
});
