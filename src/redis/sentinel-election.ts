/**
 * Elects the master from the votes of the Sentinels. Pure.
 *
 * Invariants:
 *   1. A master needs the votes of more than half of the Sentinels that the URL lists. This number includes each
 *      Sentinel that is silent, refuses the query, or does not know the name of the master, although such a Sentinel
 *      has no vote. So a minority that is partitioned with the old master cannot elect this master.
 *   2. Sentinels that the URL does not list have no vote, so the size of a majority never changes while the process
 *      runs.
 *   3. The outcome does not depend on the order of the votes.
 *   4. Without a majority, the outcome states the most common reason why Sentinels have no usable vote.
 */
import { addressText, type NodeAddress } from './address.ts';

export type SentinelVote =
  /** No answer of the Sentinel has arrived yet. */
  | { readonly kind: 'pending' }
  | { readonly kind: 'master'; readonly master: NodeAddress }
  /** The Sentinel monitors no master of that name. */
  | { readonly kind: 'unknown_name' }
  /** The Sentinel answered with an error (for example, to the login), or the server is not a Sentinel. */
  | { readonly kind: 'refused'; readonly code: string }
  /** The Sentinel cannot be reached or does not answer. */
  | { readonly kind: 'silent' };

export type Election =
  | { readonly kind: 'elected'; readonly master: NodeAddress }
  /** The pending votes may still decide the election. */
  | { readonly kind: 'pending' }
  | { readonly kind: 'undecided'; readonly reason: UndecidedReason };

export type UndecidedReason =
  | { readonly kind: 'unknown_name'; readonly sentinels: readonly string[] }
  | { readonly kind: 'refused'; readonly code: string; readonly sentinels: readonly string[] }
  | { readonly kind: 'silent'; readonly sentinels: readonly string[] }
  /** A majority of the Sentinels have voted, but no master has the votes of a majority. */
  | { readonly kind: 'disagreement'; readonly masters: readonly string[] };

/** Vote of each Sentinel that the URL lists, by the name of the Sentinel. */
export type Votes = ReadonlyMap<string, SentinelVote>;

export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

export function elect(votes: Votes): Election {
  const needed = majorityOf(votes.size);
  const supporters = new Map<string, { readonly master: NodeAddress; count: number }>();
  for (const vote of votes.values()) {
    if (vote.kind === 'master') {
      const name = addressText(vote.master);
      const supported = supporters.get(name) ?? { master: vote.master, count: 0 };
      supported.count += 1;
      supporters.set(name, supported);
    }
  }
  const counts = [...supporters.values()].sort((left, right) => right.count - left.count);
  const [first] = counts;
  if (first !== undefined && first.count >= needed) {
    return { kind: 'elected', master: first.master };
  }
  const pending = sentinelsOf(votes, ({ kind }) => kind === 'pending').length;
  if ((first?.count ?? 0) + pending >= needed) {
    return { kind: 'pending' };
  }
  return { kind: 'undecided', reason: reasonOf(votes, [...supporters.keys()].sort()) };
}

function reasonOf(votes: Votes, masters: readonly string[]): UndecidedReason {
  const codes = [...votes.values()].flatMap((vote) => (vote.kind === 'refused' ? [vote.code] : []));
  const reasons: UndecidedReason[] = [
    { kind: 'silent', sentinels: sentinelsOf(votes, ({ kind }) => kind === 'silent') },
    { kind: 'unknown_name', sentinels: sentinelsOf(votes, ({ kind }) => kind === 'unknown_name') },
    {
      kind: 'refused',
      code: [...codes].sort()[0] ?? '',
      sentinels: sentinelsOf(votes, ({ kind }) => kind === 'refused'),
    },
  ];
  const voters = sentinelsOf(votes, ({ kind }) => kind === 'master').length;
  if (masters.length > 1 && voters > votes.size / 2) {
    return { kind: 'disagreement', masters };
  }
  const [most] = reasons.sort((left, right) => sizeOf(right) - sizeOf(left));
  return most ?? { kind: 'disagreement', masters };
}

function sizeOf(reason: UndecidedReason): number {
  return reason.kind === 'disagreement' ? 0 : reason.sentinels.length;
}

function sentinelsOf(votes: Votes, matches: (vote: SentinelVote) => boolean): string[] {
  return [...votes]
    .filter(([, vote]) => matches(vote))
    .map(([name]) => name)
    .sort();
}
