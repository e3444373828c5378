/**
 * Contract tests of the cache stores. The test file of each store runs these tests; store-histories.ts adds random
 * histories.
 */
import { randomBytes } from 'node:crypto';
import type { CacheStore, CacheWrite, StoredValue } from '../../../src/cache/store.ts';
import { waitFor } from '../wait.ts';

export interface CacheStoreFixture {
  readonly store: CacheStore;
  close(): Promise<void>;
}

export function cacheStoreContract(name: string, setUp: () => Promise<CacheStoreFixture>): void {
  describe(`cache store contract: ${name}`, () => {
    let fixture: CacheStoreFixture;
    let store: CacheStore;
    let namespace: string;

    beforeAll(async () => {
      fixture = await setUp();
      store = fixture.store;
    });

    afterAll(async () => {
      await fixture.close();
    });

    beforeEach(() => {
      namespace = `n${randomBytes(6).toString('hex')}`;
    });

    function write(key: Buffer | string, options: Partial<CacheWrite> = {}) {
      return store.write(
        {
          namespace,
          key: Buffer.from(key),
          value: Buffer.from('value'),
          absent: false,
          ttlMs: 60_000,
          tags: [],
          condition: { kind: 'none' },
          ...options,
        },
        deadline(),
      );
    }

    async function read(key: Buffer | string): Promise<StoredValue | undefined> {
      return await store.read(namespace, Buffer.from(key), deadline());
    }

    test('returns undefined for a key that was never written', async () => {
      expect(await read('k')).toBeUndefined();
    });

    test('returns a written value with its version, tags, age and remaining TTL', async () => {
      const outcome = await write('k', { value: Buffer.from('v1'), tags: ['a', 'b'], ttlMs: 5_000 });
      const value = await read('k');
      expect(value?.value.toString()).toBe('v1');
      expect(value?.absent).toBe(false);
      expect([...(value?.tags ?? [])].sort()).toEqual(['a', 'b']);
      expect(outcome).toEqual({ stored: true, version: value?.version });
      expect(value?.ttlMs).toBeGreaterThan(0);
      expect(value?.ttlMs).toBeLessThanOrEqual(5_000);
      expect(value?.ageMs).toBeGreaterThanOrEqual(0);
      expect((value?.ageMs ?? 0) + (value?.ttlMs ?? 0)).toBeLessThanOrEqual(5_001);
    });

    test('returns the last write, and gives each write a different version', async () => {
      const versions = new Set<string>();
      for (const text of ['v1', 'v2', 'v2']) {
        const outcome = await write('k', { value: Buffer.from(text) });
        versions.add(outcome.stored ? outcome.version.toString('hex') : '');
      }
      expect(versions.size).toBe(3);
      expect((await read('k'))?.value.toString()).toBe('v2');
    });

    test('returns an absent entry with an empty value', async () => {
      await write('k', { value: Buffer.alloc(0), absent: true });
      expect(await read('k')).toMatchObject({ absent: true, value: Buffer.alloc(0) });
    });

    test('distinguishes an empty value from an absent entry', async () => {
      await write('k', { value: Buffer.alloc(0) });
      expect(await read('k')).toMatchObject({ absent: false, value: Buffer.alloc(0) });
    });

    test('expires an entry after its TTL', async () => {
      await write('k', { ttlMs: 60 });
      await waitFor('the expiry of the entry', async () => (await read('k')) === undefined, 5_000);
    });

    test('stores keys and values that are not valid UTF-8 or contain separators of key names', async () => {
      const keys = [
        Buffer.of(0xfe),
        Buffer.of(0xff),
        Buffer.of(0),
        Buffer.of(0, 0),
        Buffer.from([0xc3, 0x28]),
        Buffer.from('{a}:b'),
        Buffer.from('{a}'),
        Buffer.from(':'),
        Buffer.alloc(1_024, 0xff),
        Buffer.alloc(1_023, 0xff),
      ];
      for (const [index, key] of keys.entries()) {
        await write(key, { value: Buffer.of(index, 0, 255, 10, 13) });
      }
      for (const [index, key] of keys.entries()) {
        expect((await read(key))?.value).toEqual(Buffer.of(index, 0, 255, 10, 13));
      }
    });

    test('a value of 1 MiB and 16 tags of 128 bytes are kept', async () => {
      const value = randomBytes(1_048_576);
      const tags = Array.from({ length: 16 }, (_, index) => String(index).padStart(128, 't'));
      await write('k', { value, tags });
      const back = await read('k');
      expect(back?.value.equals(value)).toBe(true);
      expect([...(back?.tags ?? [])].sort()).toEqual([...tags].sort());
    });

    test('separates the keys of different namespaces', async () => {
      await write('k', { value: Buffer.from('mine') });
      await write('k', { namespace: `${namespace}.other`, value: Buffer.from('theirs') });
      expect((await read('k'))?.value.toString()).toBe('mine');
      await store.flush(`${namespace}.other`, deadline());
      expect((await read('k'))?.value.toString()).toBe('mine');
    });

    test('accepts TTLs of 1 ms, 2^31 ms and 30 days', async () => {
      await write('k', { ttlMs: 1 });
      await waitFor('the expiry of the entry', async () => (await read('k')) === undefined, 5_000);
      for (const ttlMs of [2 ** 31, 30 * 86_400_000]) {
        await write('k', { ttlMs });
        const left = (await read('k'))?.ttlMs ?? 0;
        expect(left).toBeLessThanOrEqual(ttlMs);
        expect(left).toBeGreaterThan(ttlMs - 60_000);
      }
    });

    test('replaces the tags with each write, so removing an old tag does not invalidate the entry', async () => {
      await write('k', { tags: ['old', 'both'] });
      await write('k', { tags: ['both', 'new'] });
      await store.removeTags(namespace, ['old'], deadline());
      expect((await read('k'))?.tags).toEqual(['both', 'new']);
      await store.removeTags(namespace, ['new'], deadline());
      expect(await read('k')).toBeUndefined();
    });

    test('flushes only the namespace itself, not others whose names have the same prefix', async () => {
      for (const suffix of ['1', '2', '1.x']) {
        await write('k', { namespace: `${namespace}${suffix}` });
      }
      await store.flush(`${namespace}1`, deadline());
      const found = await Promise.all(
        ['1', '2', '1.x'].map((suffix) => store.read(`${namespace}${suffix}`, Buffer.from('k'), deadline())),
      );
      expect(found.map((entry) => entry !== undefined)).toEqual([false, true, true]);
    });

    test('returns the same bucket position in all reads until the next change of the bucket', async () => {
      await write('k');
      const first = (await read('k'))?.mark;
      expect((await read('k'))?.mark).toEqual(first);
      const [many] = await store.readMany(namespace, [Buffer.from('k')], {
        deadlineAtMs: deadline(),
        budgetBytes: 1e6,
      });
      expect(many?.outcome === 'hit' ? many.entry.mark : undefined).toEqual(first);
      expect(first?.stamp).toHaveLength(8);
      await write('k');
      const second = (await read('k'))?.mark;
      expect(second).toEqual({
        incarnation: first?.incarnation,
        number: (first?.number ?? 0) + 1,
        stamp: second?.stamp,
      });
      expect(second?.stamp).not.toBe(first?.stamp);
    });

    describe('if_absent', () => {
      const condition = { kind: 'if_absent' } as const;

      test('does not store over an empty value', async () => {
        await write('k', { value: Buffer.alloc(0) });
        expect(await write('k', { condition })).toEqual({ stored: false });
      });

      test('stores if there is no entry, and does not replace a value', async () => {
        expect(await write('k', { condition, value: Buffer.from('v1') })).toMatchObject({ stored: true });
        expect(await write('k', { condition, value: Buffer.from('v2') })).toEqual({ stored: false });
        expect((await read('k'))?.value.toString()).toBe('v1');
      });

      test('replaces an absent entry with or without tags', async () => {
        for (const tags of [[], ['t']]) {
          await write('k', { value: Buffer.alloc(0), absent: true, tags });
          expect(await write('k', { condition })).toMatchObject({ stored: true });
        }
      });

      test('replaces an entry that was removed, flushed or invalidated by a tag', async () => {
        await write('k');
        await store.remove(namespace, [Buffer.from('k')], deadline());
        expect(await write('k', { condition })).toMatchObject({ stored: true });
        await store.flush(namespace, deadline());
        expect(await write('k', { condition, tags: ['t'] })).toMatchObject({ stored: true });
        expect(await write('k', { condition, tags: ['t'] })).toEqual({ stored: false });
        await store.removeTags(namespace, ['t'], deadline());
        expect(await write('k', { condition, tags: ['t'] })).toMatchObject({ stored: true });
      });

      test('stores exactly one of many concurrent writes', async () => {
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, (_, index) => write('k', { condition, value: Buffer.of(index), tags: ['t'] })),
        );
        expect(outcomes.filter((outcome) => outcome.stored)).toHaveLength(1);
      });
    });

    describe('if_version', () => {
      test('replaces only the entry with the expected version', async () => {
        for (const tags of [[], ['t']]) {
          const first = versionOf(await write('k', { tags }));
          const second = versionOf(await write('k', { tags }));
          expect(await write('k', { condition: { kind: 'if_version', version: first } })).toEqual({ stored: false });
          expect(await write('k', { condition: { kind: 'if_version', version: second } })).toMatchObject({
            stored: true,
          });
        }
      });

      test('does not store if the entry never existed, was removed or flushed, or its tag was removed', async () => {
        const unknown = versionOf(await write('other'));
        expect(await write('k', { condition: { kind: 'if_version', version: unknown } })).toEqual({ stored: false });
        const removed = versionOf(await write('k'));
        await store.remove(namespace, [Buffer.from('k')], deadline());
        expect(await write('k', { condition: { kind: 'if_version', version: removed } })).toEqual({ stored: false });
        const flushed = versionOf(await write('k'));
        await store.flush(namespace, deadline());
        expect(await write('k', { condition: { kind: 'if_version', version: flushed } })).toEqual({ stored: false });
        const tagged = versionOf(await write('k', { tags: ['t'] }));
        await store.removeTags(namespace, ['t'], deadline());
        expect(await write('k', { condition: { kind: 'if_version', version: tagged } })).toEqual({ stored: false });
      });

      test('accepts unknown versions of any length and stores nothing', async () => {
        await write('k');
        for (const version of [Buffer.of(1), randomBytes(24), randomBytes(64)]) {
          expect(await write('k', { condition: { kind: 'if_version', version } })).toEqual({ stored: false });
        }
      });
    });

    test('remove counts each key with a value once, and keeps other keys', async () => {
      await write('a');
      await write('b');
      await write('c', { value: Buffer.alloc(0), absent: true });
      const keys = ['a', 'a', 'c', 'd'].map((key) => Buffer.from(key));
      expect(await store.remove(namespace, keys, deadline())).toBe(1);
      expect(await store.remove(namespace, keys, deadline())).toBe(0);
      expect(await read('a')).toBeUndefined();
      expect(await read('c')).toBeUndefined();
      expect(await read('b')).toBeDefined();
    });

    test('remove accepts 1,000 keys', async () => {
      const keys = Array.from({ length: 1_000 }, (_, index) => Buffer.from(`key-${index}`));
      await Promise.all(keys.map((key) => write(key)));
      expect(await store.remove(namespace, keys, deadline())).toBe(1_000);
    });

    test('removeTags invalidates entries with one of the tags, but not later writes', async () => {
      await write('a', { tags: ['t1', 't2'] });
      await write('b', { tags: ['t2'] });
      await write('c', { tags: ['t3'] });
      await write('d');
      await store.removeTags(namespace, ['t1', 'never'], deadline());
      expect(await read('a')).toBeUndefined();
      expect(await read('b')).toBeDefined();
      await store.removeTags(namespace, ['t2'], deadline());
      expect(await read('b')).toBeUndefined();
      expect(await read('c')).toBeDefined();
      expect(await read('d')).toBeDefined();
      await write('b', { tags: ['t2'] });
      expect(await read('b')).toBeDefined();
      expect(await read('a')).toBeUndefined();
    });

    test('flush invalidates all entries of the namespace, but not later writes', async () => {
      const keys = Array.from({ length: 300 }, (_, index) => Buffer.from(`key-${index}`));
      await Promise.all(keys.map((key) => write(key)));
      await store.flush(namespace, deadline());
      const after = await store.readMany(namespace, keys, { deadlineAtMs: deadline(), budgetBytes: 1e9 });
      expect(after.every((result) => result.outcome === 'miss')).toBe(true);
      expect(await store.remove(namespace, keys, deadline())).toBe(0);
      await write('key-7');
      expect(await read('key-7')).toBeDefined();
      expect(await read('key-8')).toBeUndefined();
    });

    describe('readMany', () => {
      function readMany(keys: readonly string[], budgetBytes: number) {
        const buffers = keys.map((key) => Buffer.from(key));
        return store.readMany(namespace, buffers, { deadlineAtMs: deadline(), budgetBytes });
      }

      test('returns results in the order of the keys', async () => {
        await write('a', { value: Buffer.from('1'), tags: ['t'] });
        await write('b', { value: Buffer.from('2') });
        const results = await readMany(['b', 'none', 'a', 'b'], 1e6);
        expect(results.map((result) => result.outcome)).toEqual(['hit', 'miss', 'hit', 'hit']);
        expect(results.map((result) => (result.outcome === 'hit' ? result.entry.value.toString() : ''))).toEqual([
          '2',
          '',
          '1',
          '2',
        ]);
        await store.removeTags(namespace, ['t'], deadline());
        expect((await readMany(['a'], 1e6))[0]).toEqual({ outcome: 'miss' });
      });

      test('skips entries that do not fit the budget, and returns later ones that do', async () => {
        await write('small', { value: randomBytes(1_000) });
        await write('large', { value: randomBytes(300_000) });
        await write('larger', { value: randomBytes(900_000) });
        const results = await readMany(['small', 'larger', 'large', 'small'], 400_000);
        expect(results.map((result) => result.outcome)).toEqual(['hit', 'skipped', 'hit', 'hit']);
        const all = await readMany(['larger', 'large'], 2_000_000);
        expect(all.map((result) => result.outcome)).toEqual(['hit', 'hit']);
      });
    });
  });
}

export function deadline(): number {
  return performance.now() + 5_000;
}

function versionOf(outcome: { stored: boolean; version?: Buffer }): Buffer {
  expect(outcome.stored).toBe(true);
  return outcome.version ?? Buffer.alloc(0);
}
