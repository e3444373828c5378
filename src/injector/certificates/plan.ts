/**
 * What a replica of the injector does next about its certificates: pure, without keys, clocks or a network.
 *
 * The parts: a CA lies in one Secret; whoever finds none makes one. Every replica signs a leaf of its own, in memory. The caBundle of the
 * webhooks holds every CA by which a replica may still serve.
 *
 * The order that makes a rotation unseen, each step guarded by the version of the object that it changes:
 *   1. at two thirds of its life, with jitter, the CA in the Secret is replaced by whoever comes first;
 *   2. each replica sees to it that the caBundle holds the CA of the Secret, that of its own leaf, and what was there and has not expired;
 *   3. a replica serves a leaf of a CA only when it has seen that CA in the caBundle for `settleMs`: API servers hear of a change late;
 *   4. a CA leaves the caBundle a while after it has expired, when nobody can serve a leaf of it any more.
 * Nobody has to know how many replicas there are, and none leads.
 */
import { type AuthorityFacts, changedBundle, sorted } from './trusted-cas.ts';

export interface LeafFacts {
  readonly authorityId: string;
  readonly signedAtMs: number;
  readonly expiresAtMs: number;
}

export interface CertificateTiming {
  readonly authorityLifetimeMs: number;
  readonly leafLifetimeMs: number;
  /** How long a CA must have been seen in the caBundle before a leaf of it is served. */
  readonly settleMs: number;
  /** How often the cluster is looked at when nothing is to be done. */
  readonly pollMs: number;
  /** Of this replica, in [0, 1): replicas do not all renew in one moment. */
  readonly jitter: number;
}

export interface Observation {
  readonly secret:
    | { readonly kind: 'absent' }
    | { readonly kind: 'unusable'; readonly version: string }
    | { readonly kind: 'authority'; readonly version: string; readonly authority: AuthorityFacts };
  /** Undefined: there is no webhook configuration (yet). */
  readonly configuration:
    | {
        readonly version: string;
        /** What the caBundle of each webhook holds. */
        readonly bundles: readonly (readonly AuthorityFacts[])[];
        /** A caBundle cannot be read, so that it has to be written anew. */
        readonly isDamaged: boolean;
      }
    | undefined;
}

export interface Moment {
  /** Unix time: what certificates are dated in. */
  readonly nowMs: number;
  readonly monotonicMs: number;
}

export type CertificateStep =
  | { readonly kind: 'create-authority' }
  | { readonly kind: 'replace-authority'; readonly version: string }
  | { readonly kind: 'patch-bundles'; readonly version: string; readonly authorities: readonly AuthorityFacts[] }
  | { readonly kind: 'sign-leaf'; readonly authorityId: string }
  | { readonly kind: 'rest'; readonly durationMs: number };

const RENEW_AT = 2 / 3;
const JITTER_SHARE = 0.05;
const MAX_KNOWN = 4;
const MIN_REST_MS = 100;

export class CertificatePlan {
  readonly #timing: CertificateTiming;
  /** CAs whose key this replica holds, oldest first. */
  #known: readonly AuthorityFacts[] = [];
  #leaf: LeafFacts | undefined;
  /** Since when each CA has been seen in the caBundle of all webhooks, monotonic. */
  #trustedSinceMs: ReadonlyMap<string, number> = new Map();

  constructor(timing: CertificateTiming) {
    this.#timing = timing;
  }

  /** CAs whose keys are worth keeping. */
  knownIds(): readonly string[] {
    return this.#known.map((authority) => authority.id);
  }

  signed(leaf: LeafFacts): void {
    this.#leaf = leaf;
  }

  /** Takes in what the cluster looks like and says what to do; the caller does it, observes anew and asks again. */
  next(observation: Observation, moment: Moment): CertificateStep {
    this.#learn(observation, moment);
    const { secret, configuration } = observation;
    if (secret.kind === 'absent') {
      return { kind: 'create-authority' };
    }
    if (secret.kind === 'unusable' || moment.nowMs >= this.#authorityDueMs(secret.authority)) {
      return { kind: 'replace-authority', version: secret.version };
    }
    if (configuration !== undefined) {
      const serving = this.#known.filter(({ id }) => id === this.#leaf?.authorityId);
      const own = [...serving, secret.authority];
      const authorities = changedBundle({ ...configuration, own, nowMs: moment.nowMs });
      if (authorities !== undefined) {
        return { kind: 'patch-bundles', version: configuration.version, authorities };
      }
    }
    return this.nextUnobserved(moment);
  }

  /** What can be done while the cluster cannot be asked: a leaf of a CA that is known and trusted. */
  nextUnobserved(moment: Moment): CertificateStep {
    const signer = this.#signer(moment);
    if (signer !== undefined && this.#isLeafDue(signer, moment)) {
      return { kind: 'sign-leaf', authorityId: signer.id };
    }
    return { kind: 'rest', durationMs: this.#restMs(moment) };
  }

  /** The leaf is in its time, and its CA has been in every caBundle for long enough. */
  isReady(moment: Moment): boolean {
    const leaf = this.#leaf;
    return leaf !== undefined && moment.nowMs < leaf.expiresAtMs && this.#isSettled(leaf.authorityId, moment);
  }

  #learn(observation: Observation, moment: Moment): void {
    if (observation.secret.kind === 'authority') {
      const { authority } = observation.secret;
      const others = this.#known.filter(({ id }) => id !== authority.id);
      this.#known = sorted([...others, authority]).filter(
        ({ id, expiresAtMs }, index, all) =>
          id === this.#leaf?.authorityId || (moment.nowMs < expiresAtMs && index >= all.length - MAX_KNOWN),
      );
    }
    const [first, ...rest] = observation.configuration?.bundles ?? [];
    const trustedSinceMs = new Map<string, number>();
    for (const { id } of first ?? []) {
      if (rest.every((bundle) => bundle.some((authority) => authority.id === id))) {
        trustedSinceMs.set(id, this.#trustedSinceMs.get(id) ?? moment.monotonicMs);
      }
    }
    this.#trustedSinceMs = trustedSinceMs;
  }

  #authorityDueMs(authority: AuthorityFacts): number {
    const lifetimeMs = authority.expiresAtMs - authority.createdAtMs;
    return authority.createdAtMs + lifetimeMs * (RENEW_AT + JITTER_SHARE * this.#timing.jitter);
  }

  /** The newest CA that API servers trust by now; for a first leaf, which makes nothing ready, any will do. */
  #signer(moment: Moment): AuthorityFacts | undefined {
    const living = this.#known.filter(({ expiresAtMs }) => moment.nowMs < expiresAtMs);
    const settled = living.filter(({ id }) => this.#isSettled(id, moment));
    return settled.at(-1) ?? (this.#leaf === undefined ? living.at(-1) : undefined);
  }

  #isLeafDue(signer: AuthorityFacts, moment: Moment): boolean {
    const leaf = this.#leaf;
    if (leaf === undefined || leaf.authorityId !== signer.id) {
      return true;
    }
    // Near the end of its CA a new leaf would end no later than the one at hand.
    const gainMs = Math.min(moment.nowMs + this.#timing.leafLifetimeMs, signer.expiresAtMs) - leaf.expiresAtMs;
    return moment.nowMs >= this.#leafDueMs(leaf) && gainMs > this.#timing.leafLifetimeMs / 10;
  }

  #leafDueMs(leaf: LeafFacts): number {
    return leaf.signedAtMs + (leaf.expiresAtMs - leaf.signedAtMs) * (RENEW_AT + JITTER_SHARE * this.#timing.jitter);
  }

  #isSettled(authorityId: string, moment: Moment): boolean {
    const sinceMs = this.#trustedSinceMs.get(authorityId);
    return sinceMs !== undefined && moment.monotonicMs - sinceMs >= this.#timing.settleMs;
  }

  /** Until something falls due, and no longer than the poll. */
  #restMs(moment: Moment): number {
    const waits = [this.#timing.pollMs];
    for (const sinceMs of this.#trustedSinceMs.values()) {
      waits.push(sinceMs + this.#timing.settleMs - moment.monotonicMs);
    }
    const current = this.#known.at(-1);
    if (current !== undefined) {
      waits.push(this.#authorityDueMs(current) - moment.nowMs);
    }
    if (this.#leaf !== undefined) {
      waits.push(this.#leafDueMs(this.#leaf) - moment.nowMs);
    }
    return Math.max(MIN_REST_MS, Math.min(...waits.filter((wait) => wait > 0)));
  }
}
