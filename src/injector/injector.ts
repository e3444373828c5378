/**
 * Composes the injector: certificates, the HTTPS server of the webhooks, and the admin server.
 *
 * Invariants:
 *   1. The path /livez succeeds from the start, before the first certificate exists.
 *   2. /readyz succeeds only if the served certificate verifies against the live caBundles, and the first listing of
 *      the nodes has succeeded or has failed several times. The path /readyz fails once draining has started.
 *   3. `drain` loses no review that is in flight.
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
   * Reports at once that the injector is not ready, keeps answering for at least `delayMs`, then closes. If reviews
   * still arrive, the injector answers them for up to `MAX_LATE_MS` longer, because a kube-proxy may not yet have
   * removed this replica.
   */
  drain(delayMs: number): Promise<void>;
}

/** Maximum time that API servers take to apply a changed caBundle. */
const MAX_SETTLE_MS = 3_000;
const MAX_POLL_MS = 5_000;
/** Minimum number of polls in the lifetime of a CA. This minimum matters only for the short lifetimes in tests. */
const CHECKS_PER_LIFETIME = 20;
const CLOSE_GRACE_MS = 5_000;
/**
 * Time without a call after which a draining replica assumes that the Service no longer routes calls to it. If the
 * drain delay is shorter, the injector uses the drain delay instead.
 */
const QUIET_MS = 2_000;
/**
 * Maximum extra drain time. The sum of this time and CLOSE_GRACE_MS is less than the 25 s that the chart adds to the
 * drain delay in terminationGracePeriodSeconds.
 */
const MAX_LATE_MS = 15_000;

const PATHS = { pod: '/mutate-pod', namespace: '/mutate-namespace' };

/** Starts the injector; rejects if it cannot listen on an address. */
export async function startInjector(options: InjectorOptions): Promise<Injector> {
  const { config, clients, log } = options;
  const metrics = createWebhookMetrics({ version: VERSION, webhooks: Object.values(PATHS) });
  let server: WebhookServer | undefined;
  let isDraining = false;
  const source = certificateSource(options);
  let kubelets: KubeletVersions | undefined;
  // A native sidecar on an old kubelet blocks its pod forever, so the injector is not ready before it has listed the
  // nodes.
  const hasKubelets = (): boolean => kubelets === undefined || kubelets.isInitialized();
  const isReady = (): boolean => server !== undefined && !isDraining && hasKubelets() && source.isReady();
  metrics.onReadinessScrape(isReady);
  const admin = await startAdminServer({
    ...options.adminAddress,
    isReady,
    describe: () => [
      isDraining ? 'draining' : source.describe(),
      ...(hasKubelets() ? [] : ['kubelet versions unknown: the nodes are being listed']),
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
