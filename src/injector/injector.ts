/**
 * The injector as a whole: certificates, the HTTPS server of the webhooks, and the admin address.
 *
 * Promises: /livez answers from the start; /readyz says yes when the webhooks are served by a certificate that verifies against the live
 * caBundle and the nodes were looked at, and no from the moment of draining; `drain` loses no review.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { SidecarConfig } from '../injection/sidecar-config.ts';
import { systemClock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { VERSION } from '../lib/version.ts';
import { startAdminServer } from '../observability/admin-server.ts';
import type { ApiClients } from './api-clients.ts';
import { CertificateFiles } from './certificates/certificate-files.ts';
import { CertificateReconciler } from './certificates/certificate-reconciler.ts';
import type { CertificateSource, ServedCertificate } from './certificates/certificate-source.ts';
import { kubernetesCertificateStore } from './certificates/certificate-store.ts';
import { KubeletVersions } from './kubelet-versions.ts';
import { namespaceVerdict, podVerdict } from './verdicts.ts';
import { createWebhookMetrics } from './webhook-metrics.ts';
import { startWebhookServer, type WebhookServer } from './webhook-server.ts';

export interface InjectorOptions {
  readonly config: SidecarConfig;
  readonly clients: ApiClients;
  readonly address: Address;
  readonly adminAddress: Address;
  readonly namespace: string;
  readonly serviceName: string;
  readonly configurationName: string;
  readonly certificates:
    | {
        readonly kind: 'self';
        readonly secretName: string;
        readonly caLifetimeMs: number;
        readonly servingCertificateLifetimeMs: number;
      }
    | {
        readonly kind: 'files';
        readonly certificateFile: string;
        readonly keyFile: string;
        readonly caFile?: string;
      };
  readonly log: Logger;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Injector {
  readonly port: number;
  readonly adminPort: number;
  /**
   * Reports not ready at once, keeps answering for at least `delayMs`, then closes. While reviews still arrive after `delayMs`, because a
   * kube-proxy has not yet removed this replica, it keeps answering for up to `MAX_LATE_MS` more.
   */
  drain(delayMs: number): Promise<void>;
}

/** How long API servers may take to learn of a changed caBundle. */
const MAX_SETTLE_MS = 3_000;
const MAX_POLL_MS = 5_000;
/** So that short lives, as tests have them, are looked at often enough. */
const CHECKS_PER_LIFETIME = 20;
const CLOSE_GRACE_MS = 5_000;
/** A draining replica that nothing has called for this long (or for its whole delay, if that is shorter) has been removed from the Service. */
const QUIET_MS = 2_000;
/** With CLOSE_GRACE_MS, within the 25 s that the chart's terminationGracePeriodSeconds adds to the delay. */
const MAX_LATE_MS = 15_000;

const PATHS = { pod: '/mutate-pod', namespace: '/mutate-namespace' };

/** Rejects when an address cannot be had. */
export async function startInjector(options: InjectorOptions): Promise<Injector> {
  const { config, clients, log } = options;
  const metrics = createWebhookMetrics({ version: VERSION, webhooks: Object.values(PATHS) });
  let server: WebhookServer | undefined;
  let isDraining = false;
  const source = certificateSource(options);
  let kubelets: KubeletVersions | undefined;
  // A native sidecar on an old kubelet holds its pod up for ever: no pod is decided before the nodes were looked at.
  const hasLooked = (): boolean => kubelets === undefined || kubelets.hasLooked();
  const isReady = (): boolean => server !== undefined && !isDraining && hasLooked() && source.isReady();
  metrics.onReadinessScrape(isReady);
  const admin = await startAdminServer({
    ...options.adminAddress,
    isReady,
    describe: () => [
      isDraining ? 'draining' : source.describe(),
      ...(hasLooked() ? [] : ['the nodes are being listed, for their kubelets']),
    ],
    metricsText: () => metrics.text(),
    metricsContentType: metrics.contentType,
    log,
  });
  kubelets = config.native === 'auto' ? new KubeletVersions({ core: clients.core, log }) : undefined;
  const certificate = await firstCertificate(source, (renewed) => {
    metrics.certificateExpires(renewed.expiresAtMs);
    server?.setCertificate(renewed);
  });
  server = await startWebhookServer({
    ...options.address,
    certificate,
    reviewers: {
      [PATHS.pod]: (request) =>
        podVerdict(request, { config, kubelets: kubelets?.current() ?? { oldestMinor: undefined } }),
      [PATHS.namespace]: namespaceVerdict,
    },
    onReview: metrics.review,
    log,
  });
  const listening = server;
  return {
    port: listening.port,
    adminPort: admin.port,
    drain: async (delayMs) => {
      isDraining = true;
      await wait(delayMs);
      await listening.waitUntilQuiet({ quietMs: Math.min(QUIET_MS, delayMs), maxWaitMs: MAX_LATE_MS });
      await listening.close(CLOSE_GRACE_MS);
      await Promise.all([source.close(), kubelets?.close(), admin.close()]);
    },
  };
}

function certificateSource(options: InjectorOptions): CertificateSource {
  const { certificates, namespace, serviceName, configurationName, clients, log } = options;
  const hostName = `${serviceName}.${namespace}.svc`;
  const store = kubernetesCertificateStore({
    ...clients,
    namespace,
    configurationName,
    secretName: certificates.kind === 'self' ? certificates.secretName : '',
  });
  if (certificates.kind === 'files') {
    return new CertificateFiles({
      ...certificates,
      hostName,
      store,
      settleMs: MAX_SETTLE_MS,
      clock: systemClock,
      log,
    });
  }
  const checkMs = certificates.caLifetimeMs / CHECKS_PER_LIFETIME;
  return new CertificateReconciler({
    store,
    hostNames: [hostName, `${hostName}.cluster.local`],
    timing: {
      caLifetimeMs: certificates.caLifetimeMs,
      servingCertificateLifetimeMs: certificates.servingCertificateLifetimeMs,
      settleMs: Math.min(MAX_SETTLE_MS, checkMs),
      pollMs: Math.min(MAX_POLL_MS, checkMs),
      jitter: Math.random(),
    },
    clock: systemClock,
    log,
  });
}

function firstCertificate(
  source: CertificateSource,
  onEach: (certificate: ServedCertificate) => void,
): Promise<ServedCertificate> {
  return new Promise((resolve) => {
    source.onCertificate((certificate) => {
      onEach(certificate);
      resolve(certificate);
    });
  });
}
