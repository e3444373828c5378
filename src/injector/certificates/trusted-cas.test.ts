/**
 * What caBundles are to hold: added to, bounded, and never without the CAs by which a replica serves.
 */
import { type CaFacts, changedBundle } from './trusted-cas.ts';

const NOW_MS = 1_000_000_000;
const DAY_MS = 86_400_000;

function ca(id: string, createdAtMs: number, lifetimeMs = DAY_MS): CaFacts {
  return { id, createdAtMs, expiresAtMs: createdAtMs + lifetimeMs };
}

function idsAfter(bundles: readonly (readonly CaFacts[])[], own: readonly CaFacts[]): unknown {
  return changedBundle({ bundles, isDamaged: false, own, nowMs: NOW_MS })?.map(({ id }) => id);
}

test('bundles that hold it already are left alone, in whatever order, unless one is damaged', () => {
  const [a, b] = [ca('a', NOW_MS - 2_000), ca('b', NOW_MS - 1_000)];
  const bundles = [
    [b, a],
    [a, b],
  ];
  expect(idsAfter(bundles, [a])).toBeUndefined();
  expect(changedBundle({ bundles, isDamaged: true, own: [a], nowMs: NOW_MS })).toEqual([a, b]);
});

test('what is in one bundle goes into all, own ones too, and the expired go', () => {
  const [a, b, c] = [ca('a', NOW_MS - 3_000), ca('b', NOW_MS - 2_000), ca('c', NOW_MS - 1_000)];
  const gone = ca('gone', NOW_MS - 2 * DAY_MS);
  expect(idsAfter([[a, gone], [b]], [c])).toEqual(['a', 'b', 'c']);
});

test('of more than 16 the oldest go, but not an own one, however old', () => {
  const others = Array.from({ length: 20 }, (_, index) => ca(`other-${index}`, NOW_MS - 100_000 + index));
  const company = ca('company', 0, 10_000 * DAY_MS);
  const ids = idsAfter([others], [company]);
  expect(ids).toHaveLength(16);
  expect(ids).toEqual(['company', ...others.slice(5).map(({ id }) => id)]);
});
