/**
 * Composition root of `serve`: builds a running sidecar from the settings. Only files in this directory may import from
 * all other modules.
 *
 * Invariants:
 *   1. `startApp` opens the admin address first, then the API. `startApp` does not wait for Redis. Until Redis replies,
 *      the failure modes determine the results of all calls.
 *   2. If `startApp` cannot open an address, it closes everything that it has opened and rejects.
 *   3. `drain` announces the shutdown (through readiness, the health service and GOAWAY), lets calls in flight finish,
 *      and closes everything. Draining takes at most `drainTimeoutMs` plus the time that closing takes.
 */
import type { Settings } from '../config/load.ts';
import { NO_PROBLEMS, type PolicyFile, type PolicyFileProblems, type PolicySource } from '../config/policy-file.ts';
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
import { policyLines } from './policy-lines.ts';
import { createServices } from './services.ts';
import type { Stores } from './stores.ts';
import { openTransport, withSettingName } from './transport.ts';

export interface AppOptions {
  readonly settings: Settings;
  readonly policies: PolicySource;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Instance id of this process, which /readyz shows. */
  readonly instance: string;
}

export interface App {
  /** Listen addresses in the form `host:port`, or the path of the socket; `none` if there is no listener. */
  readonly addresses: { readonly grpc: string; readonly socket: string; readonly admin: string };
  readonly store: 'memory' | 'redis';
  drain(): Promise<void>;
  /** Updates the metrics for a new policy file. The services read the current policies for every call. */
  onPolicies(file: PolicyFile): void;
}

/**
 * Maximum number of calls in flight. The number is far above normal load, but bounds memory while Redis does not reply.
 */
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
  metrics.onPolicyScrape(() => problemsOf(policies).count);
  logUnkeyedHashes(options, stores);

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

/**
 * Logs that the sidecar hashes subjects without a key. No other log line reports that an optional Secret does not
 * contain the key.
 */
function logUnkeyedHashes({ settings, policies, log }: AppOptions, { kind }: Stores): void {
  const isHashing =
    settings.hashSubjects || [...policies.current().policies.values()].some((policy) => policy.hashSubjects);
  if (kind === 'redis' && isHashing && readSubjectKey(settings) === undefined) {
    log.info({}, 'subjects are hashed without a key: anyone who can read Redis can guess them');
  }
}

function problemsOf(policies: PolicySource): PolicyFileProblems {
  return policies.problems?.() ?? NO_PROBLEMS;
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
    describe: () => [
      `instance ${options.instance}`,
      ...stores.describe(),
      ...policyLines(problemsOf(options.policies)),
    ],
    metricsText: () => metrics.text(),
    metricsContentType: metrics.contentType,
    log,
  });
  return await withSettingName('PANNIER_ADMIN_ADDRESS', server);
}
