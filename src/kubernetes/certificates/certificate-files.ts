/**
 * The certificate from files: cert-manager's Secret, or one of your own, mounted into the pod.
 *
 * The files are read every second and compared, as policies are (file events of mounted Secrets get lost). A pair that does not fit, as
 * in the moment between the writing of one file and of the other, is told once and the pair in force stays. Ready when the chain
 * verifies against the caBundle of every webhook, which cert-manager or you have to see to.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logger.ts';
import { type Bundle, chainProblem, parseBundle } from './bundle.ts';
import type { CertificateSource, ServedCertificate } from './certificate-source.ts';
import type { CertificateStore } from './certificate-store.ts';

export interface CertificateFilesOptions {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly hostName: string;
  readonly store: Pick<CertificateStore, 'readConfiguration'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly intervalMs?: number;
  readonly configurationIntervalMs?: number;
}

const INTERVAL_MS = 1_000;
const CONFIGURATION_INTERVAL_MS = 5_000;
const BACKOFF = { firstMs: 250, maxMs: 5_000 };

export class CertificateFiles implements CertificateSource {
  readonly #options: CertificateFilesOptions;
  readonly #listeners: ((certificate: ServedCertificate) => void)[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;
  #seen = '';
  #served: ServedCertificate | undefined;
  #bundles: readonly Bundle[] = [];

  constructor(options: CertificateFilesOptions) {
    this.#options = options;
    this.#running = Promise.all([this.#watchFiles(), this.#watchConfiguration()]);
  }

  onCertificate(listener: (certificate: ServedCertificate) => void): void {
    this.#listeners.push(listener);
    if (this.#served !== undefined) {
      listener(this.#served);
    }
  }

  isReady(): boolean {
    return this.#problem() === undefined;
  }

  describe(): string {
    const problem = this.#problem();
    const expires = new Date(this.#served?.expiresAtMs ?? 0).toISOString();
    return `certificate: ${problem ?? `verified, expires ${expires}`}`;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #watchFiles(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#lookAtFiles();
      await wait(this.#options.intervalMs ?? INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #lookAtFiles(): Promise<void> {
    const { certificateFile, keyFile, log } = this.#options;
    const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
    const [certificatePem, keyPem] = await Promise.all([read(certificateFile), read(keyFile)]);
    const seen = `${certificatePem}\0${keyPem}`;
    if (seen === this.#seen) {
      return;
    }
    this.#seen = seen;
    const certificate = servedCertificate(certificatePem, keyPem);
    if (certificate === undefined) {
      log.error({ certificateFile, keyFile }, 'the files are no certificate and its key, what is served stays');
      return;
    }
    this.#served = certificate;
    log.info({ expires: new Date(certificate.expiresAtMs).toISOString() }, 'serving the certificate of the files');
    for (const listener of this.#listeners) {
      listener(certificate);
    }
  }

  async #watchConfiguration(): Promise<void> {
    const { signal } = this.#stop;
    let failures = 0;
    while (!signal.aborted) {
      let restMs = this.#options.configurationIntervalMs ?? CONFIGURATION_INTERVAL_MS;
      try {
        const configuration = await this.#options.store.readConfiguration();
        this.#bundles = (configuration?.webhooks ?? []).map(({ bundlePem }) => parseBundle(bundlePem));
        failures = 0;
      } catch (error) {
        this.#options.log.warn({ err: error }, 'cannot look at the webhook configuration, trying again');
        restMs = backoffMs(failures, BACKOFF);
        failures += 1;
      }
      await wait(restMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #problem(): string | undefined {
    const { certificateFile, keyFile, hostName, clock } = this.#options;
    if (this.#served === undefined) {
      return `${certificateFile} and ${keyFile} are no certificate and its key`;
    }
    if (this.#bundles.length === 0) {
      return 'there is no webhook configuration';
    }
    const chain = { chainPem: this.#served.certificatePem, hostName, nowMs: clock.nowMs() };
    return this.#bundles.map((bundle) => chainProblem({ ...chain, bundle })).find((text) => text !== undefined);
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
