/**
 * Tests that the memory store of rate limits stays within its bounds, whatever subjects it receives, and reports
 * evictions.
 */
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { MemoryRateLimitStore } from './memory-store.ts';
import { compileLimits } from './model.ts';
import { MAX_FIELDS } from './store.ts';

const LIMITS = compileLimits([
  { name: 'hour', algorithm: 'fixed_window', limit: 10, windowMs: 3_600_000, burst: 10 },
  { name: 'burst', algorithm: 'token_bucket', limit: 10, windowMs: 60_000, burst: 10 },
]);

function request(subject: string) {
  return { key: { scope: 's', policy: 'api', subject }, limits: LIMITS, cost: 1, maxDelayMs: undefined };
}

test('keeps 1,000,000 subjects within its maximum entries and bytes, and counts each eviction', () => {
  let evictions = 0;
  const store = new MemoryRateLimitStore({
    clock: new FakeClock(),
    maxEntries: 10_000,
    maxBytes: 4_000_000,
    onEvict: () => {
      evictions += 1;
    },
  });
  for (let index = 0; index < 1_000_000; index += 1) {
    store.take(request(`subject-${index}`));
    if (store.size > 10_000 || store.bytes > 4_000_000) {
      throw new Error(`cannot stay within the bounds: ${store.size} entries of ${store.bytes} bytes`);
    }
  }
  expect(evictions).toBe(1_000_000 - store.size);
  expect(store.size).toBeGreaterThan(1_000);
});

test('rejects a subject that would outgrow the store without consuming units', () => {
  const store = new MemoryRateLimitStore({ clock: new FakeClock(), maxEntries: 10, maxBytes: 3_000 });
  function take(index: number, cost: number): number | undefined {
    const spec = { name: `n${index}`, algorithm: 'fixed_window', limit: 10, windowMs: 3_600_000, burst: 10 } as const;
    return store.take({ ...request('a'), limits: compileLimits([spec]), cost }).outcomes[0]?.remaining;
  }
  let room = 0;
  const fill = () => {
    for (; room < 100; room += 1) {
      take(room, 1);
    }
  };
  expect(fill).toThrow('too small');
  expect(room).toBeGreaterThan(5);
  expect(() => take(room, 1)).toThrow('too small');
  expect(take(room, 0)).toBe(10);
  expect(take(room - 1, 1)).toBe(8);
});

test('stores nothing for peeks and denials of unknown subjects', () => {
  const store = new MemoryRateLimitStore({ clock: new FakeClock(), maxEntries: 10, maxBytes: 100_000 });
  store.take({ ...request('a'), cost: 0 });
  store.take({ ...request('b'), cost: 11 });
  expect(store.size).toBe(0);
});

test('evicts expired limits before live ones, whatever was used last (D2)', () => {
  const clock = new FakeClock();
  let evictions = 0;
  const onEvict = () => {
    evictions += 1;
  };
  const store = new MemoryRateLimitStore({ clock, maxEntries: 1_000, maxBytes: 10_000_000, onEvict });
  const take = (subject: string, windowMs: number) => {
    const limits = compileLimits([{ name: 'n', algorithm: 'fixed_window', limit: 1, windowMs, burst: 1 }]);
    return store.take({ ...request(subject), limits }).allowed;
  };
  expect([take('victim', 3_600_000), take('victim', 3_600_000)]).toEqual([true, false]);
  for (let index = 0; index < 999; index += 1) {
    take(`other-${index}`, 1);
  }
  clock.advance(2_000);
  take('one more', 1);
  expect(take('victim', 3_600_000)).toBe(false);
  expect(evictions).toBe(0);
});

test('keeps the used units of a subject whose calls first have one limit and then several', () => {
  const store = new MemoryRateLimitStore({ clock: new FakeClock(), maxEntries: 10, maxBytes: 100_000 });
  const [hour, burst] = LIMITS.limits;
  const one = compileLimits([hour?.spec, burst?.spec].flatMap((spec) => spec ?? []).slice(0, 1));
  const remaining = (limits: typeof LIMITS) =>
    store.take({ ...request('a'), limits }).outcomes.map((outcome) => outcome.remaining);
  expect(remaining(one)).toEqual([9]);
  expect(remaining(LIMITS)).toEqual([8, 9]);
  expect(remaining(one)).toEqual([7]);
  expect(store.reset(request('a').key, one)).toBe(true);
  expect(store.reset(request('a').key, one)).toBe(false);
  expect(remaining(LIMITS)).toEqual([9, 8]);
  expect(store.reset(request('a').key, LIMITS)).toBe(true);
  expect(store.size).toBe(0);
});

test('does not count the removal of expired subjects as evictions', () => {
  const clock = new FakeClock();
  let evictions = 0;
  const onEvict = () => {
    evictions += 1;
  };
  const store = new MemoryRateLimitStore({ clock, maxEntries: 10, maxBytes: 100_000, onEvict });
  for (let round = 0; round < 5; round += 1) {
    for (let index = 0; index < 10; index += 1) {
      store.take(request(`${round}-${index}`));
    }
    clock.advance(7_200_000);
  }
  expect(evictions).toBe(0);
});

describe('thousands of limit names on one key', () => {
  const HOUR_MS = 3_600_000;

  function createTaker() {
    const clock = new FakeClock();
    const store = new MemoryRateLimitStore({ clock, maxEntries: 10, maxBytes: 100_000_000 });
    function take(subject: string, name: string, windowMs = HOUR_MS): boolean {
      const spec = { name, algorithm: 'token_bucket', limit: 1_000_000, windowMs, burst: 1_000_000 } as const;
      return store.take({ ...request(subject), limits: compileLimits([spec]) }).allowed;
    }
    return { clock, store, take };
  }

  /** Returns the CPU time of this thread, which other processes do not affect. */
  function cpuMs(run: () => void): number {
    const before = process.threadCpuUsage();
    run();
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1_000;
  }

  test('cost a call no more than a single name, whether its own name is known or new', () => {
    const { take } = createTaker();
    for (let index = 0; index < 3_000; index += 1) {
      take('many', `n${index}`);
    }
    const takes = (subject: string, nameOf: (index: number) => string) => (): void => {
      for (let index = 0; index < 1_000; index += 1) {
        take(subject, nameOf(index));
      }
    };
    const one = Math.min(...[1, 2, 3].map(() => cpuMs(takes('one', () => 'n0'))));
    const known = Math.min(...[1, 2, 3].map(() => cpuMs(takes('many', () => 'n0'))));
    const fresh = cpuMs(takes('many', (index) => `fresh${index}`));
    expect(known / one).toBeLessThan(10);
    expect(fresh / one).toBeLessThan(10);
  });

  test('are removed for new ones as they expire, and count exactly in bytes', () => {
    const { clock, store, take } = createTaker();
    for (let index = 0; index <= MAX_FIELDS; index += 1) {
      take('a', `n${index}`, index % 2 === 0 ? 1 : HOUR_MS);
    }
    expect(() => take('a', 'one-more')).toThrow('cannot store the limit: the subject has more than 4096 limits in use');
    const fullBytes = store.bytes;
    clock.advance(10_000);
    for (let index = 0; index < 2_000; index += 1) {
      expect(take('a', `later${index}`)).toBe(true);
    }
    expect(store.bytes).toBeLessThan(fullBytes * 1.1);
    // All limits expire, and the store removes the subject.
    clock.advance(3 * HOUR_MS);
    take('b', 'n0');
    take('a', 'n0');
    const { bytes } = store;
    store.reset({ scope: 's', policy: 'api', subject: 'a' }, undefined);
    store.reset({ scope: 's', policy: 'api', subject: 'b' }, undefined);
    expect(store.bytes).toBe(0);
    expect(bytes).toBeLessThan(2_000);
  });
});
