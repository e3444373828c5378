/**
 * What a replica of the injector does next about its certificates: pure, without keys, clocks or a network.
 *
 * The parts: a CA lies in one Secret; whoever finds none makes one. Every replica signs a serving certificate of its own, in
 * memory. The caBundle of the webhooks holds every CA by which a replica may still serve.
 *
 * The order that makes a rotation unseen, each step guarded by the version of the object that it changes:
 *   1. at two thirds of its life, with jitter, the CA in the Secret is replaced by whoever comes first;
 *   2. each replica adds the CA of the Secret and that of its own serving certificate to the caBundle, and removes what has expired;
 *   3. a replica uses a serving certificate only once its CA has been in the caBundle for `settleMs`: API servers learn of a change late;
 *   4. a CA leaves the caBundle a while after it has expired, when no serving certificate of it can be in use.
 * Nobody has to know how many replicas there are, and none leads.
 */
import { type CaFacts, changedBundle, sorted } from './trusted-cas.ts';

export interface ServingCertificateFacts {
  readonly caId: string;
  readonly signedAtMs: number;
  readonly expiresAtMs: number;
}

export interface CertificateTiming {
  readonly caLifetimeMs: number;
  readonly servingCertificateLifetimeMs: number;
  /** How long a CA must have been seen in the caBundle before a serving certificate of it is served. */
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
    | { readonly kind: 'ca'; readonly version: string; readonly ca: CaFacts };
  /** Undefined: there is no webhook configuration (yet). */
  readonly configuration:
    | {
        readonly version: string;
        /** What the caBundle of each webhook holds. */
        readonly bundles: readonly (readonly CaFacts[])[];
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
  | { readonly kind: 'create-ca' }
  | { readonly kind: 'replace-ca'; readonly version: string }
  | { readonly kind: 'patch-bundles'; readonly version: string; readonly cas: readonly CaFacts[] }
  | { readonly kind: 'sign-serving-certificate'; readonly caId: string }
  | { readonly kind: 'rest'; readonly durationMs: number };

const RENEW_AT = 2 / 3;
const JITTER_SHARE = 0.05;
const MAX_KNOWN = 4;
const MIN_REST_MS = 100;

export class CertificatePlan {
  readonly #timing: CertificateTiming;
  /** CAs whose key this replica holds, oldest first. */
  #known: readonly CaFacts[] = [];
  #servingCertificate: ServingCertificateFacts | undefined;
  /** Since when each CA has been seen in the caBundle of all webhooks, monotonic. */
  #trustedSinceMs: ReadonlyMap<string, number> = new Map();

  constructor(timing: CertificateTiming) {
    this.#timing = timing;
  }

  /** CAs whose keys are worth keeping. */
  knownIds(): readonly string[] {
    return this.#known.map((ca) => ca.id);
  }

  signed(servingCertificate: ServingCertificateFacts): void {
    this.#servingCertificate = servingCertificate;
  }

  /** Takes in what the cluster looks like and says what to do; the caller does it, observes anew and asks again. */
  next(observation: Observation, moment: Moment): CertificateStep {
    this.#learn(observation, moment);
    const { secret, configuration } = observation;
    if (secret.kind === 'absent') {
      return { kind: 'create-ca' };
    }
    if (secret.kind === 'unusable' || moment.nowMs >= this.#caDueMs(secret.ca)) {
      return { kind: 'replace-ca', version: secret.version };
    }
    if (configuration !== undefined) {
      const serving = this.#known.filter(({ id }) => id === this.#servingCertificate?.caId);
      const own = [...serving, secret.ca];
      const cas = changedBundle({ ...configuration, own, nowMs: moment.nowMs });
      if (cas !== undefined) {
        return { kind: 'patch-bundles', version: configuration.version, cas };
      }
    }
    return this.nextUnobserved(moment);
  }

  /** What can be done while the cluster cannot be asked: a serving certificate of a CA that is known and trusted. */
  nextUnobserved(moment: Moment): CertificateStep {
    const signer = this.#signer(moment);
    if (signer !== undefined && this.#isServingCertificateDue(signer, moment)) {
      return { kind: 'sign-serving-certificate', caId: signer.id };
    }
    return { kind: 'rest', durationMs: this.#restMs(moment) };
  }

  /** The serving certificate is in its time, and its CA has been in every caBundle for long enough. */
  isReady(moment: Moment): boolean {
    const servingCertificate = this.#servingCertificate;
    return (
      servingCertificate !== undefined &&
      moment.nowMs < servingCertificate.expiresAtMs &&
      this.#isSettled(servingCertificate.caId, moment)
    );
  }

  #learn(observation: Observation, moment: Moment): void {
    if (observation.secret.kind === 'ca') {
      const { ca } = observation.secret;
      const others = this.#known.filter(({ id }) => id !== ca.id);
      this.#known = sorted([...others, ca]).filter(
        ({ id, expiresAtMs }, index, all) =>
          id === this.#servingCertificate?.caId || (moment.nowMs < expiresAtMs && index >= all.length - MAX_KNOWN),
      );
    }
    const [first, ...rest] = observation.configuration?.bundles ?? [];
    const trustedSinceMs = new Map<string, number>();
    for (const { id } of first ?? []) {
      if (rest.every((bundle) => bundle.some((ca) => ca.id === id))) {
        trustedSinceMs.set(id, this.#trustedSinceMs.get(id) ?? moment.monotonicMs);
      }
    }
    this.#trustedSinceMs = trustedSinceMs;
  }

  #caDueMs(ca: CaFacts): number {
    const lifetimeMs = ca.expiresAtMs - ca.createdAtMs;
    return ca.createdAtMs + lifetimeMs * (RENEW_AT + JITTER_SHARE * this.#timing.jitter);
  }

  /** The newest CA that API servers trust by now; for a first serving certificate, which makes nothing ready, any will do. */
  #signer(moment: Moment): CaFacts | undefined {
    const living = this.#known.filter(({ expiresAtMs }) => moment.nowMs < expiresAtMs);
    const settled = living.filter(({ id }) => this.#isSettled(id, moment));
    return settled.at(-1) ?? (this.#servingCertificate === undefined ? living.at(-1) : undefined);
  }

  #isServingCertificateDue(signer: CaFacts, moment: Moment): boolean {
    const servingCertificate = this.#servingCertificate;
    if (servingCertificate === undefined || servingCertificate.caId !== signer.id) {
      return true;
    }
    // Near the end of its CA a new serving certificate would end no later than the one at hand.
    const gainMs =
      Math.min(moment.nowMs + this.#timing.servingCertificateLifetimeMs, signer.expiresAtMs) -
      servingCertificate.expiresAtMs;
    return (
      moment.nowMs >= this.#servingCertificateDueMs(servingCertificate) &&
      gainMs > this.#timing.servingCertificateLifetimeMs / 10
    );
  }

  #servingCertificateDueMs(servingCertificate: ServingCertificateFacts): number {
    return (
      servingCertificate.signedAtMs +
      (servingCertificate.expiresAtMs - servingCertificate.signedAtMs) * (RENEW_AT + JITTER_SHARE * this.#timing.jitter)
    );
  }

  #isSettled(caId: string, moment: Moment): boolean {
    const sinceMs = this.#trustedSinceMs.get(caId);
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
      waits.push(this.#caDueMs(current) - moment.nowMs);
    }
    if (this.#servingCertificate !== undefined) {
      waits.push(this.#servingCertificateDueMs(this.#servingCertificate) - moment.nowMs);
    }
    return Math.max(MIN_REST_MS, Math.min(...waits.filter((wait) => wait > 0)));
  }
}
