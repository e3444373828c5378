/**
 * Builds the container and the volumes of a sidecar as Kubernetes objects.
 *
 * Invariants:
 *   1. The container meets the Pod Security Standard `restricted`.
 *   2. The kubelet never expands references in the values of environment variables.
 *   3. Equal sidecars yield equal objects.
 *   4. The sidecar never has a token of the ServiceAccount.
 */
import { createHash } from 'node:crypto';
import { canonicalText } from '../lib/json.ts';
import type { Container, EnvironmentVariable, Volume, VolumeMount } from './pod.ts';
import { MEBIBYTE, parseQuantity } from './quantity.ts';
import { containerSecurityContext } from './security-context.ts';
import {
  endpointsOf,
  NO_TOKEN_VOLUME,
  POLICIES_VOLUME,
  REDIS_TLS_VOLUME,
  REDIS_VOLUME,
  SIDECAR_NAME,
  type Sidecar,
  SOCKET_DIRECTORY,
  SOCKET_VOLUME,
} from './sidecar.ts';

const POLICIES_DIRECTORY = '/etc/pannier/policies';
const REDIS_DIRECTORY = '/etc/pannier/redis';
const REDIS_TLS_DIRECTORY = '/etc/pannier/redis-tls';
/**
 * Command that starts the program in its image. The hooks use this command, while the sidecar itself uses the entry
 * point of the image.
 */
const PROGRAM = ['/nodejs/bin/node', '/app/dist/main.mjs'];
/** The API server mounts no token into a container that already mounts a volume at this path. */
const TOKEN_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';
const MAX_START_SECONDS = 30;
/** Part of the grace period that remains for the sidecar after its hook has waited for the application. */
const END_RESERVE_MS = 5_000;

export function sidecarContainer(sidecar: Sidecar): Container {
  const probe = (path: string): object => ({ httpGet: { path, port: sidecar.adminPort } });
  return {
    name: SIDECAR_NAME,
    image: sidecar.image,
    imagePullPolicy: sidecar.imagePullPolicy,
    ...(sidecar.isNative ? { restartPolicy: 'Always' } : {}),
    args: ['serve'],
    env: sidecarEnvironment(sidecar),
    ports: [{ name: 'pannier-admin', containerPort: sidecar.adminPort, protocol: 'TCP' }],
    startupProbe: { ...probe('/readyz'), periodSeconds: 1, failureThreshold: MAX_START_SECONDS },
    readinessProbe: { ...probe('/readyz'), periodSeconds: 5, failureThreshold: 2 },
    livenessProbe: { ...probe('/livez'), periodSeconds: 10, timeoutSeconds: 3, failureThreshold: 3 },
    ...(sidecar.isNative ? {} : { lifecycle: orderingHooks(sidecar) }),
    resources: sidecar.resources,
    securityContext: containerSecurityContext(sidecar.securityContext),
    volumeMounts: sidecarMounts(sidecar),
  };
}

export function sidecarVolumes(sidecar: Sidecar): Volume[] {
  const volumes: Volume[] = [];
  if (sidecar.hasSocket) {
    volumes.push({ name: SOCKET_VOLUME, emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } });
  }
  if (sidecar.policiesConfigMap !== undefined) {
    volumes.push({ name: POLICIES_VOLUME, configMap: { name: sidecar.policiesConfigMap, optional: true } });
  }
  if (sidecar.redisSecret !== undefined) {
    volumes.push({ name: REDIS_VOLUME, secret: { secretName: sidecar.redisSecret } });
  }
  if (sidecar.redisTlsSecret !== undefined) {
    volumes.push({ name: REDIS_TLS_VOLUME, secret: { secretName: sidecar.redisTlsSecret } });
  }
  // A projected volume, unlike an emptyDir, does not prevent a drain of the node.
  volumes.push({ name: NO_TOKEN_VOLUME, projected: {} });
  return volumes;
}

/** Hashes everything that injection adds for this sidecar. A pod with the same hash already has this sidecar. */
export function configHash(sidecar: Sidecar): string {
  const made = {
    container: sidecarContainer(sidecar),
    volumes: sidecarVolumes(sidecar),
    endpoints: [...endpointsOf(sidecar)],
    imagePullSecrets: sidecar.imagePullSecrets,
    after: sidecar.after,
  };
  return createHash('sha256').update(canonicalText(made)).digest('hex').slice(0, 16);
}

function sidecarEnvironment(sidecar: Sidecar): EnvironmentVariable[] {
  const literal = (name: string, value: string): EnvironmentVariable => ({ name, value: unexpanded(value) });
  const variables: EnvironmentVariable[] = [
    sidecar.scope === undefined
      ? { name: 'PANNIER_SCOPE', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } } }
      : literal('PANNIER_SCOPE', sidecar.scope),
    literal('PANNIER_GRPC_ADDRESS', `127.0.0.1:${sidecar.grpcPort}`),
    literal('PANNIER_ADMIN_ADDRESS', `:${sidecar.adminPort}`),
    literal('PANNIER_LOG_LEVEL', sidecar.logLevel),
    literal('NODE_OPTIONS', nodeOptions(sidecar.heapMemory)),
  ];
  if (sidecar.hasSocket) {
    // The mode is 0666, because the containers of this pod may run under any user id. Containers of other pods cannot
    // reach the socket.
    variables.push(literal('PANNIER_GRPC_SOCKET', `${SOCKET_DIRECTORY}/pannier.sock`));
    variables.push(literal('PANNIER_GRPC_SOCKET_MODE', '0666'));
  }
  if (sidecar.policiesConfigMap !== undefined) {
    variables.push(literal('PANNIER_POLICY_FILE', `${POLICIES_DIRECTORY}/policies.yaml`));
    variables.push(literal('PANNIER_POLICY_FILE_OPTIONAL', 'true'));
  }
  variables.push(...redisEnvironment(sidecar));
  const settings = Object.entries(sidecar.settings).sort(([left], [right]) => (left < right ? -1 : 1));
  variables.push(...settings.map(([name, value]) => literal(name, value)));
  return variables;
}

function redisEnvironment({ redisUrl, redisSecret, redisTlsSecret }: Sidecar): EnvironmentVariable[] {
  const variables: EnvironmentVariable[] = [];
  const fromSecret = (name: string, key: string, optional: boolean): EnvironmentVariable => ({
    name,
    valueFrom: { secretKeyRef: { name: redisSecret, key, ...(optional ? { optional } : {}) } },
  });
  if (redisUrl !== undefined) {
    variables.push({ name: 'PANNIER_REDIS_URL', value: unexpanded(redisUrl) });
  } else if (redisSecret !== undefined) {
    // The URL is not optional, because a sidecar without a URL would start with the memory store and report no error.
    variables.push(fromSecret('PANNIER_REDIS_URL', 'url', false));
  }
  if (redisSecret !== undefined) {
    variables.push(fromSecret('PANNIER_REDIS_USERNAME', 'username', true));
    variables.push({ name: 'PANNIER_REDIS_PASSWORD_FILE', value: `${REDIS_DIRECTORY}/password` });
    variables.push(fromSecret('PANNIER_REDIS_SENTINEL_USERNAME', 'sentinel-username', true));
    variables.push({ name: 'PANNIER_REDIS_SENTINEL_PASSWORD_FILE', value: `${REDIS_DIRECTORY}/sentinel-password` });
    variables.push({ name: 'PANNIER_SUBJECT_KEY_FILE', value: `${REDIS_DIRECTORY}/subject-key` });
  }
  if (redisSecret !== undefined || redisTlsSecret !== undefined) {
    const directory = redisTlsSecret === undefined ? REDIS_DIRECTORY : REDIS_TLS_DIRECTORY;
    // The file names are the keys of a Secret of type kubernetes.io/tls, a type that cert-manager also uses.
    variables.push({ name: 'PANNIER_REDIS_TLS_CA_FILE', value: `${directory}/ca.crt` });
    variables.push({ name: 'PANNIER_REDIS_TLS_CERT_FILE', value: `${directory}/tls.crt` });
    variables.push({ name: 'PANNIER_REDIS_TLS_KEY_FILE', value: `${directory}/tls.key` });
    variables.push({ name: 'PANNIER_REDIS_FILES_OPTIONAL', value: 'true' });
  }
  return variables;
}

/** Escapes a value, because the kubelet replaces `$(NAME)` with the value of a variable and `$$` with `$`. */
function unexpanded(value: string): string {
  return /\$[($]/.test(value) ? value.replaceAll('$', '$$$$') : value;
}

/** Limits the heap to half of this memory. The other half is for the program, buffers and sockets. */
function nodeOptions(memory: string | undefined): string {
  const youngGeneration = '--max-semi-space-size=4';
  const memoryBytes = parseQuantity(memory ?? '');
  if (memoryBytes === undefined) {
    return youngGeneration;
  }
  return `${youngGeneration} --max-old-space-size=${Math.floor(memoryBytes / MEBIBYTE / 2)}`;
}

function sidecarMounts(sidecar: Sidecar): VolumeMount[] {
  const mounts: VolumeMount[] = [];
  if (sidecar.hasSocket) {
    mounts.push({ name: SOCKET_VOLUME, mountPath: SOCKET_DIRECTORY });
  }
  if (sidecar.policiesConfigMap !== undefined) {
    mounts.push({ name: POLICIES_VOLUME, mountPath: POLICIES_DIRECTORY, readOnly: true });
  }
  if (sidecar.redisSecret !== undefined) {
    mounts.push({ name: REDIS_VOLUME, mountPath: REDIS_DIRECTORY, readOnly: true });
  }
  if (sidecar.redisTlsSecret !== undefined) {
    mounts.push({ name: REDIS_TLS_VOLUME, mountPath: REDIS_TLS_DIRECTORY, readOnly: true });
  }
  mounts.push({ name: NO_TOKEN_VOLUME, mountPath: TOKEN_DIRECTORY, readOnly: true });
  return mounts;
}

/**
 * Returns the hooks that make a plain container start first and stop last. The kubelet starts the next container after
 * postStart has returned. When the pod ends, the kubelet stops all containers at once. The preStop hook delays the stop
 * of the sidecar until the application has closed its connections.
 */
function orderingHooks(sidecar: Sidecar): object {
  const wait = (what: string, timeoutMs: number): object => ({
    exec: {
      command: [...PROGRAM, 'wait', what, `--admin=127.0.0.1:${sidecar.adminPort}`, `--timeout-ms=${timeoutMs}`],
    },
  });
  return {
    postStart: wait('ready', MAX_START_SECONDS * 1_000),
    preStop: wait('idle', Math.max(0, sidecar.gracePeriodMs - END_RESERVE_MS)),
  };
}
