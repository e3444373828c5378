/**
 * Suite for the limit of live sessions per user, which every store of sessions must pass.
 */
import { randomBytes } from 'node:crypto';
import type { AtUserLimit, UserLimit } from '../../../src/config/policy-file.ts';
import {
  type IssuedSessionId,
  issueSessionId,
  LOGIN_SETTLES_MS,
  MAX_LISTED_SESSIONS,
} from '../../../src/session/model.ts';
import type { CreateOutcome, NewSession, SessionStore } from '../../../src/session/store.ts';
import { NO_CHANGE } from './steps.ts';
import type { SessionStoreFixture } from './stores.ts';

const LOGINS = 20;

function deadline(): number {
  return performance.now() + 20_000;
}

interface LoggedIn {
  readonly issued: IssuedSessionId;
  readonly outcome: CreateOutcome;
}

export function sessionUserLimit(name: string, setUp: () => Promise<SessionStoreFixture>): void {
  describe(`limit of live sessions per user: ${name}`, () => {
    let fixture: SessionStoreFixture;
    let store: SessionStore;
    let stores: readonly SessionStore[];
    let user: string;

    beforeAll(async () => {
      fixture = await setUp();
      store = fixture.store;
      stores = [store, fixture.otherStore ?? store];
    }, 60_000);

    afterAll(async () => {
      await fixture?.close();
    });

    beforeEach(() => {
      user = `user-${randomBytes(6).toString('hex')}`;
    });

    afterEach(async () => {
      expect(await fixture.keysWithoutTtl()).toEqual([]);
    });

    async function logIn(userLimit?: UserLimit, options: Partial<NewSession> = {}, on = store): Promise<LoggedIn> {
      const issued = issueSessionId(randomBytes);
      const timeouts = { idleTtlMs: 600_000, absoluteTtlMs: 600_000 };
      const limit = userLimit === undefined ? {} : { userLimit };
      const fresh = { credential: issued.credential, userId: user, data: new Map(), labels: new Map() };
      return { issued, outcome: await on.create({ ...fresh, ...timeouts, ...limit, ...options }, deadline()) };
    }

    /** Waits a millisecond, because the order of two logins within one millisecond is undefined. */
    async function logInLater(userLimit?: UserLimit): Promise<LoggedIn> {
      await pass(2);
      return await logIn(userLimit);
    }

    async function pass(durationMs: number): Promise<void> {
      const startedAtMs = Date.now();
      const hasFakeClock = fixture.otherStore === undefined;
      const isOver = async () => hasFakeClock || Date.now() > startedAtMs + durationMs;
      await fixture.eventually(`${durationMs} ms`, durationMs, isOver);
    }

    async function rotate(old: IssuedSessionId, userId: string | undefined, userLimit: UserLimit, on = store) {
      const issued = issueSessionId(randomBytes, old.selector);
      const rotation = { verifier: issued.credential.verifier, userId, change: NO_CHANGE, graceMs: 0, userLimit };
      return { issued, outcome: await on.rotate(old.credential, rotation, deadline()) };
    }

    async function isLive({ issued }: { readonly issued: IssuedSessionId }): Promise<boolean> {
      return (await store.read(issued.credential, { touch: false }, deadline())) !== undefined;
    }

    async function liveOf(logins: readonly { readonly issued: IssuedSessionId }[]): Promise<number[]> {
      const live = await Promise.all(logins.map(isLive));
      return live.flatMap((is, index) => (is ? [index] : []));
    }

    async function listedHandles(): Promise<Set<string>> {
      return new Set((await store.list(user, deadline())).map(({ handle }) => handle));
    }

    function limitOf(maxSessions: number, atLimit: AtUserLimit): UserLimit {
      return { maxSessions, atLimit };
    }

    test('evict: each login beyond the limit ends the oldest session before its response', async () => {
      const limit = limitOf(3, 'evict');
      const logins: LoggedIn[] = [];
      for (let index = 0; index < 6; index += 1) {
        logins.push(await logInLater(limit));
        expect(await liveOf(logins)).toEqual([index - 2, index - 1, index].filter((live) => live >= 0));
      }
      expect(logins.map(({ outcome }) => outcome.outcome === 'created' && outcome.evicted)).toEqual([0, 0, 0, 1, 1, 1]);
      expect(await listedHandles()).toEqual(new Set(logins.slice(3).map(({ issued }) => issued.credential.handle)));
      for (const { issued } of logins.slice(0, 3)) {
        expect(await fixture.holds(issued.credential.handle)).toBe(false);
      }
    });

    test('refuse: a login beyond the limit changes nothing and is admitted after a session has ended', async () => {
      const limit = limitOf(2, 'refuse');
      const logins = [await logIn(limit), await logIn(limit)];
      const refused = await logIn(limit);
      expect(refused.outcome).toEqual({ outcome: 'user_full' });
      expect(await isLive(refused)).toBe(false);
      expect(await liveOf(logins)).toEqual([0, 1]);
      await store.delete(logins[0]?.issued.credential ?? refused.issued.credential, deadline());
      expect((await logIn(limit)).outcome).toMatchObject({ outcome: 'created', evicted: 0 });
      expect((await logIn(limit)).outcome).toEqual({ outcome: 'user_full' });
    });

    test.each(['evict', 'refuse'] as const)(
      '%s: does not count the sessions of other users and guests',
      async (atLimit) => {
        const limit = limitOf(1, atLimit);
        const mine = await logIn(limit);
        const others = [];
        for (let index = 0; index < 3; index += 1) {
          others.push(await logIn(limit, { userId: `${user}-${index}` }));
          others.push(await logIn(limit, { userId: '' }));
        }
        expect(await liveOf([mine, ...others])).toHaveLength(7);
      },
    );

    test.each(['evict', 'refuse'] as const)(
      '%s: does not count expired sessions and ends no other session for them',
      async (atLimit) => {
        const limit = limitOf(2, atLimit);
        const kept = await logIn(limit);
        const expiring = await logIn(limit, { idleTtlMs: 300 });
        await fixture.eventually('the end of the idle session', 301, async () => !(await isLive(expiring)));
        await pass(LOGIN_SETTLES_MS);
        expect((await logIn(limit)).outcome).toMatchObject({ outcome: 'created', evicted: 0 });
        expect(await isLive(kept)).toBe(true);
        expect(await listedHandles()).not.toContain(expiring.issued.credential.handle);
      },
    );

    test('evict: ends the oldest logins that exceed a lowered limit', async () => {
      const logins = [];
      for (let index = 0; index < 8; index += 1) {
        logins.push(await logInLater());
      }
      const last = await logIn(limitOf(3, 'evict'));
      expect(last.outcome).toMatchObject({ outcome: 'created', evicted: 6 });
      expect(await liveOf([...logins, last])).toEqual([6, 7, 8]);
    });

    test('refuse: rejects logins above a lowered limit until enough sessions have ended', async () => {
      const logins = [await logIn(), await logIn(), await logIn()];
      const limit = limitOf(2, 'refuse');
      for (const { issued } of logins.slice(0, 2)) {
        expect((await logIn(limit)).outcome).toEqual({ outcome: 'user_full' });
        await store.delete(issued.credential, deadline());
      }
      expect((await logIn(limit)).outcome).toMatchObject({ outcome: 'created' });
    });

    test('evict: counts a login by rotation, but not a rotation for the same user', async () => {
      const limit = limitOf(2, 'evict');
      const logins = [await logInLater(limit), await logInLater(limit)];
      const guest = await logIn(limit, { userId: '' });
      const same = await rotate(logins[0]?.issued ?? guest.issued, user, limit);
      expect(same.outcome).toMatchObject({ outcome: 'rotated', evicted: 0 });
      const login = await rotate(guest.issued, user, limit);
      expect(login.outcome).toMatchObject({ outcome: 'rotated', evicted: 1, session: { userId: user } });
      expect(await liveOf([same, logins[1] ?? guest, login])).toEqual([1, 2]);
      const loggedOut = await rotate(login.issued, '', limit);
      expect(loggedOut.outcome).toMatchObject({ outcome: 'rotated', evicted: 0 });
      expect((await logIn(limit)).outcome).toMatchObject({ evicted: 0 });
    });

    test('refuse: a refused login by rotation leaves the session of the guest unchanged', async () => {
      const limit = limitOf(1, 'refuse');
      const first = await logIn(limit);
      const guest = await logIn(limit, { userId: '' });
      expect((await rotate(guest.issued, user, limit)).outcome).toEqual({ outcome: 'user_full' });
      expect(await store.read(guest.issued.credential, { touch: false }, deadline())).toMatchObject({ userId: '' });
      expect(await isLive(first)).toBe(true);
      await store.delete(first.issued.credential, deadline());
      expect((await rotate(guest.issued, user, limit)).outcome).toMatchObject({ outcome: 'rotated' });
    });

    test('a logout everywhere admits new logins', async () => {
      const limit = limitOf(2, 'refuse');
      const logins = [await logIn(limit), await logIn(limit)];
      await store.endUserSessions(user, logins[1]?.issued.credential, deadline());
      expect((await logIn(limit)).outcome).toMatchObject({ outcome: 'created' });
      expect((await logIn(limit)).outcome).toEqual({ outcome: 'user_full' });
      expect(await liveOf(logins)).toEqual([1]);
    });

    test('the highest limit equals the length of the list', async () => {
      for (let index = 0; index < MAX_LISTED_SESSIONS; index += 50) {
        await Promise.all(Array.from({ length: 50 }, () => logIn()));
      }
      expect((await logIn(limitOf(MAX_LISTED_SESSIONS, 'refuse'))).outcome).toEqual({ outcome: 'user_full' });
      expect((await logIn(limitOf(MAX_LISTED_SESSIONS, 'evict'))).outcome).toMatchObject({ evicted: 1 });
      expect(await listedHandles()).toHaveProperty('size', MAX_LISTED_SESSIONS);
    }, 60_000);

    test('refuse: of concurrent logins on two sidecars exactly as many succeed as the limit allows', async () => {
      for (let round = 0; round < 10; round += 1) {
        user = `refused-${randomBytes(6).toString('hex')}`;
        const limit = limitOf(1 + (round % 5), 'refuse');
        const logins = await Promise.all(
          Array.from({ length: LOGINS }, (_, index) => logIn(limit, {}, stores[index % 2])),
        );
        const created = logins.filter(({ outcome }) => outcome.outcome === 'created');
        expect(created).toHaveLength(limit.maxSessions);
        expect(await liveOf(logins)).toHaveLength(limit.maxSessions);
        expect(await listedHandles()).toEqual(new Set(created.map(({ issued }) => issued.credential.handle)));
      }
    }, 60_000);

    test('evict: concurrent logins on two sidecars all succeed, and as many sessions stay live as the limit allows', async () => {
      for (let round = 0; round < 10; round += 1) {
        user = `evicted-${randomBytes(6).toString('hex')}`;
        const limit = limitOf(1 + (round % 5), 'evict');
        const logins = await Promise.all(
          Array.from({ length: LOGINS }, (_, index) => logIn(limit, {}, stores[index % 2])),
        );
        const evicted = logins.map(({ outcome }) => (outcome.outcome === 'created' ? outcome.evicted : Number.NaN));
        expect(evicted.reduce((sum, count) => sum + count, 0)).toBe(LOGINS - limit.maxSessions);
        const live = await liveOf(logins);
        expect(live).toHaveLength(limit.maxSessions);
        expect(await listedHandles()).toEqual(new Set(live.map((index) => logins[index]?.issued.credential.handle)));
      }
    }, 60_000);

    test('with any concurrent calls on two sidecars the live sessions never exceed the limit, and all of them are listed', async () => {
      for (let round = 0; round < 20; round += 1) {
        user = `mixed-${randomBytes(6).toString('hex')}`;
        const limit = limitOf(1 + (round % 4), round % 2 === 0 ? 'evict' : 'refuse');
        const guests = await Promise.all(Array.from({ length: 6 }, () => logIn(limit, { userId: '' })));
        const first = await Promise.all(Array.from({ length: limit.maxSessions }, () => logIn(limit)));
        const attempts = [
          ...Array.from({ length: 6 }, (_, index) => logIn(limit, {}, stores[index % 2])),
          ...guests.map(({ issued }, index) => rotate(issued, user, limit, stores[index % 2])),
        ];
        const ends = [
          first[0] === undefined ? false : store.delete(first[0].issued.credential, deadline()),
          round % 5 === 4 ? store.endUserSessions(user, undefined, deadline()) : false,
        ];
        const all = [...first, ...(await Promise.all(attempts))];
        await Promise.all(ends);
        const live = await liveOf(all);
        expect(live.length).toBeLessThanOrEqual(limit.maxSessions);
        const handles = new Set(live.map((index) => all[index]?.issued.credential.handle));
        expect(await listedHandles()).toEqual(handles);
      }
    }, 60_000);
  });
}
