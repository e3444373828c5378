/**
 * Tests that a master is elected only by the votes of a majority of the Sentinels in the URL.
 */
import fc from 'fast-check';
import { addressText, type NodeAddress } from './address.ts';
import { elect, type SentinelVote, type Votes } from './sentinel-election.ts';

const A: NodeAddress = { host: 'a', port: 1 };
const B: NodeAddress = { host: 'b', port: 1 };
const forA: SentinelVote = { kind: 'master', master: A };
const forB: SentinelVote = { kind: 'master', master: B };
const silent: SentinelVote = { kind: 'silent' };
const pending: SentinelVote = { kind: 'pending' };
const unknown: SentinelVote = { kind: 'unknown_name' };
const refused: SentinelVote = { kind: 'refused', code: 'NOAUTH' };

function votes(...list: readonly SentinelVote[]): Votes {
  return new Map(list.map((vote, index) => [`s${index + 1}`, vote]));
}

describe('a master is elected', () => {
  test.each([
    ['by the only Sentinel', [forA], A],
    ['by all', [forA, forA, forA], A],
    ['by two of three, whatever the third votes', [forA, forB, forA], A],
    ['by two of three if the third is silent', [silent, forB, forB], B],
    ['by three of four', [forA, forA, forA, forB], A],
    ['before the last one has voted', [forA, forA, pending], A],
  ])('%s', (_, list, master) => {
    expect(elect(votes(...list))).toEqual({ kind: 'elected', master });
  });
});

describe('nothing is decided', () => {
  test.each([
    ['by half of four', [forA, forA, forB, forB], { kind: 'disagreement', masters: ['a:1', 'b:1'] }],
    ['by half of two', [forA, forB], { kind: 'disagreement', masters: ['a:1', 'b:1'] }],
    ['by one of three', [forA, silent, silent], { kind: 'silent', sentinels: ['s2', 's3'] }],
    ['by one of two', [forA, silent], { kind: 'silent', sentinels: ['s2'] }],
    ['by none', [silent, silent, silent], { kind: 'silent', sentinels: ['s1', 's2', 's3'] }],
    ['if most do not know the name', [forA, unknown, unknown], { kind: 'unknown_name', sentinels: ['s2', 's3'] }],
    ['if most refuse', [refused, silent, refused], { kind: 'refused', code: 'NOAUTH', sentinels: ['s1', 's3'] }],
  ])('%s', (_, list, reason) => {
    expect(elect(votes(...(list as SentinelVote[])))).toEqual({ kind: 'undecided', reason });
  });

  test.each([
    ['all', [pending, pending, pending]],
    ['enough of them', [forA, pending, silent]],
  ])('while %s may still vote', (_, list) => {
    expect(elect(votes(...list))).toEqual({ kind: 'pending' });
  });
});

const vote: fc.Arbitrary<SentinelVote> = fc.constantFrom(forA, forB, silent, pending, unknown, refused);
const ballot = fc.array(vote, { minLength: 1, maxLength: 9 });

test('elects only a master with the votes of more than half of all Sentinels', () => {
  fc.assert(
    fc.property(ballot, (list) => {
      const election = elect(votes(...list));
      const countOf = (master: NodeAddress): number =>
        list.filter((each) => each.kind === 'master' && addressText(each.master) === addressText(master)).length;
      if (election.kind === 'elected') {
        expect(countOf(election.master)).toBeGreaterThan(list.length / 2);
      } else {
        expect(Math.max(countOf(A), countOf(B))).toBeLessThanOrEqual(list.length / 2);
      }
    }),
  );
});

test('ignores the order of the votes', () => {
  fc.assert(
    fc.property(
      ballot.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
      ([list, shuffled]) => {
        const [before, after] = [elect(votes(...list)), elect(votes(...shuffled))];
        expect(after.kind).toBe(before.kind);
        if (before.kind === 'elected') {
          expect(after).toEqual(before);
        }
      },
    ),
  );
});

test('lets no minority prevent or change what all others agree on', () => {
  const minority = fc.integer({ min: 1, max: 9 }).chain((count) => {
    const most = Math.ceil(count / 2) - 1;
    return fc.tuple(fc.constant(count), fc.array(vote, { maxLength: most }), fc.nat());
  });
  fc.assert(
    fc.property(minority, ([count, others, turn]) => {
      const list = [...others, ...Array.from({ length: count - others.length }, () => forA)];
      const turned = [...list.slice(turn % count), ...list.slice(0, turn % count)];
      expect(elect(votes(...turned))).toEqual({ kind: 'elected', master: A });
    }),
  );
});
