/**
 * Tests every pair of calls on the same sessions. The test executes the second call completely after each step of the
 * first call, in a separate run for each step. Both results and the final state must be the same as if one call had
 * ended before the other began, in either order. The memory store, whose methods are single steps, defines the results
 * of both orders.
 *
 * Counts are an exception. The number of ended sessions may be lower than in either order, because only the call that
 * removes a session includes it in its count.
 */

import { randomBytes } from 'node:crypto';
import type { RedisCommands } from '../../src/redis/commands.ts';
import { createKeyspace } from '../../src/redis/keyspace.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { type IssuedSessionId, issueSessionId } from '../../src/session/model.ts';
import { RedisSessionStore } from '../../src/session/redis-store.ts';
import type { SessionRotation, SessionStore, SessionUpdate } from '../../src/session/store.ts';
import { FakeClock } from '../support/lib/fake-clock.ts';
import { openRedis, PATIENT } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { memorySessionStore } from '../support/session/memory-store.ts';
import { NO_CHANGE } from '../support/session/steps.ts';

const keyspace = createKeyspace('');
const LIVES = { idleTtlMs: 3_600_000, absoluteTtlMs: 7_200_000 };
/** Maximum number of sequential steps of a call. */
const MAX_STEPS = 6;

let server: RedisNode;
let redis: Redis;

beforeAll(async () => {
  server = await startRedis();
  redis = await openRedis(server.url, PATIENT);
}, 60_000);

afterAll(async () => {
  redis?.close();
  await server?.stop();
});

function deadline(): number {
  return performance.now() + 10_000;
}

/** Two sessions of user u, a guest session, and the ids that each of the two calls issues. */
class Cast {
  readonly #suffix = randomBytes(6).toString('hex');
  readonly users = { u: `u${this.#suffix}`, v: `v${this.#suffix}` };
  readonly mine = issueSessionId(randomBytes);
  readonly other = issueSessionId(randomBytes);
  readonly guest = issueSessionId(randomBytes);
  readonly given = { first: this.#giveIds(), second: this.#giveIds() };

  async enter(store: SessionStore): Promise<void> {
    for (const [issued, userId] of [
      [this.mine, this.users.u],
      [this.other, this.users.u],
      [this.guest, ''],
    ] as const) {
      await create(store, issued, userId);
    }
  }

  /** Returns the state that callers can observe: the session of each id, and the lists. */
  async look(store: SessionStore): Promise<unknown> {
    const { first, second } = this.given;
    const ids = [this.mine, this.other, this.guest, ...Object.values(first), ...Object.values(second)];
    const seen = [];
    for (const { credential } of ids) {
      seen.push(this.told(await store.read(credential, { touch: false }, deadline())));
    }
    for (const userId of Object.values(this.users)) {
      seen.push(this.told(await store.list(userId, deadline())));
    }
    return seen;
  }

  /**
   * Returns a result without the parts that differ between runs. Replaces each id with a fixed name, and omits times
   * and counts.
   */
  told(answer: unknown): unknown {
    const names = new Map([
      [this.users.u, 'user u'],
      [this.users.v, 'user v'],
      [this.mine.credential.handle, 'mine'],
      [this.other.credential.handle, 'other'],
      [this.guest.credential.handle, 'guest'],
      [this.given.first.created.credential.handle, 'created by the first'],
      [this.given.second.created.credential.handle, 'created by the second'],
    ]);
    const text = JSON.stringify(answer, (name, value: unknown) => {
      if (['outcome', 'version', 'userId', 'handle', 'session', 'data', ''].includes(name) || /^\d+$/.test(name)) {
        return value instanceof Map ? [...value.keys()].sort() : (names.get(String(value)) ?? value);
      }
      return undefined;
    });
    const plain: unknown = text === undefined || typeof answer === 'boolean' ? undefined : JSON.parse(text);
    return Array.isArray(plain) ? plain.map(({ handle }) => handle).sort() : plain;
  }

  #giveIds(): { created: IssuedSessionId; mine: IssuedSessionId; guest: IssuedSessionId } {
    return {
      created: issueSessionId(randomBytes),
      mine: issueSessionId(randomBytes, this.mine.selector),
      guest: issueSessionId(randomBytes, this.guest.selector),
    };
  }
}

type Role = 'first' | 'second';
type Call = (store: SessionStore, cast: Cast, role: Role) => unknown;

function create(store: SessionStore, { credential }: IssuedSessionId, userId: string) {
  return store.create({ credential, userId, data: new Map(), labels: new Map(), ...LIVES }, deadline());
}

function rotate(whose: 'mine' | 'guest', rotation: (cast: Cast, role: Role) => Partial<SessionRotation>): Call {
  return (store, cast, role) => {
    const { verifier } = cast.given[role][whose].credential;
    const full = { verifier, userId: undefined, change: NO_CHANGE, graceMs: 0, ...rotation(cast, role) };
    return store.rotate(cast[whose].credential, full, deadline());
  };
}

function update(change: (role: Role) => Partial<SessionUpdate>): Call {
  return (store, cast, role) => {
    const rest = { change: NO_CHANGE, ifVersion: undefined, idleTtlMs: undefined, absoluteTtlMs: undefined };
    return store.update(cast.mine.credential, { ...rest, ...change(role) }, deadline());
  };
}

function set(role: Role) {
  return { set: new Map([[role, Buffer.from('1')]]), remove: new Set<string>() };
}

const CALLS: Record<string, Call> = {
  create: (store, cast, role) => create(store, cast.given[role].created, cast.users.u),
  rotate: rotate('mine', () => ({})),
  'rotate for the same user': rotate('mine', (cast) => ({ userId: cast.users.u })),
  'rotate with data': rotate('mine', (_cast, role) => ({ change: set(role) })),
  'login as another': rotate('mine', (cast) => ({ userId: cast.users.v })),
  'logout to guest': rotate('mine', () => ({ userId: '' })),
  'login of the guest': rotate('guest', (cast) => ({ userId: cast.users.u })),
  'login of the guest as another': rotate('guest', (cast) => ({ userId: cast.users.v })),
  update: update((role) => ({ change: set(role) })),
  'update of a version': update((role) => ({ change: set(role), ifVersion: 1 })),
  'update of the timeout': update(() => ({ absoluteTtlMs: 8_000_000 })),
  delete: (store, cast) => store.delete(cast.mine.credential, deadline()),
  'delete by handle': (store, cast) =>
    store.delete({ handle: cast.mine.credential.handle, verifier: undefined }, deadline()),
  'end all': (store, cast) => store.endUserSessions(cast.users.u, undefined, deadline()),
  'end all of another': (store, cast) => store.endUserSessions(cast.users.v, undefined, deadline()),
  'end all but mine': (store, cast) => store.endUserSessions(cast.users.u, cast.mine.credential, deadline()),
  'end all but the other': (store, cast) => store.endUserSessions(cast.users.u, cast.other.credential, deadline()),
  read: (store, cast) => store.read(cast.mine.credential, { touch: true }, deadline()),
  list: (store, cast) => store.list(cast.users.u, deadline()),
};

interface Seen {
  readonly first: unknown;
  readonly second: unknown;
  readonly afterwards: unknown;
}

/** Runs both calls sequentially on a store whose methods are single steps. */
async function inOrder(calls: { first: Call; second: Call }, order: readonly Role[]): Promise<Seen> {
  const store = memorySessionStore({ clock: new FakeClock() });
  const cast = new Cast();
  await cast.enter(store);
  const answers: Partial<Record<Role, unknown>> = {};
  for (const role of order) {
    answers[role] = cast.told(await calls[role](store, cast, role));
  }
  return { first: answers.first, second: answers.second, afterwards: await cast.look(store) };
}

/**
 * Runs the second call completely after the given step of the first call. Returns undefined if the first call has fewer
 * steps.
 */
async function between(calls: { first: Call; second: Call }, step: number): Promise<Seen | undefined> {
  const store = new RedisSessionStore({ commands: redis, keyspace });
  const cast = new Cast();
  await cast.enter(store);
  let steps = 0;
  let second: { answer: unknown } | undefined;
  async function afterStep(): Promise<void> {
    steps += 1;
    if (steps === step) {
      second = { answer: cast.told(await calls.second(store, cast, 'second')) };
    }
  }
  const commands: RedisCommands = {
    run: async (...call) => {
      const reply = await redis.run(...call);
      await afterStep();
      return reply;
    },
    send: async (...call) => {
      const reply = await redis.send(...call);
      await afterStep();
      return reply;
    },
  };
  const interrupted = new RedisSessionStore({ commands, keyspace });
  const first = cast.told(await calls.first(interrupted, cast, 'first'));
  if (second === undefined) {
    return undefined;
  }
  // The cleanup may still be running, because the calls return before it ends. Redis replies to this command, which
  // uses the same connection, only after the cleanup.
  await redis.send('', ['PING'], deadline());
  return { first, second: second.answer, afterwards: await cast.look(store) };
}

test.each(Object.keys(CALLS))('%s, with any other call between its steps', async (name) => {
  const wrong = [];
  let played = 0;
  for (const [otherName, other] of Object.entries(CALLS)) {
    const calls = { first: CALLS[name] as Call, second: other };
    const allowed = [await inOrder(calls, ['first', 'second']), await inOrder(calls, ['second', 'first'])];
    const texts = allowed.map((seen) => JSON.stringify(seen));
    for (let step = 1; step <= MAX_STEPS; step += 1) {
      const seen = await between(calls, step);
      if (seen === undefined) {
        break;
      }
      played += 1;
      if (!texts.includes(JSON.stringify(seen))) {
        wrong.push({ step, otherName, seen, allowed });
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(played).toBeGreaterThanOrEqual(Object.keys(CALLS).length);
});
