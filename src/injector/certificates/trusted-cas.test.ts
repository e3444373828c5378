/**
 * Tests which CAs the caBundles must contain. The caBundles gain new CAs, never exceed the maximum number of CAs, and
 * keep the CAs of this replica.
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

test('leaves complete bundles unchanged in any order, unless one is malformed', () => {
  const [a, b] = [ca('a', NOW_MS - 2_000), ca('b', NOW_MS - 1_000)];
  const bundles = [
    [b, a],
    [a, b],
  ];
  expect(idsAfter(bundles, [a])).toBeUndefined();
  expect(changedBundle({ bundles, isDamaged: true, own: [a], nowMs: NOW_MS })).toEqual([a, b]);
});

test('copies the CAs of each bundle and the own CAs into all bundles, and drops expired ones', () => {
  const [a, b, c] = [ca('a', NOW_MS - 3_000), ca('b', NOW_MS - 2_000), ca('c', NOW_MS - 1_000)];
  const expired = ca('expired', NOW_MS - 2 * DAY_MS);
  expect(idsAfter([[a, expired], [b]], [c])).toEqual(['a', 'b', 'c']);
});

test('drops the oldest CAs beyond 16, but never an own one', () => {
  const others = Array.from({ length: 20 }, (_, index) => ca(`other-${index}`, NOW_MS - 100_000 + index));
  const company = ca('company', 0, 10_000 * DAY_MS);
  const ids = idsAfter([others], [company]);
  expect(ids).toHaveLength(16);
  expect(ids).toEqual(['company', ...others.slice(5).map(({ id }) => id)]);
});
