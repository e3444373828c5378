/**
 * Implements the certificate reconciler, which creates, rotates and publishes the certificates of this replica without
 * cert-manager or an operator. In a loop, the reconciler reads the Secret and the webhook configuration, gets the next
 * step from the plan, and performs it.
 *
 * Invariants:
 *   1. The reconciler performs one step at a time. Each write contains the version that the replica has read, so a
 *      replica that loses a race must read again.
 *   2. While the API server is unreachable, the reconciler retries with a bounded backoff. During the outage, the
 *      reconciler still renews serving certificates with a known CA.
 *   3. `isReady` returns true only if the served chain verifies against every caBundle as last read.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logger.ts';
import { type Bundle, bundleText, chainProblem, parseBundle } from './bundle.ts';
import { type Ca, createCa, readCa, type ServingCertificate, signServingCertificate } from './ca.ts';
import type { CertificateSource, ServedCertificate } from './certificate-source.ts';
import type { CertificateStore, StoredConfiguration, StoredSecret } from './certificate-store.ts';
import {
  CertificatePlan,
  type CertificateStep,
  type CertificateTiming,
  type Moment,
  type Observation,
} from './plan.ts';

export interface ReconcilerOptions {
  readonly store: CertificateStore;
  /** Host names of the serving certificate; API servers connect to the first host name. */
  readonly hostNames: readonly [string, ...string[]];
  readonly timing: CertificateTiming;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Observed {
  readonly observation: Observation;
  readonly configuration: StoredConfiguration | undefined;
  readonly bundles: readonly Bundle[];
}

/**
 * Maximum number of steps without a pause. More steps are necessary only if another program reverts the changes of the
 * reconciler.
 */
const MAX_STEPS_IN_A_ROW = 12;
const BACKOFF = { firstMs: 250, maxMs: 5_000 };

export class CertificateReconciler implements CertificateSource {
  readonly #options: ReconcilerOptions;
  readonly #plan: CertificatePlan;
  readonly #cas = new Map<string, Ca>();
  readonly #listeners: ((certificate: ServedCertificate) => void)[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #servingCertificate: ServingCertificate | undefined;
  #bundles: readonly Bundle[] = [];

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#plan = new CertificatePlan(options.timing);
    this.#running = this.#run();
  }

  onCertificate(listener: (certificate: ServedCertificate) => void): void {
    this.#listeners.push(listener);
    if (this.#servingCertificate !== undefined) {
      listener(this.#servingCertificate);
    }
  }

  isReady(): boolean {
    return this.#plan.isReady(this.#moment()) && this.#problem() === undefined;
  }

  describe(): string {
    const problem = this.#problem();
    if (problem !== undefined) {
      return `certificate: ${problem}`;
    }
    const state = this.#plan.isReady(this.#moment()) ? 'verified' : 'waiting for API servers to apply the caBundle';
    return `certificate: ${state}, expires ${new Date(this.#servingCertificate?.expiresAtMs ?? 0).toISOString()}`;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let failures = 0;
    let stepsInARow = 0;
    while (!signal.aborted) {
      let restMs: number;
      try {
        restMs = await this.#observeAndAct();
        failures = 0;
        stepsInARow = restMs > 0 ? 0 : stepsInARow + 1;
      } catch (error) {
        this.#options.log.warn({ err: error }, 'cannot reconcile the certificates, retrying');
        restMs = await this.#actUnobserved();
        restMs = Math.min(restMs, backoffMs(failures, BACKOFF));
        failures += 1;
      }
      if (stepsInARow >= MAX_STEPS_IN_A_ROW) {
        restMs = BACKOFF.maxMs;
        stepsInARow = 0;
      }
      await wait(restMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Performs the next step; returns the time in ms until the following step, or 0 if that step may be due now. */
  async #observeAndAct(): Promise<number> {
    const observed = await this.#observe();
    const step = this.#plan.next(observed.observation, this.#moment());
    this.#forget();
    return await this.#act(step, observed);
  }

  /** Performs the next step that needs no API server; never throws. */
  async #actUnobserved(): Promise<number> {
    try {
      return await this.#act(this.#plan.nextUnobserved(this.#moment()), undefined);
    } catch (error) {
      this.#options.log.error({ err: error }, 'cannot renew the certificate');
      return BACKOFF.maxMs;
    }
  }

  async #observe(): Promise<Observed> {
    const { store } = this.#options;
    const [secret, configuration] = await Promise.all([store.readSecret(), store.readConfiguration()]);
    const bundles = (configuration?.webhooks ?? []).map(({ bundlePem }) => parseBundle(bundlePem));
    this.#bundles = bundles;
    return {
      configuration,
      bundles,
      observation: {
        secret: this.#secretView(secret),
        configuration:
          configuration === undefined
            ? undefined
            : {
                version: configuration.version,
                bundles: bundles.map(({ entries }) => entries),
                isDamaged: bundles.some(({ isDamaged }) => isDamaged),
              },
      },
    };
  }

  #secretView(secret: StoredSecret | undefined): Observation['secret'] {
    if (secret === undefined) {
      return { kind: 'absent' };
    }
    const ca = readCa(secret.certificatePem, secret.keyPem);
    if (ca === undefined) {
      return { kind: 'unusable', version: secret.version };
    }
    this.#cas.set(ca.id, ca);
    return { kind: 'ca', version: secret.version, ca };
  }

  async #act(step: CertificateStep, observed: Observed | undefined): Promise<number> {
    const { store, log } = this.#options;
    switch (step.kind) {
      case 'create-ca': {
        const outcome = await store.createSecret(await this.#newCa());
        log.info({ outcome }, 'CA created, because there was none');
        return 0;
      }
      case 'replace-ca': {
        const outcome = await store.replaceSecret(step.version, await this.#newCa());
        log.info({ outcome }, 'CA replaced, because it was due or unusable');
        return 0;
      }
      case 'patch-bundles': {
        if (observed?.configuration !== undefined) {
          const outcome = await store.patchBundles(observed.configuration, this.#bundleText(step.cas, observed));
          log.info({ outcome, cas: step.cas.length }, 'caBundle patched');
        }
        return 0;
      }
      case 'sign-serving-certificate':
        await this.#signServingCertificate(step.caId);
        return 0;
      case 'rest':
        return step.durationMs;
    }
  }

  #newCa(): Promise<Ca> {
    const { timing, clock } = this.#options;
    return createCa({ lifetimeMs: timing.caLifetimeMs, nowMs: clock.nowMs() });
  }

  /** Returns the given CAs as PEM, from the caBundles or from the CAs whose keys this replica has. */
  #bundleText(cas: readonly { readonly id: string }[], observed: Observed): string {
    const published = new Map(observed.bundles.flatMap(({ entries }) => entries.map((entry) => [entry.id, entry])));
    const entries = cas.map(({ id }) => published.get(id) ?? this.#cas.get(id));
    return bundleText(entries.filter((entry) => entry !== undefined));
  }

  async #signServingCertificate(caId: string): Promise<void> {
    const { hostNames, timing, clock, log } = this.#options;
    const ca = this.#cas.get(caId);
    if (ca === undefined) {
      throw new Error(`cannot sign a serving certificate: the key of CA ${caId} is unknown`);
    }
    const servingCertificate = await signServingCertificate({
      ca,
      hostNames,
      lifetimeMs: timing.servingCertificateLifetimeMs,
      nowMs: clock.nowMs(),
    });
    this.#servingCertificate = servingCertificate;
    this.#plan.signed(servingCertificate);
    log.info(
      { expires: new Date(servingCertificate.expiresAtMs).toISOString(), ca: caId },
      'serving a new certificate',
    );
    for (const listener of this.#listeners) {
      listener(servingCertificate);
    }
  }

  #forget(): void {
    const kept = new Set(this.#plan.knownIds());
    for (const id of this.#cas.keys()) {
      if (!kept.has(id)) {
        this.#cas.delete(id);
      }
    }
  }

  #problem(): string | undefined {
    if (this.#servingCertificate === undefined) {
      return 'not signed yet';
    }
    if (this.#bundles.length === 0) {
      return 'the webhook configuration does not exist';
    }
    const chain = { chainPem: this.#servingCertificate.certificatePem, hostName: this.#options.hostNames[0] };
    const nowMs = this.#options.clock.nowMs();
    return this.#bundles.map((bundle) => chainProblem({ ...chain, bundle, nowMs })).find((text) => text !== undefined);
  }

  #moment(): Moment {
    const { clock } = this.#options;
    return { nowMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
  }
}
