/**
 * Near copies under random histories: reads in their steps, changes by others and by this process, messages late or lost,
 * channels lost and live again, in any order.
 *
 * What must hold at every hit, however it came about:
 *   1. the value was current less than a second ago, and its TTL has not ended;
 *   2. no message was heard that voids it, nor a later one of its channel;
 *   3. no change that this process made and has answered voids it;
 *   4. no read that was sent later has been answered with a later value, or that there is none; nor has any fresh read, whenever it was
 *      sent and however many are in flight (A11).
 */
import fc from 'fast-check';
import { NAMES, NearCacheWorld } from '../../test/support/near/near-cache-world.ts';

interface Step {
  /** What a failed history is printed by. */
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

/** Every channel is live and has had a message, every key has a copy. */
function settle(world: NearCacheWorld): void {
  for (const of of NAMES) {
    world.write(of, { tags: NAMES, ttlMs: 60_000, isOwn: false });
    // The first read wants the channel of its key, the second those of its tags.
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

test('no history of reads, changes, messages and losses makes a copy be served that may not be', () => {
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
  // Within the bound old values are served, or the model shows nothing.
  expect(hits).toBeGreaterThan(1_000);
  expect(staleHits).toBeGreaterThan(100);
});
