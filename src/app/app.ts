/**
 * The composition root of `serve`: settings -> a running sidecar. Only the files of this folder see every module.
 *
 * Promises:
 *   1. `startApp` opens the admin address first, then the API, and does not wait for Redis: without it calls are answered by the failure
 *      modes. It rejects, having closed what it opened, when an address cannot be had.
 *   2. `drain` reports it (readiness, health, GOAWAY), lets calls in flight end, and closes all within `drainTimeoutMs` and a moment.
 */
import type { Settings } from '../config/load.ts';
import type { PolicyFile, PolicySource } from '../config/policy-file.ts';
import { readSubjectKey } from '../config/setting-files.ts';
import { createHealthService } from '../grpc/health.ts';
import { callControlInterceptor } from '../grpc/interceptors/call-control.ts';
import { createMethodTable, type Service } from '../grpc/service-table.ts';
import { statusName } from '../grpc/status.ts';
import type { Transport } from '../grpc/transport/transport.ts';
import { systemClock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { TimerWheel } from '../lib/timer-wheel.ts';
import { type AdminServer, startAdminServer } from '../observability/admin-server.ts';
import type { Metrics } from '../observability/metrics.ts';
import { Readiness } from '../observability/readiness.ts';
import { localText } from './local-text.ts';
import { openStores } from './open-stores.ts';
import { createServices } from './services.ts';
import type { Stores } from './stores.ts';
import { namingSetting, openTransport } from './transport.ts';

export interface AppOptions {
  readonly settings: Settings;
  readonly policies: PolicySource;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** The instance id of this process, for /readyz. */
  readonly instance: string;
}

export interface App {
  /** What listens: `host:port`, `none` where nothing does. */
  readonly addresses: { readonly grpc: string; readonly socket: string; readonly admin: string };
  readonly store: 'memory' | 'redis';
  drain(): Promise<void>;
  /** Applies what a new policy file changes outside the modules that read it with every call. */
  onPolicies(file: PolicyFile): void;
}

/** Far above what one connection carries, and low enough that memory stays bounded when Redis hangs. */
const MAX_CALLS_IN_FLIGHT = 10_000;
const MAX_STREAMS_IN_FLIGHT = 256;

export async function startApp(options: AppOptions): Promise<App> {
  const { settings, policies, log, metrics } = options;
  const clock = systemClock;
  const wheel = new TimerWheel({ clock });
  const stores = await openStores({ settings, clock, wheel, log, metrics });
  const readiness = new Readiness({
    clock,
    hasAnswered: () => stores.hasAnswered(),
    isRefused: () => stores.isRefused(),
  });
  const health = createHealthService();
  const services = [health, ...createServices({ settings, stores, policies, clock, metrics, log })];
  const table = createMethodTable(services, [
    callControlInterceptor({
      clock,
      wheel,
      metrics: { method: (path, kind) => metrics.method(path, kind, statusNameOf) },
      maxCallsInFlight: MAX_CALLS_IN_FLIGHT,
      maxStreamsInFlight: MAX_STREAMS_IN_FLIGHT,
    }),
  ]);

  let admin: AdminServer | undefined;
  let transport: Transport;
  try {
    admin = await openAdmin(options, readiness, stores);
    transport = await openTransport(settings, {
      table,
      clock,
      log,
      onConnectionDropped: (reason) => metrics.connectionDropped(reason),
    });
  } catch (error) {
    await admin?.close();
    closeAll(services);
    stores.close();
    throw error;
  }
  metrics.onConnectionsScrape(() => transport.connections);
  health.setServing(true);
  readiness.serving();
  metrics.setPolicies(policies.current().policies);
  noteUnkeyedHashes(options, stores);

  return {
    addresses: {
      grpc: transport.tcpPort === undefined ? 'none' : localText(settings.grpcAddress?.host ?? '', transport.tcpPort),
      socket: settings.grpcSocket ?? 'none',
      admin: admin === undefined ? 'none' : localText(admin.host, admin.port),
    },
    store: stores.kind,
    drain: async () => {
      readiness.draining();
      health.setServing(false);
      await transport.drain(settings.drainTimeoutMs);
      closeAll(services);
      stores.close();
      wheel.close();
      metrics.close();
      await admin?.close();
    },
    onPolicies: (file) => metrics.setPolicies(file.policies),
  };
}

function closeAll(services: readonly Service[]): void {
  for (const service of services) {
    service.close();
  }
}

/** A key that is missing in its Secret shows nowhere else. */
function noteUnkeyedHashes({ settings, policies, log }: AppOptions, { kind }: Stores): void {
  const isHashing =
    settings.hashSubjects || [...policies.current().policies.values()].some((policy) => policy.hashSubjects);
  if (kind === 'redis' && isHashing && readSubjectKey(settings) === undefined) {
    log.info({}, 'subjects are hashed without a key, those that can be guessed can be found in Redis');
  }
}

function statusNameOf(code: number): string {
  return statusName(code as Parameters<typeof statusName>[0]);
}

async function openAdmin(options: AppOptions, readiness: Readiness, stores: Stores): Promise<AdminServer | undefined> {
  const { settings, log, metrics } = options;
  if (settings.adminAddress === undefined) {
    return undefined;
  }
  const server = startAdminServer({
    ...settings.adminAddress,
    isReady: () => readiness.isReady(),
    describe: () => [`instance ${options.instance}`, ...stores.describe()],
    metricsText: () => metrics.text(),
    metricsContentType: metrics.contentType,
    log,
  });
  return await namingSetting('PANNIER_ADMIN_ADDRESS', server);
}
