/**
 * BoundedMap: its bounds, its order and its expiry, against a plain model.
 */
import fc from 'fast-check';
import { BoundedMap, type EvictionReason } from './bounded-map.ts';

interface Evicted {
  key: string;
  reason: EvictionReason;
}

function createMap(options: { maxEntries?: number; maxBytes?: number } = {}): {
  map: BoundedMap<string>;
  evicted: Evicted[];
} {
  const evicted: Evicted[] = [];
  const map = new BoundedMap<string>({
    maxEntries: options.maxEntries ?? 3,
    maxBytes: options.maxBytes ?? 1_000_000,
    onEvict: (key, _value, reason) => evicted.push({ key, reason }),
  });
  return { map, evicted };
}

const forever = { bytes: 10, expiresAtMs: Number.POSITIVE_INFINITY, nowMs: 0 };

test('evicts the least recently used when an entry is one too many', () => {
  const { map, evicted } = createMap();
  for (const key of ['a', 'b', 'c']) {
    map.set(key, key, forever);
  }
  expect(map.get('a', 0)).toBe('a');
  map.set('d', 'd', forever);
  expect([...map.keys()]).toEqual(['c', 'a', 'd']);
  expect(evicted).toEqual([{ key: 'b', reason: 'evicted' }]);
});

test('peek does not count as use', () => {
  const { map } = createMap();
  for (const key of ['a', 'b', 'c']) {
    map.set(key, key, forever);
  }
  expect(map.peek('a', 0)).toBe('a');
  map.set('d', 'd', forever);
  expect(map.peek('a', 0)).toBeUndefined();
});

test('never returns an expired entry, and tells of it once', () => {
  const { map, evicted } = createMap();
  map.set('a', 'a', { bytes: 10, expiresAtMs: 5, nowMs: 0 });
  expect(map.get('a', 4)).toBe('a');
  expect(map.get('a', 5)).toBeUndefined();
  expect(map.get('a', 6)).toBeUndefined();
  expect(evicted).toEqual([{ key: 'a', reason: 'expired' }]);
  expect(map.bytes).toBe(0);
});

test('refuses an entry that alone is larger than the map, and keeps what it has', () => {
  const { map } = createMap({ maxBytes: 500 });
  map.set('a', 'a', forever);
  expect(map.set('b', 'b', { ...forever, bytes: 1_000 })).toBe(false);
  expect([...map.keys()]).toEqual(['a']);
});

test('isFullFor counts only what is alive', () => {
  const { map } = createMap();
  map.set('a', 'a', { ...forever, expiresAtMs: 5 });
  map.set('b', 'b', forever);
  map.set('c', 'c', forever);
  expect(map.isFullFor('d', 10, 4)).toBe(true);
  expect(map.isFullFor('b', 10, 4)).toBe(false);
  expect(map.isFullFor('d', 10, 5)).toBe(false);
});

test('refuses to be built without bounds', () => {
  expect(() => new BoundedMap({ maxEntries: Number.POSITIVE_INFINITY, maxBytes: 1 })).toThrow(RangeError);
  expect(() => new BoundedMap({ maxEntries: 1, maxBytes: 0 })).toThrow(RangeError);
});

test('keeps its bounds and its byte count through random histories', () => {
  const step = fc.record({
    key: fc.constantFrom('a', 'bb', 'ccc', 'dddd', 'eeeee', 'ffffff'),
    kind: fc.constantFrom('set', 'get', 'delete', 'sweep'),
    bytes: fc.nat(400),
    lifeMs: fc.integer({ min: 1, max: 20 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { map } = createMap({ maxEntries: 4, maxBytes: 1_000 });
      const lives = new Map<string, number>();
      steps.forEach(({ key, kind, bytes, lifeMs }, nowMs) => {
        if (kind === 'set') {
          map.set(key, key, { bytes, expiresAtMs: nowMs + lifeMs, nowMs });
          lives.set(key, nowMs + lifeMs);
        } else if (kind === 'get') {
          const value = map.get(key, nowMs);
          expect(value === undefined || (value === key && (lives.get(key) ?? 0) > nowMs)).toBe(true);
        } else if (kind === 'delete') {
          map.delete(key);
          expect(map.peek(key, nowMs)).toBeUndefined();
        } else {
          map.sweep(nowMs, 10);
        }
        expect(map.size).toBeLessThanOrEqual(4);
        expect(map.bytes).toBeLessThanOrEqual(1_000);
      });
      for (const key of [...map.keys()]) {
        map.delete(key);
      }
      expect(map.bytes).toBe(0);
    }),
  );
});

test('a full map is not looked through for every call that it refuses, and has room once something expired', () => {
  let sweeps = 0;
  class Counted extends BoundedMap<string> {
    override sweep(nowMs: number, limit: number): number {
      sweeps += 1;
      return super.sweep(nowMs, limit);
    }
  }
  const map = new Counted({ maxEntries: 3, maxBytes: 1_000_000 });
  for (const [index, key] of ['a', 'b', 'c'].entries()) {
    map.set(key, key, { bytes: 1, expiresAtMs: 100 + index, nowMs: 0 });
  }
  for (let nowMs = 0; nowMs < 100; nowMs += 1) {
    expect(map.isFullFor('d', 1, nowMs)).toBe(true);
  }
  expect(sweeps).toBe(0);
  expect(map.isFullFor('d', 1, 100)).toBe(false);
  map.set('d', 'd', { bytes: 1, expiresAtMs: 50_000, nowMs: 100 });
  // The one that would end first lives longer now: one look in vain, then none before the next end.
  map.set('b', 'b', { bytes: 1, expiresAtMs: 500, nowMs: 100 });
  expect(map.isFullFor('e', 1, 101)).toBe(true);
  expect(map.isFullFor('e', 1, 101)).toBe(true);
  expect(map.isFullFor('e', 1, 102)).toBe(false);
  expect(sweeps).toBe(3);
});

test('whether there is room is the same as without remembering what expires first', () => {
  const step = fc.record({
    key: fc.nat(8).map(String),
    lifeMs: fc.integer({ min: 1, max: 30 }),
    isDeleted: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const map = new BoundedMap<string>({ maxEntries: 4, maxBytes: 1_000_000 });
      const ends = new Map<string, number>();
      steps.forEach(({ key, lifeMs, isDeleted }, nowMs) => {
        const others = [...ends].filter(([other, endMs]) => endMs > nowMs && other !== key);
        const isFull = map.isFullFor(key, 1, nowMs);
        expect(isFull).toBe(others.length >= 4);
        if (isDeleted) {
          map.delete(key);
          ends.delete(key);
        } else if (!isFull) {
          map.set(key, key, { bytes: 1, expiresAtMs: nowMs + lifeMs, nowMs });
          ends.set(key, nowMs + lifeMs);
        }
      });
    }),
  );
});

test('holds what a Map that is written anew at every use would hold, in the same order', () => {
  const step = fc.record({
    key: fc.nat(7).map(String),
    kind: fc.constantFrom('set', 'set', 'get', 'get', 'peek', 'delete', 'sweep', 'clear'),
    lifeMs: fc.integer({ min: 1, max: 30 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const { map } = createMap({ maxEntries: 4, maxBytes: 1_000_000 });
      const endMsByKey = new Map<string, number>();
      steps.forEach(({ key, kind, lifeMs }, nowMs) => {
        const endMs = endMsByKey.get(key);
        if (kind === 'set') {
          map.set(key, key, { bytes: 1, expiresAtMs: nowMs + lifeMs, nowMs });
          endMsByKey.delete(key);
          endMsByKey.set(key, nowMs + lifeMs);
          const [oldest = ''] = endMsByKey.keys();
          if (endMsByKey.size > 4) {
            endMsByKey.delete(oldest);
          }
        } else if (kind === 'get' || kind === 'peek') {
          const isLive = endMs !== undefined && endMs > nowMs;
          expect(kind === 'get' ? map.get(key, nowMs) : map.peek(key, nowMs)).toBe(isLive ? key : undefined);
          if (!isLive) {
            endMsByKey.delete(key);
          } else if (kind === 'get') {
            endMsByKey.delete(key);
            endMsByKey.set(key, endMs);
          }
        } else if (kind === 'delete') {
          expect(map.delete(key)).toBe(endMsByKey.delete(key));
        } else if (kind === 'sweep') {
          const looked = [...endMsByKey].slice(0, 3);
          const ended = looked.filter(([, each]) => each <= nowMs);
          expect(map.sweep(nowMs, 3)).toBe(ended.length);
          for (const [each] of ended) {
            endMsByKey.delete(each);
          }
        } else {
          map.clear();
          endMsByKey.clear();
        }
        expect([...map.keys()]).toEqual([...endMsByKey.keys()]);
        expect(map.size).toBe(endMsByKey.size);
      });
    }),
    { numRuns: 1_000 },
  );
});
