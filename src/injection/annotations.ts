/**
 * The annotations: one table, a row each. The parser, its error texts, docs/reference/annotations.md, the JSON schema and tests come from it.
 *
 * They stand on the pod (in a workload: on the pod template). A row says what it is for, what it may be and what holds without it.
 * An unknown key below the prefix is a mistake: a typing error must not leave a pod silently without its sidecar.
 */
import { nearestOf } from '../config/nearest.ts';
import { PREFIX, SETTINGS, type SettingName, type SettingRow } from '../config/settings.ts';
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
  type ValueKind,
} from './values.ts';

export const ANNOTATION_PREFIX = 'pannier.dev/';

export interface AnnotationRow<Value = unknown> {
  /** Without the prefix. */
  readonly name: string;
  readonly kind: ValueKind<Value>;
  /** What holds without the annotation, for the docs. */
  readonly initial: string;
  /** The same under this configuration, for `pannier injection explain`; undefined: there is none. */
  initialOf(config: SidecarConfig): InitialValue;
  readonly meaning: string;
  /** For docs and tests: one value that is accepted, and some that are not. */
  readonly example: string;
  readonly wrong: readonly string[];
}

export interface InitialValue {
  readonly text: string | undefined;
  readonly source: 'configuration' | 'default';
}

function configured(text: string | undefined): InitialValue {
  return { text, source: 'configuration' };
}

function byDefault(text: string): InitialValue {
  return { text, source: 'default' };
}

/** A setting of the program, which the configuration's `env` may hold. */
function programSetting(config: SidecarConfig, name: SettingName): InitialValue {
  const text = config.env[PREFIX + name];
  const row: SettingRow | undefined = SETTINGS.find((candidate) => candidate.name === name);
  return text === undefined ? { text: row?.initial, source: 'default' } : configured(text);
}

export const ANNOTATIONS = [
  {
    name: 'inject',
    kind: flag,
    initial: `the namespace's label \`${ANNOTATION_PREFIX}inject\``,
    initialOf: () => byDefault("the namespace's label"),
    meaning: 'Whether the pod gets a sidecar. Wins over the namespace.',
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
    meaning: 'When the image is pulled.',
    example: 'Never',
    wrong: ['always', ''],
  },
  {
    name: 'cpu-request',
    kind: cpu,
    initial: '`sidecar.resources.requests.cpu`',
    initialOf: (config) => configured(config.resources.requests.cpu),
    meaning: 'CPU that the scheduler sets aside.',
    example: '50m',
    wrong: ['0', '50Mi', '1 core', '-1'],
  },
  {
    name: 'cpu-limit',
    kind: cpu,
    initial: '`sidecar.resources.limits.cpu` (none: a throttled sidecar holds up every call)',
    initialOf: (config) => configured(config.resources.limits.cpu),
    meaning: 'CPU that the sidecar may use at most.',
    example: '0.5',
    wrong: ['half', '65'],
  },
  {
    name: 'memory-request',
    kind: memoryRequest,
    initial: '`sidecar.resources.requests.memory`',
    initialOf: (config) => configured(config.resources.requests.memory),
    meaning: 'Memory that the scheduler sets aside.',
    example: '128Mi',
    wrong: ['128MB', '100m', '0', ''],
  },
  {
    name: 'memory-limit',
    kind: memoryLimit,
    initial: '`sidecar.resources.limits.memory`',
    initialOf: (config) => configured(config.resources.limits.memory),
    meaning: 'Memory that the sidecar may use at most; half of it is the bound of its heap.',
    example: '256Mi',
    wrong: ['64Mi', '256', '256mi'],
  },
  {
    name: 'log-level',
    kind: setting('LOG_LEVEL'),
    initial: '`sidecar.logLevel`',
    initialOf: (config) => configured(config.logLevel),
    meaning: 'What the sidecar logs.',
    example: 'debug',
    wrong: ['verbose', 'INFO', ''],
  },
  {
    name: 'policies',
    kind: objectName('ConfigMap'),
    initial: '`sidecar.policiesConfigMap`',
    initialOf: (config) => configured(config.policiesConfigMap),
    meaning: 'ConfigMap whose key `policies.yaml` is the policy file; watched, and it need not be there.',
    example: 'team-policies',
    wrong: ['Team_Policies', 'policies/api', ''],
  },
  {
    name: 'redis-url',
    kind: setting('REDIS_URL'),
    initial: "`sidecar.redis.urls`, else the Secret's key `url`, else memory",
    initialOf: (config) => configured(config.redis.urls.length > 0 ? 'the URLs of the configuration' : undefined),
    meaning: 'Redis of limits, sessions and cache. A password belongs into `redis-secret`.',
    example: 'redis://redis.data:6379',
    wrong: ['redis.data:6379', 'http://redis.data', 'redis://redis.data/3', ''],
  },
  {
    name: 'redis-secret',
    kind: objectName('Secret'),
    initial: '`sidecar.redis.secretName`; none with `redis-url`, since a login belongs to its server',
    initialOf: (config) => configured(config.redis.secretName),
    meaning:
      'Secret with any of the keys `username`, `password`, `sentinel-username`, `sentinel-password`, `ca.crt`, `tls.crt`, `tls.key` and `subject-key`, and `url` where neither annotation nor configuration has one.',
    example: 'redis-login',
    wrong: ['Redis', 'redis login'],
  },
  {
    name: 'redis-tls-secret',
    kind: objectName('Secret'),
    initial: '`sidecar.redis.tlsSecretName`, else `redis-secret`; none with `redis-url`',
    initialOf: (config) => configured(config.redis.tlsSecretName),
    meaning:
      'Secret whose keys `ca.crt` and `tls.crt` with `tls.key` (CA and client certificate, as cert-manager keeps them) are used in place of those of `redis-secret`.',
    example: 'redis-client-tls',
    wrong: ['Redis', 'redis tls'],
  },
  {
    name: 'scope',
    kind: setting('SCOPE'),
    initial: 'the namespace of the pod',
    initialOf: () => byDefault('the namespace of the pod'),
    meaning: 'Separates limits of the same policy name (setting PANNIER_SCOPE).',
    example: 'checkout',
    wrong: ['a b', 'x/y', ''],
  },
  {
    name: 'default-deadline-ms',
    kind: setting('DEFAULT_DEADLINE_MS'),
    initial: "the program's",
    initialOf: (config) => programSetting(config, 'DEFAULT_DEADLINE_MS'),
    meaning: 'Deadline of a call whose caller sets none.',
    example: '500',
    wrong: ['0', '1s', '-5'],
  },
  {
    name: 'drain-timeout-ms',
    kind: setting('DRAIN_TIMEOUT_MS'),
    initial: "the program's",
    initialOf: (config) => programSetting(config, 'DRAIN_TIMEOUT_MS'),
    meaning: 'How long calls under way may take once the sidecar is told to end.',
    example: '5000',
    wrong: ['5s', '600001'],
  },
  {
    name: 'grpc-port',
    kind: port,
    initial: '9470',
    initialOf: () => byDefault('9470'),
    meaning: 'Port of the API on the loopback interface. With `admin-port` it is what a hostNetwork pod must give.',
    example: '19470',
    wrong: ['80', '65536', 'http'],
  },
  {
    name: 'admin-port',
    kind: port,
    initial: '9471',
    initialOf: () => byDefault('9471'),
    meaning: 'Port of probes and metrics.',
    example: '19471',
    wrong: ['0', '99999', ':9471'],
  },
  {
    name: 'socket',
    kind: flag,
    initial: '`sidecar.socket`',
    initialOf: (config) => configured(String(config.socket)),
    meaning: 'Whether the API is at the Unix socket too, on a volume in memory that every container mounts.',
    example: 'false',
    wrong: ['off', ''],
  },
  {
    name: 'native',
    kind: choice(['auto', 'true', 'false']),
    initial: '`sidecar.native`',
    initialOf: (config) => configured(config.native),
    meaning:
      'Whether the sidecar is a native one (an init container that keeps running). auto: unless a kubelet is older than 1.29.',
    example: 'true',
    wrong: ['yes', ''],
  },
  {
    name: 'grpc-transport',
    kind: setting('GRPC_TRANSPORT'),
    initial: "the program's",
    initialOf: (config) => programSetting(config, 'GRPC_TRANSPORT'),
    meaning: 'HTTP/2 server of the gRPC API (setting PANNIER_GRPC_TRANSPORT).',
    example: 'grpc-js',
    wrong: ['http3', ''],
  },
  {
    name: 'env',
    kind: environment,
    initial: '`sidecar.env`; both are joined, the annotation wins',
    initialOf: (config) => configured(Object.keys(config.env).length === 0 ? undefined : environmentText(config.env)),
    meaning: 'Further settings of the program (docs/reference/settings.md).',
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

/** The annotation as it is written on a pod. */
export function annotationKey(name: AnnotationName): string {
  return ANNOTATION_PREFIX + name;
}

/** Annotation of a pod, and label and annotation of a namespace. */
export const INJECT = annotationKey('inject');

/** What the injector writes; a pod that was copied from a cluster may bear them. */
export const STATUS_ANNOTATIONS = {
  injected: `${ANNOTATION_PREFIX}injected`,
  version: `${ANNOTATION_PREFIX}version`,
  configHash: `${ANNOTATION_PREFIX}config-hash`,
  kept: `${ANNOTATION_PREFIX}kept`,
} as const;

type ValueOf<Row> = Row extends { readonly kind: ValueKind<infer Value> } ? Value : never;

/** The value of each annotation that is there. */
export type Annotations = {
  readonly [Row in (typeof ANNOTATIONS)[number] as Row['name']]?: ValueOf<Row>;
};

export type AnnotationsResult =
  | { readonly annotations: Annotations }
  | { readonly problems: readonly [string, ...string[]] };

/** Every annotation below the prefix, or every mistake in them. */
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

/** Annotations that had another name, without the prefix: their old names are refused with the new one. */
const RENAMED_ANNOTATIONS: ReadonlyMap<string, keyof Annotations> = new Map([['transport', 'grpc-transport']]);

function unknownAnnotation(name: string): string {
  const renamed = RENAMED_ANNOTATIONS.get(name);
  if (renamed !== undefined) {
    return `cannot read annotation ${ANNOTATION_PREFIX}${name}: it was renamed; use ${ANNOTATION_PREFIX}${renamed}`;
  }
  const known = ANNOTATIONS.map((row) => row.name);
  const nearest = nearestOf(name, known);
  const accepted = nearest === undefined ? `one of ${known.join(', ')}` : `${ANNOTATION_PREFIX}${nearest}, perhaps`;
  return `cannot read annotation ${ANNOTATION_PREFIX}${name}: there is no such annotation, wanted ${accepted}`;
}

function annotationProblems(row: AnnotationRow, text: string, problems: readonly string[]): string[] {
  const annotation = `annotation ${ANNOTATION_PREFIX}${row.name}`;
  if (problems.length > 0) {
    return problems.map((problem) => `cannot read ${annotation}: ${problem}`);
  }
  const isHidden = row.kind.isSecret === true || URL_WITH_LOGIN.test(text);
  const found = isHidden ? 'not shown, since it may hold a password' : shown(text);
  return [`cannot read ${annotation}: it is ${found}, wanted ${row.kind.accepted}`];
}

/** In any annotation: it may have been put into the wrong one. */
const URL_WITH_LOGIN = /:\/\/[^\s/]*@/;
const MAX_SHOWN_CHARACTERS = 80;

function shown(text: string): string {
  const isLong = text.length > MAX_SHOWN_CHARACTERS;
  return isLong ? `${JSON.stringify(text.slice(0, MAX_SHOWN_CHARACTERS))}...` : JSON.stringify(text);
}
