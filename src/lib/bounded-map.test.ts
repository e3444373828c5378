/**
 * Compares the behavior of BoundedMap with a simple model: bounds, evictions and expiry.
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

test('evicts the least recently used entry when an entry exceeds maxEntries', () => {
  const { map, evicted } = createMap();
  for (const key of ['a', 'b', 'c']) {
    map.set(key, key, forever);
  }
  expect(map.get('a', 0)).toBe('a');
  map.set('d', 'd', forever);
  expect([...map.keys()]).toEqual(['c', 'a', 'd']);
  expect(evicted).toEqual([{ key: 'b', reason: 'evicted' }]);
});

test('does not count peek as use', () => {
  const { map } = createMap();
  for (const key of ['a', 'b', 'c']) {
    map.set(key, key, forever);
  }
  expect(map.peek('a', 0)).toBe('a');
  map.set('d', 'd', forever);
  expect(map.peek('a', 0)).toBeUndefined();
});

test('never returns an expired entry, and calls onEvict for it once', () => {
  const { map, evicted } = createMap();
  map.set('a', 'a', { bytes: 10, expiresAtMs: 5, nowMs: 0 });
  expect(map.get('a', 4)).toBe('a');
  expect(map.get('a', 5)).toBeUndefined();
  expect(map.get('a', 6)).toBeUndefined();
  expect(evicted).toEqual([{ key: 'a', reason: 'expired' }]);
  expect(map.bytes).toBe(0);
});

test('rejects an entry that alone exceeds maxBytes, and keeps all others', () => {
  const { map } = createMap({ maxBytes: 500 });
  map.set('a', 'a', forever);
  expect(map.set('b', 'b', { ...forever, bytes: 1_000 })).toBe(false);
  expect([...map.keys()]).toEqual(['a']);
});

test('isFullFor counts only live entries', () => {
  const { map } = createMap();
  map.set('a', 'a', { ...forever, expiresAtMs: 5 });
  map.set('b', 'b', forever);
  map.set('c', 'c', forever);
  expect(map.isFullFor('d', { bytes: 10, nowMs: 4 })).toBe(true);
  expect(map.isFullFor('b', { bytes: 10, nowMs: 4 })).toBe(false);
  expect(map.isFullFor('d', { bytes: 10, nowMs: 5 })).toBe(false);
});

test('throws if a bound is missing or invalid', () => {
  expect(() => new BoundedMap({ maxEntries: Number.POSITIVE_INFINITY, maxBytes: 1 })).toThrow(RangeError);
  expect(() => new BoundedMap({ maxEntries: 1, maxBytes: 0 })).toThrow(RangeError);
});

test('keeps its bounds and its byte count in random histories', () => {
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

test('isFullFor includes the bytes that otherBytes returns', () => {
  const { map } = createMap({ maxBytes: 1_000 });
  map.set('a', 'a', { ...forever, bytes: 300 });
  expect(map.isFullFor('b', { bytes: 100, nowMs: 0 })).toBe(false);
  expect(map.isFullFor('b', { bytes: 100, nowMs: 0, otherBytes: () => 600 })).toBe(true);
});

test('evicts an expired entry before any live one, whatever the order of use', () => {
  const { map, evicted } = createMap();
  map.set('oldest', '', { bytes: 1, expiresAtMs: 3_600_000, nowMs: 0 });
  map.set('expired', '', { bytes: 1, expiresAtMs: 10, nowMs: 0 });
  map.set('long', '', { bytes: 1, expiresAtMs: 3_600_000, nowMs: 0 });
  map.get('expired', 9);
  map.set('new', '', { bytes: 1, expiresAtMs: 3_600_000, nowMs: 10 });
  expect([...map.keys()]).toEqual(['oldest', 'long', 'new']);
  expect(evicted).toEqual([{ key: 'expired', reason: 'expired' }]);
  map.set('newest', '', { bytes: 1, expiresAtMs: 3_600_000, nowMs: 10 });
  expect(evicted).toEqual([
    { key: 'expired', reason: 'expired' },
    { key: 'oldest', reason: 'evicted' },
  ]);
});

test('calls onEarlierEnd for each entry that expires before all others', () => {
  const reported: number[] = [];
  const onEarlierEnd = (expiresAtMs: number) => reported.push(expiresAtMs);
  const map = new BoundedMap<string>({ maxEntries: 10, maxBytes: 1_000_000, onEarlierEnd });
  const set = (key: string, expiresAtMs: number) => map.set(key, key, { bytes: 1, expiresAtMs, nowMs: 0 });
  set('a', 50);
  set('b', 100);
  set('c', 20);
  set('c', 200);
  set('b', 10);
  expect(map.earliestExpiryMs).toBe(10);
  expect(reported.filter((expiresAtMs) => expiresAtMs < 50)).toEqual([20, 10]);
  map.delete('b');
  map.delete('a');
  expect(map.earliestExpiryMs).toBe(200);
});

test('isFullFor agrees with a model that scans all entries, in random histories', () => {
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
        const others = [...ends].filter(([other, expiresAtMs]) => expiresAtMs > nowMs && other !== key);
        const isFull = map.isFullFor(key, { bytes: 1, nowMs });
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

test('drops expired entries first, then the least recently used, in random histories', () => {
  const step = fc.record({
    key: fc.nat(11).map(String),
    kind: fc.constantFrom('set', 'set', 'set', 'get', 'get', 'peek', 'delete', 'sweep', 'clear'),
    lifeMs: fc.integer({ min: 1, max: 30 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const { map } = createMap({ maxEntries: 8, maxBytes: 1_000_000 });
      // The model keeps its keys in the order of use.
      const expiryMsByKey = new Map<string, number>();
      const dropExpired = (nowMs: number, limit: number): number => {
        const expired = [...expiryMsByKey]
          .filter(([, expiresAtMs]) => expiresAtMs <= nowMs)
          .sort(([, left], [, right]) => left - right);
        const dropped = expired.slice(0, limit);
        for (const [key] of dropped) {
          expiryMsByKey.delete(key);
        }
        return dropped.length;
      };
      steps.forEach(({ key, kind, lifeMs }, nowMs) => {
        const expiresAtMs = expiryMsByKey.get(key);
        if (kind === 'set') {
          // All expiry times differ, so that only one order is correct.
          const newEndMs = nowMs + lifeMs + nowMs / 1_000;
          map.set(key, key, { bytes: 1, expiresAtMs: newEndMs, nowMs });
          expiryMsByKey.delete(key);
          expiryMsByKey.set(key, newEndMs);
          if (expiryMsByKey.size > 8 && dropExpired(nowMs, 1) === 0) {
            const [oldest = ''] = expiryMsByKey.keys();
            expiryMsByKey.delete(oldest);
          }
        } else if (kind === 'get' || kind === 'peek') {
          const isLive = expiresAtMs !== undefined && expiresAtMs > nowMs;
          expect(kind === 'get' ? map.get(key, nowMs) : map.peek(key, nowMs)).toBe(isLive ? key : undefined);
          if (!isLive) {
            expiryMsByKey.delete(key);
          } else if (kind === 'get') {
            expiryMsByKey.delete(key);
            expiryMsByKey.set(key, expiresAtMs);
          }
        } else if (kind === 'delete') {
          expect(map.delete(key)).toBe(expiryMsByKey.delete(key));
        } else if (kind === 'sweep') {
          expect(map.sweep(nowMs, 3)).toBe(dropExpired(nowMs, 3));
        } else {
          map.clear();
          expiryMsByKey.clear();
        }
        expect([...map.keys()]).toEqual([...expiryMsByKey.keys()]);
        expect(map.size).toBe(expiryMsByKey.size);
        expect(map.earliestExpiryMs).toBe(Math.min(...expiryMsByKey.values()));
      });
    }),
    { numRuns: 1_000 },
  );
});
