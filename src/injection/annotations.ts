/**
 * Defines the annotations of pods in one table, and parses the annotations of a pod.
 *
 * Users set the annotations on the pod, or on the pod template of a workload. The parser, its errors,
 * docs/reference/annotations.md and the JSON schema are derived from the table.
 *
 * Invariants:
 *   1. An unknown annotation with our prefix is an error, because a misspelled `inject` would otherwise leave a pod
 *      without its sidecar.
 *   2. The parser reports all errors of a pod at once.
 *   3. An error never shows a value that may contain a password.
 */
import { nearestOf } from '../config/nearest.ts';
import { byDefault, configured, type InitialValue, programSetting } from './initial-values.ts';
import { containerNames, pullSecretNames } from './name-lists.ts';
import type { TextMap } from './pod.ts';
import type { SidecarConfig } from './sidecar-config.ts';
import {
  choice,
  cpu,
  environment,
  environmentText,
  flag,
  image,
  memoryLimit,
  memoryRequest,
  objectName,
  port,
  setting,
  storage,
  type ValueKind,
} from './values.ts';

export const ANNOTATION_PREFIX = 'pannier.dev/';

export interface AnnotationRow<Value = unknown> {
  /** Name of the annotation without the prefix. */
  readonly name: string;
  readonly kind: ValueKind<Value>;
  /** Default value as a text for the docs. */
  readonly initial: string;
  /** Returns the default under this configuration, for `pannier injection explain`. */
  initialOf(config: SidecarConfig): InitialValue;
  readonly meaning: string;
  /** Valid value, for docs and tests. */
  readonly example: string;
  /** Invalid values, for tests. */
  readonly wrong: readonly string[];
}

export const ANNOTATIONS = [
  {
    name: 'inject',
    kind: flag,
    initial: `label \`${ANNOTATION_PREFIX}inject\` of the namespace`,
    initialOf: () => byDefault('label of the namespace'),
    meaning: 'Whether the pod gets a sidecar. Overrides the label of the namespace.',
    example: 'true',
    wrong: ['yes', 'True', ''],
  },
  {
    name: 'image',
    kind: image,
    initial: '`sidecar.image`',
    initialOf: (config) => configured(config.image),
    meaning: 'Image of the sidecar.',
    example: 'registry.example:5000/pannier:0.1.0',
    wrong: ['pannier', 'registry.example:5000/pannier', 'pannier:', 'a b:1', 'pannier@sha256:12'],
  },
  {
    name: 'image-pull-policy',
    kind: choice(['Always', 'IfNotPresent', 'Never']),
    initial: '`sidecar.imagePullPolicy`',
    initialOf: (config) => configured(config.imagePullPolicy),
    meaning: 'When the kubelet pulls the image.',
    example: 'Never',
    wrong: ['always', ''],
  },
  {
    name: 'image-pull-secrets',
    kind: pullSecretNames,
    initial: '`sidecar.imagePullSecrets`',
    initialOf: (config) =>
      configured(config.imagePullSecrets.length > 0 ? config.imagePullSecrets.join(',') : undefined),
    meaning: 'Pull secrets of the image, which injection adds to those of the pod.',
    example: 'regcred,team-registry',
    wrong: ['Reg_Cred', 'regcred,', 'a,a', ''],
  },
  {
    name: 'cpu-request',
    kind: cpu,
    initial: '`sidecar.resources.requests.cpu`',
    initialOf: (config) => configured(config.resources.requests.cpu),
    meaning: 'CPU request of the sidecar, which the scheduler reserves.',
    example: '50m',
    wrong: ['0', '50Mi', '1 core', '-1'],
  },
  {
    name: 'cpu-limit',
    kind: cpu,
    initial:
      '`sidecar.resources.limits.cpu`, which is unset because a throttled sidecar delays every call. If a LimitRange of the namespace has a default CPU limit, the sidecar gets that limit.',
    initialOf: (config) => configured(config.resources.limits.cpu),
    meaning: 'CPU limit of the sidecar.',
    example: '0.5',
    wrong: ['half', '65'],
  },
  {
    name: 'memory-request',
    kind: memoryRequest,
    initial: '`sidecar.resources.requests.memory`',
    initialOf: (config) => configured(config.resources.requests.memory),
    meaning: 'Memory request of the sidecar, which the scheduler reserves.',
    example: '128Mi',
    wrong: ['128MB', '100m', '0', ''],
  },
  {
    name: 'memory-limit',
    kind: memoryLimit,
    initial: '`sidecar.resources.limits.memory`',
    initialOf: (config) => configured(config.resources.limits.memory),
    meaning: 'Memory limit of the sidecar. The heap of the sidecar may use half of this limit.',
    example: '256Mi',
    wrong: ['64Mi', '256', '256mi'],
  },
  {
    name: 'ephemeral-storage-request',
    kind: storage,
    initial: '`sidecar.resources.requests.ephemeral-storage`, which is unset',
    initialOf: (config) => configured(config.resources.requests['ephemeral-storage']),
    meaning: 'Request of the sidecar for storage on the node, which holds its log.',
    example: '64Mi',
    wrong: ['64MB', '100m', '17Ti', ''],
  },
  {
    name: 'ephemeral-storage-limit',
    kind: storage,
    initial: '`sidecar.resources.limits.ephemeral-storage`, which is unset',
    initialOf: (config) => configured(config.resources.limits['ephemeral-storage']),
    meaning: 'Limit of the storage on the node. The kubelet evicts a pod whose sidecar uses more.',
    example: '1Gi',
    wrong: ['0', '1Ei', '1e9'],
  },
  {
    name: 'log-level',
    kind: setting('LOG_LEVEL'),
    initial: '`sidecar.logLevel`',
    initialOf: (config) => configured(config.logLevel),
    meaning: 'Lowest level of the messages that the sidecar logs.',
    example: 'debug',
    wrong: ['verbose', 'INFO', ''],
  },
  {
    name: 'policies',
    kind: objectName('ConfigMap'),
    initial: '`sidecar.policiesConfigMap`',
    initialOf: (config) => configured(config.policiesConfigMap),
    meaning:
      'ConfigMap whose key `policies.yaml` contains the policy file. You can create the ConfigMap later, because the sidecar loads changes without a restart.',
    example: 'team-policies',
    wrong: ['Team_Policies', 'policies/api', ''],
  },
  {
    name: 'redis-url',
    kind: setting('REDIS_URL'),
    initial: "`sidecar.redis.urls`, otherwise the key `url` of the Secret, otherwise the sidecar's memory",
    initialOf: (config) => configured(config.redis.urls.length > 0 ? 'the URLs of the configuration' : undefined),
    meaning:
      'URL of the Redis that stores limits, sessions and the cache. Put a password into the Secret of `redis-secret`.',
    example: 'redis://redis.data:6379',
    wrong: ['redis.data:6379', 'http://redis.data', 'redis://redis.data/3', ''],
  },
  {
    name: 'redis-secret',
    kind: objectName('Secret'),
    initial: '`sidecar.redis.secretName`; no Secret if `redis-url` is set, because a login belongs to one server',
    initialOf: (config) => configured(config.redis.secretName),
    meaning:
      'Secret with any of the keys `username`, `password`, `sentinel-username`, `sentinel-password`, `ca.crt`, `tls.crt`, `tls.key` and `subject-key`. The Secret must contain the key `url` if neither an annotation nor the configuration sets a URL.',
    example: 'redis-login',
    wrong: ['Redis', 'redis login'],
  },
  {
    name: 'redis-tls-secret',
    kind: objectName('Secret'),
    initial: '`sidecar.redis.tlsSecretName`, otherwise the Secret of `redis-secret`; none if `redis-url` is set',
    initialOf: (config) => configured(config.redis.tlsSecretName),
    meaning:
      'Secret with the CA (`ca.crt`) and the client certificate (`tls.crt`, `tls.key`), in the format of cert-manager. The keys of this Secret replace those of `redis-secret`.',
    example: 'redis-client-tls',
    wrong: ['Redis', 'redis tls'],
  },
  {
    name: 'scope',
    kind: setting('SCOPE'),
    initial: 'the namespace of the pod',
    initialOf: () => byDefault('the namespace of the pod'),
    meaning:
      'Scope of rate limits (PANNIER_SCOPE). Each scope has separate counts for a policy, unless the policy is shared.',
    example: 'checkout',
    wrong: ['a b', 'x/y', ''],
  },
  {
    name: 'default-deadline-ms',
    kind: setting('DEFAULT_DEADLINE_MS'),
    initial: '`sidecar.env`, otherwise the default of the setting',
    initialOf: (config) => programSetting(config, 'DEFAULT_DEADLINE_MS'),
    meaning: 'Deadline of calls that arrive without a deadline.',
    example: '500',
    wrong: ['0', '1s', '-5'],
  },
  {
    name: 'drain-timeout-ms',
    kind: setting('DRAIN_TIMEOUT_MS'),
    initial: '`sidecar.env`, otherwise the default of the setting',
    initialOf: (config) => programSetting(config, 'DRAIN_TIMEOUT_MS'),
    meaning: 'Maximum time that calls in flight may take after the sidecar receives SIGTERM.',
    example: '5000',
    wrong: ['5s', '600001'],
  },
  {
    name: 'grpc-port',
    kind: port,
    initial: '9470',
    initialOf: () => byDefault('9470'),
    meaning: 'Port of the API on the loopback interface. Required, like `admin-port`, in a pod with hostNetwork.',
    example: '19470',
    wrong: ['80', '65536', 'http'],
  },
  {
    name: 'admin-port',
    kind: port,
    initial: '9471',
    initialOf: () => byDefault('9471'),
    meaning: 'Port of probes and metrics. Required, like `grpc-port`, in a pod with hostNetwork.',
    example: '19471',
    wrong: ['0', '99999', ':9471'],
  },
  {
    name: 'socket',
    kind: flag,
    initial: '`sidecar.socket`',
    initialOf: (config) => configured(String(config.socket)),
    meaning:
      'Whether the sidecar also serves the API on a Unix socket, in a memory volume that injection mounts into every container.',
    example: 'false',
    wrong: ['off', ''],
  },
  {
    name: 'native',
    kind: choice(['auto', 'true', 'false']),
    initial: '`sidecar.native`',
    initialOf: (config) => configured(config.native),
    meaning:
      'Whether the sidecar is a native sidecar (an init container that keeps running). With `auto`, the sidecar is native unless a kubelet is older than 1.29.',
    example: 'true',
    wrong: ['yes', ''],
  },
  {
    name: 'after',
    kind: containerNames,
    initial: '`sidecar.after`, otherwise the sidecar comes first',
    initialOf: (config) => configured(config.after.length > 0 ? config.after.join(',') : undefined),
    meaning:
      'Containers after which the sidecar starts, such as the native sidecar of a service mesh. A native sidecar comes right after the last init container with one of these names, and a plain one after the last container. If the pod has none of them, the sidecar comes first. Init containers before the sidecar cannot call the API.',
    example: 'istio-proxy',
    wrong: ['Istio', 'istio-proxy,', 'a.b', ''],
  },
  {
    name: 'grpc-transport',
    kind: setting('GRPC_TRANSPORT'),
    initial: '`sidecar.env`, otherwise the default of the setting',
    initialOf: (config) => programSetting(config, 'GRPC_TRANSPORT'),
    meaning: 'HTTP/2 server of the gRPC API (PANNIER_GRPC_TRANSPORT).',
    example: 'grpc-js',
    wrong: ['http3', ''],
  },
  {
    name: 'env',
    kind: environment,
    initial: '`sidecar.env`; both are merged, and the annotation takes precedence',
    initialOf: (config) => configured(Object.keys(config.env).length === 0 ? undefined : environmentText(config.env)),
    meaning: 'Other settings of the sidecar, from docs/reference/settings.md.',
    example: '{"PANNIER_NEAR_CACHE_MAX_ENTRIES": "1000"}',
    wrong: [
      'PANNIER_NEAR_CACHE_MAX_ENTRIES=1000',
      '{"PANNIER_NEAR_CACHE_MAX_ENTRIES": "many"}',
      '{"NODE_OPTIONS": "--inspect"}',
      '[',
    ],
  },
] as const satisfies readonly AnnotationRow[];

export type AnnotationName = (typeof ANNOTATIONS)[number]['name'];

/** Returns the full name of an annotation. */
export function annotationKey(name: AnnotationName): string {
  return ANNOTATION_PREFIX + name;
}

/**
 * Key with which a pod or a namespace requests injection: an annotation of the pod, or a label or an annotation of the
 * namespace.
 */
export const INJECT = annotationKey('inject');

/**
 * Annotations that the injector sets. A pod that was copied from a cluster may have these annotations, so they are not
 * errors.
 */
export const STATUS_ANNOTATIONS = {
  injected: `${ANNOTATION_PREFIX}injected`,
  version: `${ANNOTATION_PREFIX}version`,
  configHash: `${ANNOTATION_PREFIX}config-hash`,
  kept: `${ANNOTATION_PREFIX}kept`,
  added: `${ANNOTATION_PREFIX}added`,
} as const;

/** Annotation of the ClusterRole `pannier-injection-status` that names the ConfigMap of the injector: NAMESPACE/NAME. */
export const CONFIG_ANNOTATION: string = `${ANNOTATION_PREFIX}injector-config`;

type ValueOf<Row> = Row extends { readonly kind: ValueKind<infer Value> } ? Value : never;

/** Parsed values of the annotations that a pod has. */
export type Annotations = {
  readonly [Row in (typeof ANNOTATIONS)[number] as Row['name']]?: ValueOf<Row>;
};

export type AnnotationsResult =
  | { readonly annotations: Annotations }
  | { readonly problems: readonly [string, ...string[]] };

/** Parses all annotations with our prefix, or returns all of their errors. */
export function parseAnnotations(given: TextMap): AnnotationsResult {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  const status = new Set<string>(Object.values(STATUS_ANNOTATIONS));
  for (const [key, text] of Object.entries(given)) {
    if (!key.startsWith(ANNOTATION_PREFIX) || status.has(key)) {
      continue;
    }
    const name = key.slice(ANNOTATION_PREFIX.length);
    const row: AnnotationRow | undefined = ANNOTATIONS.find((candidate) => candidate.name === name);
    if (row === undefined) {
      problems.push(unknownAnnotation(name));
      continue;
    }
    const reading = row.kind.read(text);
    if ('value' in reading) {
      values[name] = reading.value;
    } else {
      problems.push(...annotationProblems(row, text, reading.problems));
    }
  }
  const [first, ...others] = problems;
  return first === undefined ? { annotations: values as Annotations } : { problems: [first, ...others] };
}

/** Former names of annotations, without the prefix. The error for a former name contains the new name. */
const RENAMED_ANNOTATIONS: ReadonlyMap<string, keyof Annotations> = new Map([['transport', 'grpc-transport']]);

function unknownAnnotation(name: string): string {
  const renamed = RENAMED_ANNOTATIONS.get(name);
  if (renamed !== undefined) {
    return `cannot use annotation ${ANNOTATION_PREFIX}${name}: it was renamed; use ${ANNOTATION_PREFIX}${renamed}`;
  }
  const known = ANNOTATIONS.map((row) => row.name);
  const nearest = nearestOf(name, known);
  const hint =
    nearest === undefined
      ? `must be ${ANNOTATION_PREFIX} followed by one of ${known.join(', ')}`
      : `did you mean ${ANNOTATION_PREFIX}${nearest}?`;
  return `unknown annotation ${ANNOTATION_PREFIX}${name}; ${hint}`;
}

function annotationProblems(row: AnnotationRow, text: string, problems: readonly string[]): string[] {
  const annotation = `annotation ${ANNOTATION_PREFIX}${row.name}`;
  if (problems.length > 0) {
    return problems.map((problem) => `${annotation}: ${problem}`);
  }
  const isHidden = row.kind.isSecret === true || URL_WITH_LOGIN.test(text);
  const got = isHidden ? 'a value that is not shown because it may hold a password' : shown(text);
  return [`${annotation} must be ${row.kind.accepted}, got ${got}`];
}

/** Matches a URL with a login, which a user may have put into the wrong annotation. */
const URL_WITH_LOGIN = /:\/\/[^\s/]*@/;
const MAX_SHOWN_CHARACTERS = 80;

function shown(text: string): string {
  const isLong = text.length > MAX_SHOWN_CHARACTERS;
  return isLong ? `${JSON.stringify(text.slice(0, MAX_SHOWN_CHARACTERS))}...` : JSON.stringify(text);
}
