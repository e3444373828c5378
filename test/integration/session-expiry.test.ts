/**
 * Tests the expiry of a session's key. After each call that may change the expiry, the key expires exactly at the time
 * that the call reports.
 */
import { randomBytes } from 'node:crypto';
import { createKeyspace } from '../../src/redis/keyspace.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { endOf, type IssuedSessionId, issueSessionId, type SessionRecord } from '../../src/session/model.ts';
import type { RedisSessionStore } from '../../src/session/redis-store.ts';
import type { SessionUpdate } from '../../src/session/store.ts';
import { openRedis, PATIENT, soonMs } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { createIn, NO_CHANGE, recordedStore } from '../support/session/steps.ts';

const DAY_MS = 86_400_000;

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

async function expiryOf({ credential }: IssuedSessionId): Promise<unknown> {
  const key = createKeyspace('').session(credential.handle);
  return await redis.send(key, ['PEXPIRETIME', key], soonMs());
}

async function read({ credential }: IssuedSessionId): Promise<SessionRecord> {
  return (await store.read(credential, { touch: false }, soonMs())) as SessionRecord;
}

async function update({ credential }: IssuedSessionId, timeouts: Partial<SessionUpdate>): Promise<number> {
  const unset = { change: NO_CHANGE, ifVersion: undefined, idleTtlMs: undefined, absoluteTtlMs: undefined };
  const outcome = await store.update(credential, { ...unset, ...timeouts }, soonMs());
  return outcome.outcome === 'updated' ? outcome.expiresAtMs : 0;
}

test.each([
  [1_000, 600_000],
  [600_000, 600_000],
  [30 * DAY_MS, 30 * DAY_MS],
  [60_000, 5_000],
])(
  'a creation with an idle timeout of %d ms and an absolute one of %d ms sets the TTL to the earlier expiry',
  async (idleTtlMs, absoluteTtlMs) => {
    const session = await createIn(store, { idleTtlMs, absoluteTtlMs });
    const created = await read(session);
    expect(endOf(created)).toBe(created.createdAtMs + Math.min(idleTtlMs, absoluteTtlMs));
    expect(await expiryOf(session)).toBe(endOf(created));
  },
);

test('updates extend and shorten the TTL and report it', async () => {
  const session = await createIn(store);
  for (const timeouts of [
    { idleTtlMs: 5_000 },
    { idleTtlMs: 500_000 },
    { absoluteTtlMs: 4_000 },
    { absoluteTtlMs: 30 * DAY_MS },
    { idleTtlMs: 30 * DAY_MS },
  ]) {
    const reportedMs = await update(session, timeouts);
    expect(await expiryOf(session)).toBe(reportedMs);
    expect(endOf(await read(session))).toBe(reportedMs);
  }
  // The expiry is at most 30 days after the creation.
  expect(await expiryOf(session)).toBe((await read(session)).createdAtMs + 30 * DAY_MS);
});

test('a rotation renews the idle timeout and leaves the absolute one', async () => {
  const session = await createIn(store, { idleTtlMs: 5_000, absoluteTtlMs: 600_000 });
  const { createdAtMs } = await read(session);
  const issued = issueSessionId(randomBytes, session.selector);
  const rotation = { verifier: issued.credential.verifier, userId: undefined, change: NO_CHANGE, graceMs: 0 };
  const rotated = await store.rotate(session.credential, rotation, soonMs());
  const found = await read(issued);
  expect(rotated).toMatchObject({ outcome: 'rotated', session: { lastSeenAtMs: found.lastSeenAtMs } });
  expect(await expiryOf(issued)).toBe(found.lastSeenAtMs + 5_000);
  expect(found.absoluteEndMs).toBe(createdAtMs + 600_000);
});
