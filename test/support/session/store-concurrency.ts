/**
 * Concurrency suite that every store of sessions must pass: many callers use the store at the same time.
 */
import { randomBytes } from 'node:crypto';
import { type IssuedSessionId, issueSessionId } from '../../../src/session/model.ts';
import type { SessionStore, SessionUpdate } from '../../../src/session/store.ts';
import { createIn } from './steps.ts';
import type { SessionStoreFixture } from './stores.ts';

const NO_REMOVALS = new Set<string>();
/** Idle timeout of sessions whose renewal is due after 2 ms. */
const SHORT_IDLE_MS = 200;

function deadline(): number {
  return performance.now() + 10_000;
}

export function sessionStoreConcurrency(name: string, setUp: () => Promise<SessionStoreFixture>): void {
  describe(`session store, concurrent callers: ${name}`, () => {
    let fixture: SessionStoreFixture;
    let store: SessionStore;

    beforeAll(async () => {
      fixture = await setUp();
      store = fixture.store;
    }, 60_000);

    afterAll(async () => {
      await fixture?.close();
    });

    function change(values: Readonly<Record<string, string>>) {
      const set = new Map(Object.entries(values).map(([field, value]) => [field, Buffer.from(value)]));
      return { set, remove: NO_REMOVALS };
    }

    async function update({ credential }: IssuedSessionId, options: Partial<SessionUpdate>) {
      const unset = { ifVersion: undefined, idleTtlMs: undefined, absoluteTtlMs: undefined };
      return await store.update(credential, { change: change({}), ...unset, ...options }, deadline());
    }

    async function rotate(old: IssuedSessionId) {
      const issued = issueSessionId(randomBytes, old.selector);
      const { verifier } = issued.credential;
      const rotation = { verifier, userId: undefined, change: change({}), graceMs: 0 };
      return { issued, outcome: await store.rotate(old.credential, rotation, deadline()) };
    }

    async function read({ credential }: IssuedSessionId, touch = false) {
      return await store.read(credential, { touch }, deadline());
    }

    test('50 concurrent updates result in 50 fields and 50 versions', async () => {
      const session = await createIn(store);
      const fields = Array.from({ length: 50 }, (_, index) => `field-${index}`);
      const outcomes = await Promise.all(fields.map((field) => update(session, { change: change({ [field]: '1' }) })));
      expect(new Set(outcomes.map((outcome) => outcome.outcome === 'updated' && outcome.version)).size).toBe(50);
      const found = await read(session);
      expect(found?.version).toBe(51);
      expect(new Set(found?.data.keys())).toEqual(new Set(fields));
    });

    test('8 callers that each count to 5 with if_version count to 40', async () => {
      const session = await createIn(store);
      async function increment(): Promise<void> {
        for (;;) {
          const found = await read(session);
          const count = Number(found?.data.get('count') ?? 0) + 1;
          const outcome = await update(session, {
            change: change({ count: String(count) }),
            ifVersion: found?.version,
          });
          if (outcome.outcome !== 'version_conflict') {
            return;
          }
        }
      }
      async function countToFive(): Promise<void> {
        for (let step = 0; step < 5; step += 1) {
          await increment();
        }
      }
      await Promise.all(Array.from({ length: 8 }, countToFive));
      expect((await read(session))?.data.get('count')?.toString()).toBe('40');
    });

    test('exactly one of 20 rotations of one id takes effect', async () => {
      const session = await createIn(store);
      const all = await Promise.all(Array.from({ length: 20 }, () => rotate(session)));
      expect(all.filter(({ outcome }) => outcome.outcome === 'rotated')).toHaveLength(1);
      expect(all.filter(({ outcome }) => outcome.outcome === 'not_found')).toHaveLength(19);
    });

    test('150 rounds of update, rotation and renewal against a deletion revive no session', async () => {
      for (let round = 0; round < 150; round += 1) {
        const session = await createIn(store, { userId: round % 2 === 0 ? 'ann' : '', idleTtlMs: SHORT_IDLE_MS });
        const steps = [
          () => update(session, { change: change({ a: '1' }), absoluteTtlMs: 1_000_000 }),
          () => read(session, true),
          () => rotate(session),
          () => read(session, true),
        ];
        // The deletion has a different position among the steps in successive rounds.
        steps.splice(round % 5, 0, async () => {
          const target = { handle: session.credential.handle, verifier: undefined };
          return (await store.delete(target, deadline())) as never;
        });
        await Promise.all(steps.map((step) => step()));
        expect(await fixture.holds(session.credential.handle)).toBe(false);
      }
      expect(await fixture.keysWithoutTtl()).toEqual([]);
    });

    test('60 rounds of update against rotation lose no acknowledged change', async () => {
      let acknowledged = 0;
      for (let round = 0; round < 60; round += 1) {
        const session = await createIn(store, { userId: 'ann' });
        const [updated, rotated] = await Promise.all([
          update(session, { change: change({ kept: 'yes' }) }),
          rotate(session),
        ]);
        expect(rotated.outcome.outcome).toBe('rotated');
        const value = (await read(rotated.issued))?.data.get('kept')?.toString();
        expect(value).toBe(updated.outcome === 'updated' ? 'yes' : undefined);
        acknowledged += updated.outcome === 'updated' ? 1 : 0;
      }
      expect(acknowledged).toBeGreaterThan(0);
    }, 60_000);

    test('25 rounds of 20 creations against a logout everywhere: no earlier session stays valid, and the list equals the valid sessions', async () => {
      for (let round = 0; round < 25; round += 1) {
        const userId = `racer-${round}`;
        const before = [await createIn(store, { userId }), await createIn(store, { userId })];
        const [created] = await Promise.all([
          Promise.all(Array.from({ length: 20 }, () => createIn(store, { userId }))),
          store.endUserSessions(userId, undefined, deadline()),
        ]);
        for (const session of before) {
          expect(await read(session)).toBeUndefined();
        }
        const valid = new Set<string>();
        for (const session of created) {
          if ((await read(session)) !== undefined) {
            valid.add(session.credential.handle);
          }
        }
        const listed = await store.list(userId, deadline());
        expect(new Set(listed.map(({ handle }) => handle))).toEqual(valid);
      }
    }, 60_000);

    test('keeps unusual names of fields and labels and data of the maximum size exactly, without side effects', async () => {
      const names = ['__proto__', 'constructor', 'nul\u0000', '🧺', '\u00e9', 'e\u0301', 'v', 'f:v', 'x'.repeat(256)];
      const data = new Map(names.map((field, index) => [field, Buffer.from([index, 0, 255, 10, 13])] as const));
      const labels = new Map(names.slice(0, -1).map((label, index) => [label, `value ${index}\u0000`] as const));
      const session = await createIn(store, { userId: 'odd', data, labels });
      expect((await read(session))?.data).toEqual(data);
      const listed = await store.list('odd', deadline());
      expect(listed.map((entry) => entry.labels)).toEqual([labels]);
      for (const field of names) {
        await update(session, { change: { set: new Map([[field, Buffer.from('new')]]), remove: NO_REMOVALS } });
        data.set(field, Buffer.from('new'));
        expect((await read(session))?.data).toEqual(data);
      }
      await update(session, { change: { set: new Map(), remove: new Set(names) } });
      expect((await read(session))?.data.size).toBe(0);
      const largest = new Map([['x', randomBytes(262_143)]]);
      await update(session, { change: { set: largest, remove: NO_REMOVALS } });
      expect((await read(session))?.data).toEqual(largest);
    });
  });
}
