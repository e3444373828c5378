/**
 * Determines the next step with which a replica keeps its certificates valid and trusted. Uses no keys, clocks or
 * network.
 *
 * One Secret stores the CA, and a replica that finds no CA creates one. Every replica signs its own serving certificate
 * and keeps it in memory. The caBundle of the webhooks contains every CA whose serving certificates a replica may still
 * use.
 *
 * Each write contains the version of the object that it changes, so replicas need neither a leader nor the number of
 * replicas. The following invariants prevent API servers from receiving an untrusted certificate during a rotation:
 *   1. The first replica that finds the CA past two thirds of its lifetime, plus jitter, replaces the CA in the Secret.
 *   2. Each replica adds the CA of the Secret and the CA of its own serving certificate to the caBundle, and removes
 *      expired CAs.
 *   3. A replica that is already serving uses a serving certificate of a new CA only after that CA has been in every
 *      caBundle for `settleMs`. The reason is that API servers apply a change with a delay.
 *   4. A CA stays in the caBundle for a while after its expiry, until no replica can use serving certificates of this
 *      CA any longer.
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
  /** Time that a CA must have been in every caBundle before a replica uses serving certificates of this CA. */
  readonly settleMs: number;
  /** Interval at which the replica polls the cluster while no step is due. */
  readonly pollMs: number;
  /** Random number of this replica in [0, 1), so that replicas do not renew at the same time. */
  readonly jitter: number;
}

export interface Observation {
  readonly secret:
    | { readonly kind: 'absent' }
    | { readonly kind: 'unusable'; readonly version: string }
    | { readonly kind: 'ca'; readonly version: string; readonly ca: CaFacts };
  /** Webhook configuration; undefined while it does not exist. */
  readonly configuration:
    | {
        readonly version: string;
        /** CAs in the caBundle of each webhook. */
        readonly bundles: readonly (readonly CaFacts[])[];
        /** Whether a caBundle is malformed, so that the replica must rewrite the caBundle. */
        readonly isDamaged: boolean;
      }
    | undefined;
}

export interface Moment {
  /** Unix time, which determines the validity of certificates. */
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
  /** CAs whose keys this replica has, oldest first. */
  #known: readonly CaFacts[] = [];
  #servingCertificate: ServingCertificateFacts | undefined;
  /** Monotonic time, by CA id, at which the period began in which every observed caBundle contains the CA. */
  #trustedSinceMs: ReadonlyMap<string, number> = new Map();

  constructor(timing: CertificateTiming) {
    this.#timing = timing;
  }

  /** Returns the ids of the CAs whose keys the caller must keep. */
  knownIds(): readonly string[] {
    return this.#known.map((ca) => ca.id);
  }

  signed(servingCertificate: ServingCertificateFacts): void {
    this.#servingCertificate = servingCertificate;
  }

  /**
   * Records an observation of the cluster and returns the next step. The caller performs the step, observes the cluster
   * and calls `next` again.
   */
  next(observation: Observation, moment: Moment): CertificateStep {
    this.#record(observation, moment);
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

  /** Returns the next step while the API server is unreachable: sign a serving certificate with a known CA, or wait. */
  nextUnobserved(moment: Moment): CertificateStep {
    const signer = this.#signer(moment);
    if (signer !== undefined && this.#isServingCertificateDue(signer, moment)) {
      return { kind: 'sign-serving-certificate', caId: signer.id };
    }
    return { kind: 'rest', durationMs: this.#restMs(moment) };
  }

  /** Returns whether the serving certificate is valid and its CA has been in every caBundle for `settleMs`. */
  isReady(moment: Moment): boolean {
    const servingCertificate = this.#servingCertificate;
    return (
      servingCertificate !== undefined &&
      moment.nowMs < servingCertificate.expiresAtMs &&
      this.#isSettled(servingCertificate.caId, moment)
    );
  }

  #record(observation: Observation, moment: Moment): void {
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

  /**
   * Returns the newest CA that API servers trust. For the first serving certificate, returns the newest CA even if API
   * servers do not trust it yet, because the replica is not ready until they do.
   */
  #signer(moment: Moment): CaFacts | undefined {
    const unexpired = this.#known.filter(({ expiresAtMs }) => moment.nowMs < expiresAtMs);
    const settled = unexpired.filter(({ id }) => this.#isSettled(id, moment));
    return settled.at(-1) ?? (this.#servingCertificate === undefined ? unexpired.at(-1) : undefined);
  }

  #isServingCertificateDue(signer: CaFacts, moment: Moment): boolean {
    const servingCertificate = this.#servingCertificate;
    if (servingCertificate === undefined || servingCertificate.caId !== signer.id) {
      return true;
    }
    // Near the expiry of the CA, a new serving certificate would expire at about the same time as the current one.
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

  /** Returns the time until the next step is due, at most the poll interval. */
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
