/**
 * Tests sessions that expire while a call is in progress. Every call must end with an outcome that the store contract
 * allows. An error that is not a StoreError would end the call with INTERNAL.
 */
import { randomBytes } from 'node:crypto';
import type { Redis } from '../../src/redis/redis.ts';
import { issueSessionId } from '../../src/session/model.ts';
import type { RedisSessionStore } from '../../src/session/redis-store.ts';
import { openRedis, PATIENT, soonMs } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { createIn, NO_CHANGE, recordedStore, UPDATE } from '../support/session/steps.ts';

const ROUNDS = 200;

let server: RedisNode;
let redis: Redis;
let store: RedisSessionStore;

beforeAll(async () => {
  server = await startRedis();
  redis = await openRedis(server.url, PATIENT);
  store = recordedStore(redis).store;
}, 60_000);

afterAll(async () => {
  redis?.close();
  await server?.stop();
});

/** Session data that is so large that a script needs about the remaining lifetime of the session to write it. */
const data = new Map(Array.from({ length: 250 }, (_, index) => [`field-${index}`, Buffer.alloc(1_000)] as const));

test.each(['', 'ann'])(
  `${ROUNDS} creations with an idle timeout of 1 ms return their session (user "%s")`,
  async (userId) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const issued = issueSessionId(randomBytes);
      const timeouts = { idleTtlMs: 1, absoluteTtlMs: 60_000 };
      const created = { credential: issued.credential, userId, data, labels: new Map(), ...timeouts };
      const outcome = await store.create(created, soonMs());
      expect(outcome).toMatchObject({ outcome: 'created', session: { userId, version: 1, idleTtlMs: 1 } });
      expect(outcome.outcome === 'created' && outcome.session.data).toEqual(data);
    }
  },
);

const CALLS = {
  update: (issued) => store.update(issued.credential, { ...UPDATE, change: { ...NO_CHANGE, set: data } }, soonMs()),
  rotate: (issued, userId) => {
    const { verifier } = issueSessionId(randomBytes, issued.selector).credential;
    return store.rotate(
      issued.credential,
      { verifier, userId, change: { ...NO_CHANGE, set: data }, graceMs: 0 },
      soonMs(),
    );
  },
  read: async (issued) => ({
    outcome: (await store.read(issued.credential, { touch: true }, soonMs()))?.userId ?? 'not_found',
  }),
} satisfies Record<
  string,
  (issued: Awaited<ReturnType<typeof createIn>>, userId: string) => Promise<{ readonly outcome: string }>
>;

test.each([
  ['update', 'updated'],
  ['rotate', 'rotated'],
  ['read', 'ann'],
] as const)(
  `${ROUNDS} calls of %s on a session that expires within milliseconds succeed or end with NOT_FOUND`,
  async (name, done) => {
    const outcomes = new Set<string>();
    const untilMs = soonMs(20_000);
    // On a fast machine, most calls run before the session expires. On a slow machine, most calls run after the session
    // has expired. The test runs more rounds with longer lifetimes until both outcomes have occurred.
    for (let round = 0; round < ROUNDS || (outcomes.size < 2 && performance.now() < untilMs); round += 1) {
      const maxLifetimeMs = round < ROUNDS ? 12 : 200;
      const session = await createIn(store, { userId: 'ann', absoluteTtlMs: 1 + (round % maxLifetimeMs) });
      outcomes.add((await CALLS[name](session, 'bob')).outcome);
    }
    expect([...outcomes].filter((outcome) => outcome !== done && outcome !== 'not_found')).toEqual([]);
    // Both outcomes occurred, which proves that the sessions expired around the time of the call.
    expect(outcomes.size).toBe(2);
  },
);
