/**
 * Computes the CAs that the caBundles of the webhooks must contain: every CA whose serving certificates a replica may
 * still use. Performs no I/O.
 *
 * Invariants:
 *   1. The result contains the unexpired CAs of this replica and the published unexpired CAs of other replicas.
 *      Concurrent replicas therefore never remove a CA that another replica needs.
 *   2. The result omits CAs that expired some time ago. If there are more than `MAX_BUNDLE_SIZE` CAs, it also omits the
 *      oldest CAs of other replicas.
 */

export interface CaFacts {
  /** SHA-256 fingerprint of the certificate. */
  readonly id: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/**
 * Maximum time that an expired CA stays in the caBundle. The CA is not removed at once, because clocks differ and an
 * expired CA is harmless.
 */
const MAX_PRUNE_AFTER_MS = 3_600_000;
/** Maximum number of CAs in a caBundle. More CAs than this exist only if users delete the Secret repeatedly. */
const MAX_BUNDLE_SIZE = 16;

/** Returns the CAs that each caBundle must contain, oldest first, or undefined if every caBundle is up to date. */
export function changedBundle<Facts extends CaFacts>(options: {
  bundles: readonly (readonly Facts[])[];
  /** Whether a caBundle is malformed, so that the replica must rewrite the caBundle. */
  isDamaged: boolean;
  /** CAs of the current and the next serving certificate of this replica. */
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
  // Drops only CAs of other replicas by age, because the CA of this replica may be the oldest, for example if it is a
  // company CA.
  const others = kept.filter(({ id }) => !ownIds.has(id)).slice(-Math.max(1, MAX_BUNDLE_SIZE - ownIds.size));
  const expected = kept.filter((ca) => ownIds.has(ca.id) || others.includes(ca));
  const ids = idsOf(expected);
  return isDamaged || bundles.some((bundle) => idsOf(sorted(bundle)) !== ids) ? expected : undefined;
}

/** Sorts CAs from oldest to newest, in the same order on every replica. */
export function sorted<Facts extends CaFacts>(cas: readonly Facts[]): Facts[] {
  return [...cas].sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
}

function idsOf(cas: readonly CaFacts[]): string {
  return cas.map(({ id }) => id).join();
}
