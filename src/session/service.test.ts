/**
 * Tests SessionService on the memory store: its responses, its use of the deadline, and the secrets that it must not
 * reveal.
 */
import { FakeClock } from '../../test/support/lib/fake-clock.ts';

import { contextUntil, sessionCalls } from '../../test/support/session/calls.ts';
import { memorySessionStore } from '../../test/support/session/memory-store.ts';
import { type AtUserLimit, DEFAULT_POLICY_FILE, type PolicyFile } from '../config/policy-file.ts';
import { StoreError } from '../lib/store-error.ts';
import type { SessionStore } from './store.ts';

test('serves a session from its creation to its deletion', () => {
  const calls = sessionCalls();
  const created = calls.now('CreateSession', { userId: 'ann', data: { cart: Buffer.from('1') }, labels: { a: 'b' } });
  const sessionId = String(created.session?.sessionId);
  expect(sessionId).toMatch(/^[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{22}$/);
  expect(created.session).toMatchObject({ userId: 'ann', version: 1, idleTtlMs: 1_800_000 });
  const { createdAtMs, expiresAtMs, absoluteExpiresAtMs } = created.session ?? {};
  expect(Number(expiresAtMs) - Number(createdAtMs)).toBe(1_800_000);
  expect(Number(absoluteExpiresAtMs) - Number(createdAtMs)).toBe(43_200_000);
  expect(calls.now('GetSession', { sessionId })).toEqual(created);
  expect(calls.now('UpdateSession', { sessionId, set: { n: Buffer.from('2') }, ifVersion: 1 })).toMatchObject({
    version: 2,
  });
  expect(calls.errorOf('UpdateSession', { sessionId, remove: ['n'], ifVersion: 1 })).toBe(
    'ABORTED cannot update session: its version is 2, not 1; read the session and retry',
  );
  const listed = calls.now('ListUserSessions', { userId: 'ann' }).sessions ?? [];
  expect(listed).toMatchObject([{ handle: created.session?.handle, labels: { a: 'b' } }]);
  expect(calls.now('DeleteSession', { sessionId })).toEqual({ existed: true });
  expect(calls.errorOf('GetSession', { sessionId })).toMatch(/^NOT_FOUND /);
});

test('a rotation at login invalidates the old id at once, against session fixation', () => {
  const calls = sessionCalls();
  const before = String(calls.now('CreateSession', {}).session?.sessionId);
  const after = calls.now('RotateSession', { sessionId: before, userId: 'ann' }).session;
  expect(after).toMatchObject({ userId: 'ann' });
  expect(after?.sessionId).not.toBe(before);
  expect(calls.errorOf('GetSession', { sessionId: before })).toMatch(/^NOT_FOUND /);
  expect(calls.errorOf('RotateSession', { sessionId: before, userId: 'eve' })).toMatch(/^NOT_FOUND /);
  expect(calls.errorOf('RotateSession', { sessionId: String(after?.sessionId), userId: '', graceMs: 5 })).toBe(
    'INVALID_ARGUMENT grace_ms must be 0 when user_id changes the user, got 5',
  );
});

test('returns the old id to its caller within the grace period', () => {
  const calls = sessionCalls();
  const old = String(calls.now('CreateSession', {}).session?.sessionId);
  calls.now('RotateSession', { sessionId: old, graceMs: 100 });
  expect(calls.now('GetSession', { sessionId: old }).session?.sessionId).toBe(old);
  calls.clock.advance(100);
  expect(calls.errorOf('GetSession', { sessionId: old })).toMatch(/^NOT_FOUND /);
});

test('cuts the default idle timeout to the requested absolute timeout', () => {
  const session = sessionCalls().now('CreateSession', { absoluteTtlMs: 5_000 }).session;
  expect(session).toMatchObject({ idleTtlMs: 5_000 });
  const file = { ...DEFAULT_POLICY_FILE, sessions: { idleTtlMs: 7, absoluteTtlMs: 9 } };
  const short = sessionCalls({ file }).now('CreateSession', {}).session;
  expect(Number(short?.absoluteExpiresAtMs) - Number(short?.createdAtMs)).toBe(9);
  expect(short).toMatchObject({ idleTtlMs: 7 });
});

test('rejects data above its bounds as RESOURCE_EXHAUSTED and reports the size', () => {
  const calls = sessionCalls();
  const sessionId = String(calls.now('CreateSession', { data: { a: Buffer.alloc(262_143) } }).session?.sessionId);
  expect(calls.errorOf('UpdateSession', { sessionId, set: { b: Buffer.alloc(9) } })).toBe(
    'RESOURCE_EXHAUSTED cannot update session: its data would have 262154 bytes, more than the maximum of 262144; store less data',
  );
});

test('gives the store less time than the call has, and does not call it after the deadline', () => {
  const clock = new FakeClock();
  const deadlines: number[] = [];
  const store = {
    read: (_credential: unknown, _options: unknown, deadlineAtMs: number) => {
      deadlines.push(deadlineAtMs - clock.monotonicMs());
      return undefined;
    },
  } as unknown as SessionStore;
  const calls = sessionCalls({ store, clock });
  const sessionId = `${'s'.repeat(22)}.${'t'.repeat(22)}`;
  calls.errorOf('GetSession', { sessionId }, contextUntil(clock, 1_000));
  calls.errorOf('GetSession', { sessionId }, contextUntil(clock, 50));
  expect(deadlines).toEqual([960, 30]);
  expect(calls.errorOf('GetSession', { sessionId }, contextUntil(clock, 0))).toBe(
    'DEADLINE_EXCEEDED cannot get session: the deadline passed before the call was executed',
  );
  expect(deadlines).toHaveLength(2);
});

test('errors contain no id, user or value', () => {
  const calls = sessionCalls();
  const sessionId = String(calls.now('CreateSession', { userId: 'canary-user' }).session?.sessionId);
  const secrets = [...sessionId.split('.'), 'canary-user', 'canary-value', 'canary-name'];
  const set = { 'canary-name': Buffer.from('canary-value'.repeat(30_000)) };
  const errors = [
    calls.errorOf('UpdateSession', { sessionId, set }),
    calls.errorOf('UpdateSession', { sessionId, ifVersion: 7 }),
    calls.errorOf('UpdateSession', { sessionId: `${sessionId}x` }),
    calls.errorOf('RotateSession', { sessionId, graceMs: -1 }),
    calls.errorOf('DeleteUserSessions', { userId: 'other', exceptSessionId: sessionId }),
  ];
  for (const error of errors) {
    expect(error).not.toBe('OK');
    expect(secrets.filter((secret) => error.includes(secret))).toEqual([]);
  }
});

test('a full memory store rejects new sessions and keeps the live ones', () => {
  const clock = new FakeClock();
  const store = memorySessionStore({ clock, maxEntries: 3 });
  const calls = sessionCalls({ store, clock });
  const ids = [1, 2, 3].map(() => String(calls.now('CreateSession', { idleTtlMs: 1_000 }).session?.sessionId));
  expect(() => calls.now('CreateSession', {})).toThrow(StoreError);
  for (const sessionId of ids) {
    expect(calls.errorOf('GetSession', { sessionId })).toBe('OK');
  }
  clock.advance(1_001);
  expect(calls.errorOf('CreateSession', {})).toBe('OK');
});

function limited(atLimit: AtUserLimit): PolicyFile {
  const { sessions } = DEFAULT_POLICY_FILE;
  return { ...DEFAULT_POLICY_FILE, sessions: { ...sessions, userLimit: { maxSessions: 2, atLimit } } };
}

test('at_max_per_user refuse: rejects a login beyond max_per_user as RESOURCE_EXHAUSTED and counts it', () => {
  const refused: string[] = [];
  const metrics = { evicted: () => refused.push('evicted'), loginRefused: () => refused.push('refused') };
  const calls = sessionCalls({ file: limited('refuse'), metrics });
  const guest = String(calls.now('CreateSession', {}).session?.sessionId);
  const first = String(calls.now('CreateSession', { userId: 'ann' }).session?.sessionId);
  calls.now('CreateSession', { userId: 'ann' });
  const cause = 'the user has as many live sessions as sessions.max_per_user allows (2)';
  expect(calls.errorOf('CreateSession', { userId: 'ann' })).toBe(
    `RESOURCE_EXHAUSTED cannot create session: ${cause}; end one of them or wait until one expires`,
  );
  expect(calls.errorOf('RotateSession', { sessionId: guest, userId: 'ann' })).toMatch(
    /^RESOURCE_EXHAUSTED cannot rotate session: the user has as many/,
  );
  expect(refused).toEqual(['refused', 'refused']);
  calls.now('DeleteSession', { sessionId: first });
  expect(calls.errorOf('RotateSession', { sessionId: guest, userId: 'ann' })).toBe('OK');
});

test('at_max_per_user evict: ends the oldest session for a login beyond max_per_user and counts it', () => {
  let evicted = 0;
  const metrics = { evicted: (count: number) => (evicted += count), loginRefused: () => undefined };
  const calls = sessionCalls({ file: limited('evict'), metrics });
  const ids = [1, 2, 3].map(() => String(calls.now('CreateSession', { userId: 'ann' }).session?.sessionId));
  expect(ids.map((sessionId) => calls.errorOf('GetSession', { sessionId }).split(' ')[0])).toEqual([
    'NOT_FOUND',
    'OK',
    'OK',
  ]);
  expect(evicted).toBe(1);
});

test('a user limit keeps one user from filling the memory store, so that another user can log in', () => {
  const clock = new FakeClock();
  const store = memorySessionStore({ clock, maxEntries: 200 });
  const calls = sessionCalls({ store, clock, file: limited('evict') });
  for (let login = 0; login < 1_000; login += 1) {
    calls.now('CreateSession', { userId: 'ann' });
  }
  expect(store.size).toBe(2);
  expect(calls.errorOf('CreateSession', { userId: 'bob' })).toBe('OK');
});

test('a login fails if the section sessions has an error, and all other calls do not need the section', () => {
  const problem = 'policies.yaml:1:1: the error';
  const broken = {
    policies: new Map(),
    otherPolicies: undefined,
    cacheNamespaces: new Map(),
    cacheDefault: undefined,
    sessions: problem,
  };
  const clock = new FakeClock();
  const store = memorySessionStore({ clock });
  const sessionId = String(sessionCalls({ store, clock }).now('CreateSession', { userId: 'ann' }).session?.sessionId);
  const calls = sessionCalls({ store, clock, file: { ...DEFAULT_POLICY_FILE, broken } });
  const text = `the section sessions cannot be used: ${problem}; correct the policy file`;
  expect(calls.errorOf('CreateSession', { idleTtlMs: 1_000, absoluteTtlMs: 1_000 })).toBe(
    `FAILED_PRECONDITION cannot create session: ${text}`,
  );
  expect(calls.errorOf('RotateSession', { sessionId, userId: 'bob' })).toBe(
    `FAILED_PRECONDITION cannot rotate session: ${text}`,
  );
  const rotated = String(calls.now('RotateSession', { sessionId }).session?.sessionId);
  expect(calls.now('GetSession', { sessionId: rotated }).session).toMatchObject({ userId: 'ann' });
  expect(calls.now('UpdateSession', { sessionId: rotated, set: { a: Buffer.from('1') } })).toMatchObject({
    version: 2,
  });
  expect(calls.now('DeleteSession', { sessionId: rotated })).toEqual({ existed: true });
});
