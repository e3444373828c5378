/**
 * Computes the sidecar of a pod from the injector's configuration and the pod's annotations. The annotations override
 * the configuration.
 */
import { type Annotations, annotationKey } from './annotations.ts';
import { type Kubelets, runsNativeSidecars } from './kubelets.ts';
import type { Pod } from './pod.ts';
import type { PodLevelName } from './pod-resources.ts';
import type { SidecarSecurityContext } from './security-context.ts';
import {
  excessiveRequests,
  RESOURCE_NAMES,
  type ResourceList,
  type ResourceName,
  type SidecarConfig,
  type SidecarResources,
} from './sidecar-config.ts';

export const SIDECAR_NAME = 'pannier';
export const SOCKET_VOLUME = 'pannier-socket';
export const POLICIES_VOLUME = 'pannier-policies';
export const REDIS_VOLUME = 'pannier-redis';
export const REDIS_TLS_VOLUME = 'pannier-redis-tls';
/** Volume without content, which is mounted where the API server would otherwise mount a token. */
export const NO_TOKEN_VOLUME = 'pannier-no-token';
export const SOCKET_DIRECTORY = '/run/pannier';
export const SOCKET_PATH: string = `${SOCKET_DIRECTORY}/pannier.sock`;

const DEFAULT_GRPC_PORT = 9470;
const DEFAULT_ADMIN_PORT = 9471;

export interface Sidecar {
  readonly image: string;
  readonly imagePullPolicy: string;
  readonly imagePullSecrets: readonly string[];
  /** Whether the sidecar is an init container that keeps running. Otherwise the sidecar is a plain container. */
  readonly isNative: boolean;
  /** Names of containers after which the sidecar is placed; without them, the sidecar comes first. */
  readonly after: readonly string[];
  readonly grpcPort: number;
  readonly adminPort: number;
  readonly hasSocket: boolean;
  readonly resources: SidecarResources;
  readonly securityContext: SidecarSecurityContext;
  /** Memory of which the heap may use half; undefined if it has no limit. Pod-level resources do not change it. */
  readonly heapMemory: string | undefined;
  readonly redisSecret: string | undefined;
  /** Secret with the TLS files; undefined if the sidecar reads any such files from `redisSecret`. */
  readonly redisTlsSecret: string | undefined;
  readonly policiesConfigMap: string | undefined;
  /** Scope of rate limits; undefined selects the namespace of the pod. */
  readonly scope: string | undefined;
  /** URL of Redis; undefined if `redisSecret` contains the URL or if the sidecar uses no Redis. */
  readonly redisUrl: string | undefined;
  readonly logLevel: string;
  /** Settings of the sidecar that have no separate field in this type. */
  readonly settings: Readonly<Record<string, string>>;
  /** Grace period within which the pod must stop. */
  readonly gracePeriodMs: number;
}

export interface SidecarSource {
  readonly pod: Pod;
  readonly annotations: Annotations;
  readonly config: SidecarConfig;
  readonly kubelets: Kubelets;
  /** Resources that the pod sets in `spec.resources`, so that the configured values of the sidecar do not apply. */
  readonly podLevel: ReadonlySet<PodLevelName>;
}

const DEFAULT_GRACE_PERIOD_SECONDS = 30;

export function resolveSidecar({ pod, annotations, config, kubelets, podLevel }: SidecarSource): Sidecar {
  const native = annotations.native ?? config.native;
  const configuredUrls = config.redis.urls.length > 0 ? config.redis.urls.join(',') : undefined;
  // The configured Secrets contain the credentials for the configured Redis. A pod with another Redis has its own
  // Secret or needs no credentials.
  const configuredSecrets: Partial<SidecarConfig['redis']> = annotations['redis-url'] === undefined ? config.redis : {};
  const graceSeconds = pod.spec?.terminationGracePeriodSeconds;
  return {
    image: annotations.image ?? config.image,
    imagePullPolicy: annotations['image-pull-policy'] ?? config.imagePullPolicy,
    imagePullSecrets: annotations['image-pull-secrets'] ?? config.imagePullSecrets,
    isNative: native === 'auto' ? runsNativeSidecars(kubelets) : native === 'true',
    after: annotations.after ?? config.after,
    grpcPort: annotations['grpc-port'] ?? DEFAULT_GRPC_PORT,
    adminPort: annotations['admin-port'] ?? DEFAULT_ADMIN_PORT,
    hasSocket: annotations.socket ?? config.socket,
    resources: {
      requests: resourceList(config.resources.requests, podLevel, (name) => annotations[`${name}-request`]),
      limits: resourceList(config.resources.limits, podLevel, (name) => annotations[`${name}-limit`]),
    },
    securityContext: config.securityContext,
    heapMemory: annotations['memory-limit'] ?? config.resources.limits.memory,
    redisSecret: annotations['redis-secret'] ?? configuredSecrets.secretName,
    redisTlsSecret: annotations['redis-tls-secret'] ?? configuredSecrets.tlsSecretName,
    policiesConfigMap: annotations.policies ?? config.policiesConfigMap,
    scope: annotations.scope,
    redisUrl: annotations['redis-url'] ?? configuredUrls,
    logLevel: annotations['log-level'] ?? config.logLevel,
    settings: {
      ...config.env,
      ...annotations.env,
      ...given('PANNIER_DEFAULT_DEADLINE_MS', annotations['default-deadline-ms']),
      ...given('PANNIER_DRAIN_TIMEOUT_MS', annotations['drain-timeout-ms']),
      ...given('PANNIER_GRPC_TRANSPORT', annotations['grpc-transport']),
    },
    gracePeriodMs: (typeof graceSeconds === 'number' ? graceSeconds : DEFAULT_GRACE_PERIOD_SECONDS) * 1_000,
  };
}

function resourceList(
  configured: ResourceList,
  podLevel: ReadonlySet<ResourceName>,
  annotated: (name: ResourceName) => string | undefined,
): ResourceList {
  const entries = RESOURCE_NAMES.map((name) => [
    name,
    annotated(name) ?? (podLevel.has(name) ? undefined : configured[name]),
  ]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

function given(name: string, value: string | undefined): Readonly<Record<string, string>> {
  return value === undefined ? {} : { [name]: value };
}

/** Returns the contradictions between values that are each valid on their own. */
export function sidecarProblems(sidecar: Sidecar): string[] {
  const problems = excessiveRequests(sidecar.resources).map(
    ({ name, request, limit }) =>
      `cannot inject the pod: its ${name} request (${request}) is above the limit (${limit}); set annotation ${annotationKey(`${name}-request`)} or ${annotationKey(`${name}-limit`)}`,
  );
  if (sidecar.grpcPort === sidecar.adminPort) {
    problems.push(
      `cannot inject the pod: the gRPC port and the admin port are both ${sidecar.grpcPort}; set annotations ${annotationKey('grpc-port')} and ${annotationKey('admin-port')} to different ports`,
    );
  }
  const hasRedis = sidecar.redisUrl !== undefined || sidecar.redisSecret !== undefined;
  if (sidecar.settings.PANNIER_CACHE_REDIS_URL !== undefined && !hasRedis) {
    problems.push(
      `cannot inject the pod: PANNIER_CACHE_REDIS_URL is set but there is no other Redis; set annotation ${annotationKey('redis-url')} or ${annotationKey('redis-secret')} too`,
    );
  }
  return problems;
}

/** Returns the variables that contain the addresses of the sidecar, for the other containers of the pod. */
export function endpointsOf(sidecar: Pick<Sidecar, 'grpcPort' | 'hasSocket'>): ReadonlyMap<string, string> {
  const endpoints = new Map([['PANNIER_ADDRESS', `127.0.0.1:${sidecar.grpcPort}`]]);
  if (sidecar.hasSocket) {
    endpoints.set('PANNIER_SOCKET', `unix:${SOCKET_PATH}`);
  }
  return endpoints;
}
