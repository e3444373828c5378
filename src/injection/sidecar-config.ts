/**
 * Parses the injector's configuration file, which sets the defaults of all sidecars. Annotations of a pod override
 * these defaults.
 *
 * Invariants:
 *   1. Unknown keys are errors, and the parser reports all errors of a file at once.
 *   2. A key accepts the same values as the annotation of the same name.
 */
import { isScalar, type Node } from 'yaml';
import { YamlReader } from '../config/yaml-reader.ts';
import { containerNames, pullSecretNames, readNames } from './name-lists.ts';
import { parseQuantity } from './quantity.ts';
import { DEFAULT_SECURITY_CONTEXT, readSecurityContext, type SidecarSecurityContext } from './security-context.ts';
import {
  choice,
  cpu,
  image,
  memoryLimit,
  memoryRequest,
  objectName,
  readEnvironment,
  setting,
  storage,
  type ValueKind,
} from './values.ts';

export interface SidecarConfig {
  readonly image: string;
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  /** Names of Secrets in the namespace of the pod. */
  readonly imagePullSecrets: readonly string[];
  readonly native: 'auto' | 'true' | 'false';
  readonly resources: SidecarResources;
  readonly logLevel: string;
  readonly redis: {
    readonly urls: readonly string[];
    readonly secretName: string | undefined;
    /** Secret with the TLS files; undefined if they are in `secretName`. */
    readonly tlsSecretName: string | undefined;
  };
  /** Name of a ConfigMap in the namespace of the pod. */
  readonly policiesConfigMap: string | undefined;
  readonly socket: boolean;
  readonly securityContext: SidecarSecurityContext;
  /** Names of containers after which the sidecar is placed. */
  readonly after: readonly string[];
  /** Other PANNIER_* settings. */
  readonly env: Readonly<Record<string, string>>;
}

export interface SidecarResources {
  readonly requests: ResourceList;
  readonly limits: ResourceList;
}

export const RESOURCE_NAMES = ['cpu', 'memory', 'ephemeral-storage'] as const;

export type ResourceName = (typeof RESOURCE_NAMES)[number];

/** Quantity of each resource that has a request or a limit. */
export type ResourceList = Readonly<Partial<Record<ResourceName, string>>>;

interface ConfigProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export type SidecarConfigResult =
  | { readonly config: SidecarConfig }
  | { readonly problems: readonly [ConfigProblem, ...ConfigProblem[]] };

/**
 * Returns the defaults. The memory request covers an idle sidecar, which uses 60 to 90 MiB. There is no CPU limit,
 * because a throttled sidecar delays calls.
 */
export function defaultSidecarConfig(sidecarImage: string): SidecarConfig {
  return {
    image: sidecarImage,
    imagePullPolicy: 'IfNotPresent',
    imagePullSecrets: [],
    native: 'auto',
    resources: { requests: { cpu: '10m', memory: '96Mi' }, limits: { memory: '192Mi' } },
    logLevel: 'info',
    redis: { urls: [], secretName: undefined, tlsSecretName: undefined },
    policiesConfigMap: 'pannier-policies',
    socket: true,
    securityContext: DEFAULT_SECURITY_CONTEXT,
    after: [],
    env: {},
  };
}

const SIDECAR_KEYS = [
  'image',
  'imagePullPolicy',
  'imagePullSecrets',
  'native',
  'resources',
  'logLevel',
  'redis',
  'policiesConfigMap',
  'socket',
  'securityContext',
  'after',
  'env',
];
const MAX_REDIS_URLS = 64;

type Nodes = ReadonlyMap<string, Node>;

export function parseSidecarConfig(text: string): SidecarConfigResult {
  const reader = new YamlReader(text);
  let config: SidecarConfig | undefined;
  if (reader.problems.length === 0) {
    const root = reader.map(reader.root, '', { known: ['sidecar'] });
    const sidecar = root && reader.map(root.get('sidecar'), 'sidecar', { known: SIDECAR_KEYS });
    config = sidecar && readSidecar(reader, sidecar, root.get('sidecar'));
  }
  const [first, ...others] = reader.problems;
  if (first !== undefined) {
    return { problems: [first, ...others] };
  }
  if (config === undefined) {
    return { problems: [{ line: 1, column: 1, message: 'the file must be a mapping with sidecar, got nothing' }] };
  }
  return { config };
}

function readSidecar(reader: YamlReader, nodes: Nodes, parent: Node | undefined): SidecarConfig {
  const read = <Value>(key: string, kind: ValueKind<Value>): Value | undefined =>
    valueAt(reader, { node: nodes.get(key), path: `sidecar.${key}`, kind });
  if (!nodes.has('image')) {
    reader.refuse(parent, 'sidecar.image', `must be ${image.accepted}, got nothing`);
  }
  const initial = defaultSidecarConfig(read('image', image) ?? '');
  const socket = nodes.get('socket');
  return {
    image: initial.image,
    imagePullPolicy: read('imagePullPolicy', choice(['Always', 'IfNotPresent', 'Never'])) ?? initial.imagePullPolicy,
    imagePullSecrets: readNames(reader, {
      node: nodes.get('imagePullSecrets'),
      path: 'sidecar.imagePullSecrets',
      kind: pullSecretNames,
    }),
    native: read('native', choice(['auto', 'true', 'false'])) ?? initial.native,
    resources: readResources(reader, nodes.get('resources'), initial.resources),
    logLevel: read('logLevel', setting('LOG_LEVEL')) ?? initial.logLevel,
    redis: readRedis(reader, nodes.get('redis')),
    policiesConfigMap: nodes.has('policiesConfigMap')
      ? readName(reader, nodes, { key: 'policiesConfigMap', path: 'sidecar', object: 'ConfigMap' })
      : initial.policiesConfigMap,
    socket: socket === undefined ? initial.socket : (reader.flag(socket, 'sidecar.socket') ?? initial.socket),
    securityContext: readSecurityContext(reader, nodes.get('securityContext')),
    after: readNames(reader, { node: nodes.get('after'), path: 'sidecar.after', kind: containerNames }),
    env: readEnv(reader, nodes.get('env')),
  };
}

/** Reads the name of a Kubernetes object. Returns undefined if the key is missing or the name is empty. */
function readName(
  reader: YamlReader,
  nodes: Nodes,
  { key, path, object }: { key: string; path: string; object: string },
): string | undefined {
  const node = nodes.get(key);
  const isNone = node === undefined || (isScalar(node) && node.value === '');
  return isNone ? undefined : valueAt(reader, { node, path: `${path}.${key}`, kind: objectName(object) });
}

function readResources(reader: YamlReader, node: Node | undefined, initial: SidecarResources): SidecarResources {
  if (node === undefined) {
    return initial;
  }
  const path = 'sidecar.resources';
  const lists = reader.map(node, path, { known: ['requests', 'limits'] });
  const readList = (name: 'requests' | 'limits', memory: ValueKind<string>): ResourceList => {
    const listNode = lists?.get(name);
    if (listNode === undefined) {
      return initial[name];
    }
    const kinds: Record<ResourceName, ValueKind<string>> = { cpu, memory, 'ephemeral-storage': storage };
    const nodes = reader.map(listNode, `${path}.${name}`, { known: RESOURCE_NAMES });
    const entries = RESOURCE_NAMES.map((resource) => {
      const source = { node: nodes?.get(resource), path: `${path}.${name}.${resource}`, kind: kinds[resource] };
      return [resource, valueAt(reader, source)] as const;
    });
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  };
  const resources = { requests: readList('requests', memoryRequest), limits: readList('limits', memoryLimit) };
  for (const { name, request, limit } of excessiveRequests(resources)) {
    reader.refuse(node, `${path}.requests.${name}`, `must be at most the limit (${limit}), got ${request}`);
  }
  return resources;
}

interface ExcessiveRequest {
  readonly name: ResourceName;
  readonly request: string;
  readonly limit: string;
}

/**
 * Finds requests above their limits. The API server would also refuse such requests, but its error would not contain
 * the configuration key or annotation that sets the request.
 */
export function excessiveRequests(resources: SidecarResources): ExcessiveRequest[] {
  return RESOURCE_NAMES.flatMap((name) => {
    const request = resources.requests[name] ?? '';
    const limit = resources.limits[name] ?? '';
    const isAbove = (parseQuantity(request) ?? 0) > (parseQuantity(limit) ?? Number.POSITIVE_INFINITY);
    return isAbove ? [{ name, request, limit }] : [];
  });
}

function readRedis(reader: YamlReader, node: Node | undefined): SidecarConfig['redis'] {
  if (node === undefined) {
    return { urls: [], secretName: undefined, tlsSecretName: undefined };
  }
  const nodes: Nodes =
    reader.map(node, 'sidecar.redis', { known: ['urls', 'secretName', 'tlsSecretName'] }) ?? new Map<string, Node>();
  const urlsNode = nodes.get('urls');
  const list = urlsNode && reader.list(urlsNode, 'sidecar.redis.urls', { min: 0, max: MAX_REDIS_URLS });
  const urls = (list ?? []).map((url, index) =>
    valueAt(reader, { node: url, path: `sidecar.redis.urls[${index}]`, kind: setting('REDIS_URL') }),
  );
  const given = urls.filter((url) => url !== undefined);
  const joined = setting('REDIS_URL').read(given.join(','));
  if (given.length > 1 && 'problems' in joined) {
    refuseFor(reader, { node: urlsNode, path: 'sidecar.redis.urls', problems: joined.problems });
  }
  const secretAt = (key: string): string | undefined =>
    readName(reader, nodes, { key, path: 'sidecar.redis', object: 'Secret' });
  return { urls: given, secretName: secretAt('secretName'), tlsSecretName: secretAt('tlsSecretName') };
}

function readEnv(reader: YamlReader, node: Node | undefined): Readonly<Record<string, string>> {
  if (node === undefined) {
    return {};
  }
  const nodes = reader.map(node, 'sidecar.env') ?? new Map<string, Node>();
  const values = [...nodes].map(([name, value]) => [name, isScalar(value) ? value.value : undefined] as const);
  const reading = readEnvironment(Object.fromEntries(values));
  if ('value' in reading) {
    return reading.value;
  }
  for (const problem of reading.problems) {
    refuseFor(reader, { node, path: 'sidecar.env', problems: [problem] });
  }
  return {};
}

/** Records problems that are complete statements, so a colon separates them from the path. */
function refuseFor(
  reader: YamlReader,
  { node, path, problems }: { node: Node | undefined; path: string; problems: readonly string[] },
): void {
  reader.refuse(node, `${path}:`, problems.join('; '));
}

/** Reads a scalar of any type as its text, so that `cpu: 1` and `native: true` need no quotes. */
function valueAt<Value>(
  reader: YamlReader,
  { node, path, kind }: { node: Node | undefined; path: string; kind: ValueKind<Value> },
): Value | undefined {
  if (node === undefined) {
    return undefined;
  }
  const text = isScalar(node) && node.value !== null ? String(node.value) : undefined;
  const reading = text === undefined ? { problems: [] } : kind.read(text);
  if ('value' in reading) {
    return reading.value;
  }
  if (reading.problems.length > 0) {
    refuseFor(reader, { node, path, problems: reading.problems });
  } else if (kind.isSecret === true) {
    reader.refuse(node, path, `must be ${kind.accepted}, got a value that is not shown because it may hold a password`);
  } else {
    reader.fail(node, path, kind.accepted);
  }
  return undefined;
}
