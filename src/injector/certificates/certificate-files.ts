/**
 * The certificate from files: cert-manager's Secret, or one of your own, mounted into the pod.
 *
 * The files are read every second and compared, as policies are (file events of mounted Secrets get lost). A pair that does not fit, as
 * in the moment between the writing of one file and of the other, is told once and the pair in force stays.
 *
 * Promises:
 *   1. a new pair is served when API servers trust it: it verifies against every caBundle, and was seen to for `settleMs`, since they
 *      hear of a change late. Until then the one before goes on, as long as it verifies itself;
 *   2. with `caFile` (cert-manager's ca.crt) the caBundles are kept here: the CA of the pair is added to what is there, and
 *      nothing is taken away before it has expired. Without, they are the business of whoever wrote the files;
 *   3. ready means that API servers trust what is served.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logger.ts';
import { type Bundle, type BundleEntry, bundleText, chainProblem, parseBundle } from './bundle.ts';
import type { CertificateSource, ServedCertificate } from './certificate-source.ts';
import type { CertificateStore, StoredConfiguration } from './certificate-store.ts';
import { changedBundle } from './trusted-cas.ts';

export interface CertificateFilesOptions {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** PEM certificates of the CA; may be empty, or not there, while its issuer gives none. */
  readonly caFile?: string;
  readonly hostName: string;
  readonly store: Pick<CertificateStore, 'readConfiguration' | 'patchBundles'>;
  /** How long API servers may take to learn of a changed caBundle. */
  readonly settleMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly intervalMs?: number;
  readonly configurationIntervalMs?: number;
}

/** What the files held at one time. */
interface Held {
  readonly certificate: ServedCertificate;
  readonly cas: readonly BundleEntry[];
  /** Since when every caBundle verifies it, monotonic. */
  trustedSinceMs: number | undefined;
}

const INTERVAL_MS = 1_000;
const CONFIGURATION_INTERVAL_MS = 5_000;
const BACKOFF = { firstMs: 250, maxMs: 5_000 };
const UNSETTLED = 'waiting for API servers to learn the caBundle';

export class CertificateFiles implements CertificateSource {
  readonly #options: CertificateFilesOptions;
  readonly #listeners: ((certificate: ServedCertificate) => void)[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;
  #seen = '';
  #served: Held | undefined;
  /** What is to be served when API servers trust it. */
  #next: Held | undefined;
  #bundles: readonly Bundle[] = [];

  constructor(options: CertificateFilesOptions) {
    this.#options = options;
    this.#running = Promise.all([this.#watchFiles(), this.#watchConfiguration()]);
  }

  onCertificate(listener: (certificate: ServedCertificate) => void): void {
    this.#listeners.push(listener);
    if (this.#served !== undefined) {
      listener(this.#served.certificate);
    }
  }

  isReady(): boolean {
    return this.#served !== undefined && this.#problemOf(this.#served) === undefined && this.#isSettled(this.#served);
  }

  describe(): string {
    const served = this.#served;
    if (served === undefined) {
      const { certificateFile, keyFile } = this.#options;
      return `certificate: ${certificateFile} and ${keyFile} are no certificate and its key`;
    }
    const expires = new Date(served.certificate.expiresAtMs).toISOString();
    const state = this.#problemOf(served) ?? `${this.#isSettled(served) ? 'verified' : UNSETTLED}, expires ${expires}`;
    const waiting = this.#next === undefined ? '' : `; a newer one waits: ${this.#problemOf(this.#next) ?? UNSETTLED}`;
    return `certificate: ${state}${waiting}`;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #watchFiles(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#checkFiles();
      this.#serveWhatIsTrusted();
      await wait(this.#options.intervalMs ?? INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #checkFiles(): Promise<void> {
    const { certificateFile, keyFile, caFile, log } = this.#options;
    const read = (path: string | undefined): Promise<string> =>
      path === undefined ? Promise.resolve('') : readFile(path, 'utf8').catch(() => '');
    const [certificatePem, keyPem, caPem] = await Promise.all([read(certificateFile), read(keyFile), read(caFile)]);
    const seen = `${certificatePem}\0${keyPem}\0${caPem}`;
    if (seen === this.#seen) {
      return;
    }
    this.#seen = seen;
    const certificate = servedCertificate(certificatePem, keyPem);
    if (certificate === undefined) {
      log.error({ certificateFile, keyFile }, 'the files are no certificate and its key, what is served stays');
      return;
    }
    this.#next = { certificate, cas: parseBundle(caPem).entries, trustedSinceMs: undefined };
  }

  async #watchConfiguration(): Promise<void> {
    const { signal } = this.#stop;
    let failures = 0;
    while (!signal.aborted) {
      let restMs = this.#options.configurationIntervalMs ?? CONFIGURATION_INTERVAL_MS;
      try {
        const isUnchanged = await this.#checkConfiguration();
        if (!isUnchanged || this.#next !== undefined) {
          restMs = Math.min(restMs, this.#options.intervalMs ?? INTERVAL_MS);
        }
        failures = 0;
      } catch (error) {
        this.#options.log.warn({ err: error }, 'cannot look after the webhook configuration, trying again');
        restMs = backoffMs(failures, BACKOFF);
        failures += 1;
      }
      this.#serveWhatIsTrusted();
      await wait(restMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** False: it was changed here, or by somebody else meanwhile, and is to be looked at again. */
  async #checkConfiguration(): Promise<boolean> {
    const { store } = this.#options;
    const configuration = await store.readConfiguration();
    this.#bundles = (configuration?.webhooks ?? []).map(({ bundlePem }) => parseBundle(bundlePem));
    for (const held of [this.#served, this.#next]) {
      if (held !== undefined) {
        this.#notice(held);
      }
    }
    return configuration === undefined || (await this.#keepBundles(configuration));
  }

  async #keepBundles(configuration: StoredConfiguration): Promise<boolean> {
    const { store, caFile, clock, log } = this.#options;
    const own = [...(this.#served?.cas ?? []), ...(this.#next?.cas ?? [])];
    if (caFile === undefined || own.length === 0) {
      return true;
    }
    const bundles = this.#bundles.map(({ entries }) => entries);
    const isDamaged = this.#bundles.some((bundle) => bundle.isDamaged);
    const expected = changedBundle({ bundles, isDamaged, own, nowMs: clock.nowMs() });
    if (expected === undefined) {
      return true;
    }
    const outcome = await store.patchBundles(configuration, bundleText(expected));
    log.info({ outcome, cas: expected.length }, 'the caBundle was brought up to date');
    return false;
  }

  #serveWhatIsTrusted(): void {
    const { log } = this.#options;
    const next = this.#next;
    if (next === undefined) {
      return;
    }
    this.#notice(next);
    const isServedTrusted = this.#served !== undefined && this.#problemOf(this.#served) === undefined;
    if (isServedTrusted && !this.#isSettled(next)) {
      return;
    }
    this.#next = undefined;
    this.#served = next;
    log.info({ expires: new Date(next.certificate.expiresAtMs).toISOString() }, 'serving the certificate of the files');
    for (const listener of this.#listeners) {
      listener(next.certificate);
    }
  }

  #notice(held: Held): void {
    const isTrusted = this.#problemOf(held) === undefined;
    held.trustedSinceMs = isTrusted ? (held.trustedSinceMs ?? this.#options.clock.monotonicMs()) : undefined;
  }

  #isSettled({ trustedSinceMs }: Held): boolean {
    const { clock, settleMs } = this.#options;
    return trustedSinceMs !== undefined && clock.monotonicMs() - trustedSinceMs >= settleMs;
  }

  /** Why API servers do not trust it, as far as the caBundles are known. */
  #problemOf(held: Held): string | undefined {
    const { hostName, clock, caFile } = this.#options;
    if (this.#bundles.length === 0) {
      return 'there is no webhook configuration';
    }
    const chain = { chainPem: held.certificate.certificatePem, hostName, nowMs: clock.nowMs() };
    const problem = this.#bundles
      .map((bundle) => chainProblem({ ...chain, bundle }))
      .find((text) => text !== undefined);
    if (problem !== undefined && caFile !== undefined && held.cas.length === 0) {
      return `${problem}, and ${caFile} holds no CA, wanted an issuer that gives its own`;
    }
    return problem;
  }
}

/** Undefined when the two do not belong together. */
function servedCertificate(certificatePem: string, keyPem: string): ServedCertificate | undefined {
  try {
    const certificate = new X509Certificate(certificatePem);
    if (!certificate.checkPrivateKey(createPrivateKey(keyPem))) {
      return undefined;
    }
    return { certificatePem, keyPem, expiresAtMs: certificate.validToDate.getTime() };
  } catch {
    return undefined;
  }
}
