/**
 * What the caBundles of the webhooks are to hold: every CA by which a replica may still serve. Pure.
 *
 * Promises: replicas only ever add to what they find and leave out what has expired, so that however many there are, of whichever kind
 * and in whatever order they look, none takes away what another serves by.
 */

export interface CaFacts {
  /** SHA-256 of the certificate. */
  readonly id: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** An expired CA is harmless in a caBundle; it stays so long for the sake of clocks that differ. */
const MAX_PRUNE_AFTER_MS = 3_600_000;
/** More than a caBundle ever holds unless somebody deletes the Secret again and again. */
const MAX_BUNDLE_SIZE = 16;

/** What each caBundle is to hold, oldest first; undefined: each of them holds it already. */
export function changedBundle<Facts extends CaFacts>(options: {
  bundles: readonly (readonly Facts[])[];
  /** A caBundle cannot be read, so that it has to be written anew. */
  isDamaged: boolean;
  /** CAs by which this replica serves, or will. */
  own: readonly Facts[];
  nowMs: number;
}): readonly Facts[] | undefined {
  const { bundles, isDamaged, own, nowMs } = options;
  const ownIds = new Set(own.map(({ id }) => id));
  const byId = new Map([...bundles.flat(), ...own].map((ca) => [ca.id, ca]));
  const kept = sorted([...byId.values()]).filter((ca) => {
    const lifetimeMs = ca.expiresAtMs - ca.createdAtMs;
    return nowMs < ca.expiresAtMs + Math.min(MAX_PRUNE_AFTER_MS, lifetimeMs / 3);
  });
  // Of the others the newest: an own one may be old, where it is the CA of a company.
  const others = kept.filter(({ id }) => !ownIds.has(id)).slice(-Math.max(1, MAX_BUNDLE_SIZE - ownIds.size));
  const expected = kept.filter((ca) => ownIds.has(ca.id) || others.includes(ca));
  const ids = idsOf(expected);
  return isDamaged || bundles.some((bundle) => idsOf(sorted(bundle)) !== ids) ? expected : undefined;
}

/** Oldest first; the same order for every replica. */
export function sorted<Facts extends CaFacts>(cas: readonly Facts[]): Facts[] {
  return [...cas].sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
}

function idsOf(cas: readonly CaFacts[]): string {
  return cas.map(({ id }) => id).join();
}
