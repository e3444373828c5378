/**
 * Contract suite that every store of sessions must pass. The file store-histories.ts adds random histories.
 */
import { randomBytes } from 'node:crypto';
import { issueSessionId, LISTED_SESSIONS_DROPPED, MAX_LISTED_SESSIONS } from '../../../src/session/model.ts';
import type { NewSession, SessionRotation, SessionStore, SessionUpdate } from '../../../src/session/store.ts';
import { NO_CHANGE } from './steps.ts';
import type { SessionStoreFixture } from './stores.ts';

/** Returns a deadline so far in the future that no test reaches it. */
function deadline(): number {
  return performance.now() + 10_000;
}

export function sessionStoreContract(name: string, setUp: () => Promise<SessionStoreFixture>): void {
  describe(`session store contract: ${name}`, () => {
    let fixture: SessionStoreFixture;
    let store: SessionStore;
    let user: string;

    beforeAll(async () => {
      fixture = await setUp();
      store = fixture.store;
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

    async function create(options: Partial<NewSession> = {}) {
      const issued = issueSessionId(randomBytes);
      const outcome = await store.create(
        {
          credential: issued.credential,
          userId: user,
          data: new Map([['cart', Buffer.from('apples')]]),
          idleTtlMs: 60_000,
          absoluteTtlMs: 600_000,
          labels: new Map([['device', 'phone']]),
          ...options,
        },
        deadline(),
      );
      if (outcome.outcome !== 'created') {
        throw new Error(`cannot create a session: ${outcome.outcome}`);
      }
      return { ...issued, session: outcome.session };
    }

    async function read(credential: { handle: string; verifier: string }, touch = false) {
      return await store.read(credential, { touch }, deadline());
    }

    async function update(credential: { handle: string; verifier: string }, change: Partial<SessionUpdate>) {
      const rest = { ifVersion: undefined, idleTtlMs: undefined, absoluteTtlMs: undefined };
      return await store.update(credential, { change: NO_CHANGE, ...rest, ...change }, deadline());
    }

    async function rotate(
      old: { selector: string; credential: { handle: string; verifier: string } },
      rotation: Partial<SessionRotation> = {},
    ) {
      const issued = issueSessionId(randomBytes, old.selector);
      const { verifier } = issued.credential;
      const full = { verifier, userId: undefined, change: NO_CHANGE, graceMs: 0, ...rotation };
      return { issued, outcome: await store.rotate(old.credential, full, deadline()) };
    }

    function set(name: string, value: string) {
      return { set: new Map([[name, Buffer.from(value)]]), remove: new Set<string>() };
    }

    test('returns a session as it was created, and only for its verifier', async () => {
      const odd = new Map([
        ['__proto__', Buffer.from([0, 255])],
        ['', Buffer.from('empty name is the service’s business')],
        ['v', Buffer.alloc(0)],
      ]);
      const { credential, session } = await create({ data: odd });
      expect(session).toMatchObject({ userId: user, version: 1, idleTtlMs: 60_000, handle: credential.handle });
      expect(session.absoluteEndMs - session.createdAtMs).toBe(600_000);
      const found = await read(credential);
      expect(found).toMatchObject({ userId: user, version: 1, createdAtMs: session.createdAtMs });
      expect([...(found?.data ?? [])].sort()).toEqual([...odd].sort());
      expect(await read({ ...credential, verifier: `${credential.verifier}x` })).toBeUndefined();
      expect(await read({ ...credential, verifier: '' })).toBeUndefined();
    });

    test('rejects a second session for a handle in use', async () => {
      const { credential } = await create();
      const again = { credential, userId: '', data: new Map(), idleTtlMs: 1, absoluteTtlMs: 1, labels: new Map() };
      expect(await store.create(again, deadline())).toEqual({ outcome: 'exists' });
      expect(await read(credential)).toMatchObject({ userId: user });
    });

    test('sets and removes fields, and increments the version with each change of data', async () => {
      const { credential } = await create();
      expect(await update(credential, { change: set('a', '1') })).toMatchObject({ outcome: 'updated', version: 2 });
      expect(await update(credential, {})).toMatchObject({ outcome: 'updated', version: 2 });
      const removal = { set: new Map(), remove: new Set(['cart', 'never there']) };
      expect(await update(credential, { change: removal, ifVersion: 2 })).toMatchObject({ version: 3 });
      expect(await update(credential, { change: set('b', '2'), ifVersion: 2 })).toEqual({
        outcome: 'version_conflict',
        version: 3,
      });
      expect((await read(credential))?.data).toEqual(new Map([['a', Buffer.from('1')]]));
    });

    test('rejects a change that exceeds the bounds of data, and applies no part of it', async () => {
      const { credential } = await create();
      const big = { set: new Map([['big', Buffer.alloc(262_000)]]), remove: new Set<string>() };
      expect(await update(credential, { change: big })).toMatchObject({ outcome: 'updated', version: 2 });
      const more = { set: new Map([['more', Buffer.alloc(200)]]), remove: new Set<string>() };
      expect(await update(credential, { change: more })).toEqual({ outcome: 'too_large', fields: 3, bytes: 262_217 });
      expect(await rotate({ selector: 'x', credential }, { change: more })).toMatchObject({
        outcome: { outcome: 'too_large', bytes: 262_217 },
      });
      const swap = { set: more.set, remove: new Set(['big']) };
      expect(await update(credential, { change: swap })).toMatchObject({ outcome: 'updated', version: 3 });
      const many = new Map(Array.from({ length: 255 }, (_, index) => [`f${index}`, Buffer.from('x')] as const));
      expect(await update(credential, { change: { set: many, remove: new Set() } })).toMatchObject({
        outcome: 'too_large',
        fields: 257,
      });
    });

    test('a session ends after its idle timeout without use, and leaves nothing behind', async () => {
      const { credential } = await create({ idleTtlMs: 300 });
      await fixture.eventually('the idle end', 301, async () => (await read(credential)) === undefined);
      // Redis deletes an expired key one millisecond after its expiry.
      await fixture.eventually('nothing left', 1, async () => !(await fixture.holds(credential.handle)));
      expect(await update(credential, { change: set('a', '1') })).toEqual({ outcome: 'not_found' });
      expect((await rotate({ selector: 'x', credential })).outcome).toEqual({ outcome: 'not_found' });
      expect(await fixture.holds(credential.handle)).toBe(false);
    });

    test('a session ends at its absolute expiry, however often it is used', async () => {
      const { credential } = await create({ idleTtlMs: 300, absoluteTtlMs: 700 });
      const used = async () => (await read(credential, true)) === undefined;
      for (let step = 0; step < 3; step += 1) {
        await fixture.eventually('a use', 200, async () => !(await used()));
      }
      await fixture.eventually('the absolute end', 101, used);
    });

    test('a touch renews the idle timeout, a peek does not', async () => {
      const { credential, session } = await create();
      await fixture.eventually('a later peek', 1_001, async () => {
        const found = await read(credential);
        expect(found?.lastSeenAtMs).toBe(session.lastSeenAtMs);
        const touched = await read(credential, true);
        return (touched?.lastSeenAtMs ?? 0) > session.lastSeenAtMs;
      });
    });

    test('an update sets new timeouts, the absolute one counted from now and at most 30 days after creation', async () => {
      const { credential, session } = await create();
      const updated = await update(credential, { idleTtlMs: 5_000 });
      const expiresAtMs = updated.outcome === 'updated' ? updated.expiresAtMs : 0;
      expect(expiresAtMs - session.createdAtMs).toBeGreaterThanOrEqual(5_000);
      expect(expiresAtMs - session.createdAtMs).toBeLessThan(60_000);
      await update(credential, { absoluteTtlMs: 30 * 86_400_000 });
      expect((await read(credential))?.absoluteEndMs).toBe(session.createdAtMs + 30 * 86_400_000);
    });

    test('a login by rotation invalidates the old id at once, keeps the handle and changes the user', async () => {
      const guest = await create({ userId: '' });
      const { issued, outcome } = await rotate(guest, { userId: user, change: set('name', 'Ann') });
      expect(outcome).toMatchObject({ outcome: 'rotated', session: { userId: user, version: 2 } });
      expect(issued.credential.handle).toBe(guest.credential.handle);
      expect(await read(guest.credential)).toBeUndefined();
      expect(await update(guest.credential, { change: set('a', '1') })).toEqual({ outcome: 'not_found' });
      expect(await read(issued.credential)).toMatchObject({ userId: user });
      expect(await store.list(user, deadline())).toHaveLength(1);
      const loggedOut = await rotate(issued, { userId: '' });
      expect(loggedOut.outcome).toMatchObject({ outcome: 'rotated', session: { userId: '' } });
      await fixture.eventually('the empty list', 0, async () => (await store.list(user, deadline())).length === 0);
      await store.endUserSessions(user, undefined, deadline());
      expect(await read(loggedOut.issued.credential)).toMatchObject({ userId: '' });
    });

    test('within its grace period the old id can read and nothing else', async () => {
      const old = await create();
      const { issued } = await rotate(old, { graceMs: 500, userId: user });
      expect(await read(old.credential, true)).toMatchObject({ userId: user });
      expect(await update(old.credential, { change: set('a', '1') })).toEqual({ outcome: 'not_found' });
      expect((await rotate(old)).outcome).toEqual({ outcome: 'not_found' });
      expect(await store.delete(old.credential, deadline())).toBe(false);
      expect(await store.endUserSessions(user, old.credential, deadline())).toEqual({ outcome: 'not_found' });
      await fixture.eventually('the end of grace', 501, async () => (await read(old.credential)) === undefined);
      expect(await read(issued.credential)).toMatchObject({ version: 1 });
      expect((await rotate(issued, { graceMs: 1, userId: '' })).outcome).toEqual({ outcome: 'grace_refused' });
    });

    test('exactly one of several rotations of one id takes effect', async () => {
      const old = await create();
      const all = await Promise.all(Array.from({ length: 8 }, () => rotate(old)));
      const won = all.filter(({ outcome }) => outcome.outcome === 'rotated');
      expect(won).toHaveLength(1);
      expect(await read(won[0]?.issued.credential ?? old.credential)).toMatchObject({ userId: user });
    });

    test('deletes by id and by handle, once, and no later write revives the session', async () => {
      const first = await create();
      const second = await create();
      expect(await store.delete({ ...first.credential, verifier: 'other' }, deadline())).toBe(false);
      expect(await store.delete(first.credential, deadline())).toBe(true);
      expect(await store.delete(first.credential, deadline())).toBe(false);
      expect(await store.delete({ handle: second.credential.handle, verifier: undefined }, deadline())).toBe(true);
      for (const { selector, credential } of [first, second]) {
        expect(await update(credential, { change: set('a', '1'), idleTtlMs: 60_000 })).toEqual({
          outcome: 'not_found',
        });
        expect((await rotate({ selector, credential }, { userId: user })).outcome).toEqual({ outcome: 'not_found' });
        expect(await read(credential, true)).toBeUndefined();
        expect(await fixture.holds(credential.handle)).toBe(false);
      }
      expect(await store.list(user, deadline())).toEqual([]);
    });

    test('lists the live sessions of the user, newest first, with their labels', async () => {
      const made = [];
      for (let index = 0; index < 3; index += 1) {
        const created = await create({ labels: new Map([['number', String(index)]]) });
        await fixture.eventually('another millisecond', 1, async () => true);
        made.push(created);
      }
      await create({ userId: '' });
      await create({ userId: `${user}-other` });
      const listed = await store.list(user, deadline());
      expect(new Set(listed.map(({ handle }) => handle))).toEqual(new Set(made.map(({ session }) => session.handle)));
      const times = listed.map(({ createdAtMs }) => createdAtMs);
      expect(times).toEqual([...times].sort((left, right) => right - left));
      expect(new Set(listed.map(({ labels }) => labels.get('number')))).toEqual(new Set(['0', '1', '2']));
    });

    test('a logout everywhere ends all earlier sessions and none created later', async () => {
      const before = [await create(), await create()];
      expect(await store.endUserSessions(user, undefined, deadline())).toEqual({ outcome: 'ended', deleted: 2 });
      for (const { selector, credential } of before) {
        expect(await read(credential)).toBeUndefined();
        expect((await rotate({ selector, credential }, { userId: `${user}-b` })).outcome).toEqual({
          outcome: 'not_found',
        });
        expect(await fixture.holds(credential.handle)).toBe(false);
      }
      const later = await create();
      expect(await read(later.credential)).toMatchObject({ userId: user });
      expect(await store.endUserSessions(`${user}-unknown`, undefined, deadline())).toEqual({
        outcome: 'ended',
        deleted: 0,
      });
    });

    test('a logout everywhere keeps the excepted session, through rotations, until the next one without it', async () => {
      const kept = await create();
      const others = [await create(), await create()];
      expect(await store.endUserSessions(user, kept.credential, deadline())).toEqual({ outcome: 'ended', deleted: 2 });
      expect(await read(kept.credential)).toMatchObject({ userId: user });
      expect(await store.endUserSessions(user, others[0]?.credential, deadline())).toEqual({ outcome: 'not_found' });
      const rotated = await rotate(kept, { userId: user });
      expect(rotated.outcome).toMatchObject({ outcome: 'rotated' });
      expect(await store.list(user, deadline())).toHaveLength(1);
      expect(await store.endUserSessions(user, rotated.issued.credential, deadline())).toMatchObject({ deleted: 0 });
      expect(await read(rotated.issued.credential)).toMatchObject({ userId: user });
      const stranger = await create({ userId: `${user}-b` });
      expect(await store.endUserSessions(user, stranger.credential, deadline())).toEqual({ outcome: 'not_found' });
      const last = await create();
      expect(await store.endUserSessions(user, last.credential, deadline())).toMatchObject({ deleted: 1 });
      expect(await read(rotated.issued.credential)).toBeUndefined();
      expect(await read(last.credential)).toMatchObject({ userId: user });
    });

    test('bounds the list, not the number of sessions', async () => {
      const first = await create();
      for (let index = 0; index < MAX_LISTED_SESSIONS; index += 50) {
        await Promise.all(Array.from({ length: 50 }, () => create()));
      }
      const listed = await store.list(user, deadline());
      expect(listed).toHaveLength(MAX_LISTED_SESSIONS + 1 - LISTED_SESSIONS_DROPPED);
      expect(listed.some(({ handle }) => handle === first.credential.handle)).toBe(false);
      expect(await read(first.credential)).toMatchObject({ userId: user });
      // No list contains this session, so only the new generation ends it. A rotation to another user must not revive
      // the session either.
      await store.endUserSessions(user, undefined, deadline());
      expect((await rotate(first, { userId: `${user}-b` })).outcome).toEqual({ outcome: 'not_found' });
      expect(await read(first.credential)).toBeUndefined();
    }, 30_000);

    test('stores no part of an id', async () => {
      const made = await create();
      const { issued } = await rotate(made, { graceMs: 1_000 });
      const text = (await fixture.dump()).join('\n');
      for (const { sessionId } of [made, issued]) {
        for (const part of sessionId.split('.')) {
          expect(text.includes(part)).toBe(false);
        }
      }
    });
  });
}
