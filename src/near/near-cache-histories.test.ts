/**
 * Tests the near cache with random histories. The histories contain steps of reads, changes by this sidecar and by
 * other sidecars, late and lost messages, and channels that are lost and repaired.
 *
 * These invariants hold for every hit:
 *   1. The value was current less than 1 s ago, and its TTL has not expired.
 *   2. No received message invalidates the value, nor does any earlier message of the same channel.
 *   3. No change that this sidecar has already confirmed to its client invalidates the value.
 *   4. No read that was sent after the read of the value has returned a newer value or a miss. No fresh read has
 *      returned a newer value or a miss, even if the fresh read was sent earlier.
 */
import fc from 'fast-check';
import { NAMES, NearCacheWorld } from '../../test/support/near/near-cache-world.ts';

interface Step {
  /** Name of the step in the output of a failed test. */
  readonly does: string;
  readonly of: unknown;
  act(world: NearCacheWorld): void;
}

function steps<Of>(does: string, arbitrary: fc.Arbitrary<Of>, act: (world: NearCacheWorld, of: Of) => void) {
  return arbitrary.map((of): Step => ({ does, of, act: (world) => act(world, of) }));
}

const name = fc.constantFrom(...NAMES);
const pick = fc.nat(100);
const isOwn = fc.boolean();
const change = fc.record({ name, isOwn });
const get = fc.record({ name, freshOfSix: fc.integer({ min: 0, max: 5 }) });
const write = fc.record({
  name,
  isOwn,
  tags: fc.uniqueArray(name, { maxLength: 2 }),
  ttlMs: fc.constantFrom(60_000, 60_000, 300),
});

const step = fc.oneof(
  { weight: 12, arbitrary: steps('get', get, (world, of) => world.get(of.name, of.freshOfSix === 0)) },
  { weight: 8, arbitrary: steps('read', name, (world, of) => world.readWhole(of)) },
  { weight: 24, arbitrary: steps('go on', pick, (world, of) => world.goOn(of)) },
  { weight: 8, arbitrary: steps('write', write, (world, of) => world.write(of.name, of)) },
  { weight: 1, arbitrary: steps('remove', change, (world, of) => world.remove(of.name, of.isOwn)) },
  { weight: 4, arbitrary: steps('remove tag', change, (world, of) => world.removeTag(of.name, of.isOwn)) },
  { weight: 1, arbitrary: steps('flush', isOwn, (world, of) => world.flush(of)) },
  { weight: 1, arbitrary: steps('evict', name, (world, of) => world.evict(of)) },
  { weight: 6, arbitrary: steps('answer own', pick, (world, of) => world.answerOwn(of)) },
  { weight: 8, arbitrary: steps('deliver', pick, (world, of) => world.deliver(of, false)) },
  { weight: 1, arbitrary: steps('lose message', pick, (world, of) => world.deliver(of, true)) },
  { weight: 1, arbitrary: steps('lose channel', pick, (world, of) => world.lose(of)) },
  { weight: 4, arbitrary: steps('repair', fc.constant(0), (world) => world.repair()) },
  { weight: 2, arbitrary: steps('wait', fc.integer({ min: 1, max: 400 }), (world, ms) => world.clock.advance(ms)) },
);

/** Makes every channel live, delivers at least one message on each channel, and caches every key. */
function settle(world: NearCacheWorld): void {
  for (const of of NAMES) {
    world.write(of, { tags: NAMES, ttlMs: 60_000, isOwn: false });
    // The first read subscribes to the channel of its key, and the second read subscribes to the channels of its tags.
    world.readWhole(of);
    world.repair();
    world.readWhole(of);
    world.repair();
  }
  for (const of of NAMES) {
    world.removeTag(of, false);
  }
  for (const of of NAMES) {
    world.write(of, { tags: NAMES, ttlMs: 60_000, isOwn: false });
  }
  world.deliverAll();
  for (const of of NAMES) {
    world.readWhole(of);
  }
}

test('serves no entry that it must not serve in random histories of reads, changes, messages and losses', () => {
  let hits = 0;
  let staleHits = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 40, maxLength: 150, size: 'max' }), (history) => {
      const world = new NearCacheWorld();
      settle(world);
      for (const { act } of history) {
        act(world);
      }
      world.endReads();
      expect(world.placeholderCount).toBe(0);
      hits += world.hits;
      staleHits += world.staleHits;
    }),
    { numRuns: 2_000 },
  );
  // The test is meaningful only if stale values were served within the staleness bound.
  expect(hits).toBeGreaterThan(1_000);
  expect(staleHits).toBeGreaterThan(100);
});
