/**
 * Serves a certificate from files: a mounted Secret that cert-manager or the user provides.
 *
 * Reads the files every second and compares their content, because file events of mounted Secrets are unreliable. If
 * the key does not match the certificate, for example between the writes of the two files, the module logs the mismatch
 * once and continues to use the current pair.
 *
 * Invariants:
 *   1. If the current pair verifies against every caBundle, the module serves a new pair only after the new pair has
 *      also verified against every caBundle for `settleMs`. The delay is necessary because API servers do not apply a
 *      changed caBundle immediately. If the current pair does not verify, the module serves the new pair at once.
 *   2. With `caFile` (cert-manager's ca.crt), this module adds the CAs of the pair to every caBundle. The module
 *      removes only expired CAs, and the oldest CAs of a full caBundle. Without `caFile`, the module never writes a
 *      caBundle.
 *   3. `isReady` returns true only if the served certificate has verified against every caBundle for `settleMs`.
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
  /** Path of the PEM certificates of the CA. The file may be empty or absent, because some issuers provide no CA. */
  readonly caFile?: string;
  readonly hostName: string;
  readonly store: Pick<CertificateStore, 'readConfiguration' | 'patchBundles'>;
  /** Maximum time that API servers take to apply a changed caBundle. */
  readonly settleMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly intervalMs?: number;
  readonly configurationIntervalMs?: number;
}

/** Certificate, key and CAs that were read from the files together. */
interface LoadedPair {
  readonly certificate: ServedCertificate;
  readonly cas: readonly BundleEntry[];
  /**
   * Monotonic time at which the certificate first verified against every caBundle; undefined if the last verification
   * failed.
   */
  trustedSinceMs: number | undefined;
}

const INTERVAL_MS = 1_000;
const CONFIGURATION_INTERVAL_MS = 5_000;
const BACKOFF = { firstMs: 250, maxMs: 5_000 };
const UNSETTLED = 'waiting for API servers to apply the caBundle';

export class CertificateFiles implements CertificateSource {
  readonly #options: CertificateFilesOptions;
  readonly #listeners: ((certificate: ServedCertificate) => void)[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;
  #lastContent = '';
  #served: LoadedPair | undefined;
  /** Pair that the module serves as soon as API servers trust its CA. */
  #next: LoadedPair | undefined;
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
      return `certificate: ${certificateFile} and ${keyFile} are not a certificate and its private key`;
    }
    const expires = new Date(served.certificate.expiresAtMs).toISOString();
    const state = this.#problemOf(served) ?? `${this.#isSettled(served) ? 'verified' : UNSETTLED}, expires ${expires}`;
    const waiting =
      this.#next === undefined ? '' : `; a newer one is not served yet: ${this.#problemOf(this.#next) ?? UNSETTLED}`;
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
      this.#serveNextIfTrusted();
      await wait(this.#options.intervalMs ?? INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #checkFiles(): Promise<void> {
    const { certificateFile, keyFile, caFile, log } = this.#options;
    const read = (path: string | undefined): Promise<string> =>
      path === undefined ? Promise.resolve('') : readFile(path, 'utf8').catch(() => '');
    const [certificatePem, keyPem, caPem] = await Promise.all([read(certificateFile), read(keyFile), read(caFile)]);
    const content = `${certificatePem}\0${keyPem}\0${caPem}`;
    if (content === this.#lastContent) {
      return;
    }
    this.#lastContent = content;
    const certificate = servedCertificate(certificatePem, keyPem);
    if (certificate === undefined) {
      log.error({ certificateFile, keyFile }, 'files rejected: not a certificate and its private key');
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
        this.#options.log.warn({ err: error }, 'cannot reconcile the webhook configuration, retrying');
        restMs = backoffMs(failures, BACKOFF);
        failures += 1;
      }
      this.#serveNextIfTrusted();
      await wait(restMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /**
   * Reconciles the caBundles once; returns false if it tried to write, so that the caller soon reads the caBundles
   * again.
   */
  async #checkConfiguration(): Promise<boolean> {
    const { store } = this.#options;
    const configuration = await store.readConfiguration();
    this.#bundles = (configuration?.webhooks ?? []).map(({ bundlePem }) => parseBundle(bundlePem));
    for (const pair of [this.#served, this.#next]) {
      if (pair !== undefined) {
        this.#updateTrust(pair);
      }
    }
    return configuration === undefined || (await this.#updateBundles(configuration));
  }

  async #updateBundles(configuration: StoredConfiguration): Promise<boolean> {
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
    log.info({ outcome, cas: expected.length }, 'caBundle patched');
    return false;
  }

  #serveNextIfTrusted(): void {
    const { log } = this.#options;
    const next = this.#next;
    if (next === undefined) {
      return;
    }
    this.#updateTrust(next);
    const isServedTrusted = this.#served !== undefined && this.#problemOf(this.#served) === undefined;
    if (isServedTrusted && !this.#isSettled(next)) {
      return;
    }
    this.#next = undefined;
    this.#served = next;
    log.info({ expires: new Date(next.certificate.expiresAtMs).toISOString() }, 'serving a new certificate');
    for (const listener of this.#listeners) {
      listener(next.certificate);
    }
  }

  #updateTrust(pair: LoadedPair): void {
    const isTrusted = this.#problemOf(pair) === undefined;
    pair.trustedSinceMs = isTrusted ? (pair.trustedSinceMs ?? this.#options.clock.monotonicMs()) : undefined;
  }

  #isSettled({ trustedSinceMs }: LoadedPair): boolean {
    const { clock, settleMs } = this.#options;
    return trustedSinceMs !== undefined && clock.monotonicMs() - trustedSinceMs >= settleMs;
  }

  /**
   * Returns why API servers with the caBundles last read would reject the certificate, or undefined if the API servers
   * would accept the certificate.
   */
  #problemOf(pair: LoadedPair): string | undefined {
    const { hostName, clock, caFile } = this.#options;
    if (this.#bundles.length === 0) {
      return 'the webhook configuration does not exist';
    }
    const chain = { chainPem: pair.certificate.certificatePem, hostName, nowMs: clock.nowMs() };
    const problem = this.#bundles
      .map((bundle) => chainProblem({ ...chain, bundle }))
      .find((text) => text !== undefined);
    if (problem !== undefined && caFile !== undefined && pair.cas.length === 0) {
      return `${problem}, and ${caFile} contains no CA; use an issuer that provides its CA`;
    }
    return problem;
  }
}

/** Parses a certificate and its private key; returns undefined if they do not match. */
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
