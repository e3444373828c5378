/**
 * Finds the pods in manifests: Pods and the pod templates of workloads, including those in Lists.
 */
import { INJECT } from '../injection/annotations.ts';
import type { Pod, TextMap } from '../injection/pod.ts';
import { isObject, type JsonObject } from '../lib/json.ts';

export interface Workload {
  readonly kind: string;
  readonly name: string;
  readonly namespace: string | undefined;
  /** Keys and indexes on the path from the root of the document to `pod`. */
  readonly path: readonly (string | number)[];
  /** Pod or pod template; both have the same fields. */
  readonly pod: Pod;
}

const TEMPLATE = ['spec', 'template'];
const TEMPLATE_PATHS: ReadonlyMap<string, readonly string[]> = new Map([
  ['Pod', []],
  ['PodTemplate', ['template']],
  ['Deployment', TEMPLATE],
  ['StatefulSet', TEMPLATE],
  ['DaemonSet', TEMPLATE],
  ['ReplicaSet', TEMPLATE],
  ['ReplicationController', TEMPLATE],
  ['Job', TEMPLATE],
  ['CronJob', ['spec', 'jobTemplate', 'spec', 'template']],
]);
/** API groups of the kinds above. This module ignores kinds with the same names in other API groups. */
const GROUPS = /^(v1|apps\/.+|batch\/.+|extensions\/.+)$/;
const MAX_ITEMS_DEPTH = 4;

/** Returns the workloads in the order of the document. */
export function workloadsIn(document: unknown): Workload[] {
  const found: Workload[] = [];
  collect(found, { value: document, path: [] });
  return found;
}

function collect(found: Workload[], { value, path }: { value: unknown; path: readonly (string | number)[] }): void {
  if (!isObject(value) || typeof value.kind !== 'string') {
    return;
  }
  if (value.kind.endsWith('List') && Array.isArray(value.items) && path.length < MAX_ITEMS_DEPTH * 2) {
    for (const [index, item] of value.items.entries()) {
      collect(found, { value: item, path: [...path, 'items', index] });
    }
    return;
  }
  const template = TEMPLATE_PATHS.get(value.kind);
  if (template === undefined || typeof value.apiVersion !== 'string' || !GROUPS.test(value.apiVersion)) {
    return;
  }
  const pod = valueAt(value, template);
  if (isObject(pod)) {
    found.push({ ...identityOf(value), path: [...path, ...template], pod: pod as Pod });
  }
}

function identityOf(value: JsonObject): { kind: string; name: string; namespace: string | undefined } {
  const metadata = isObject(value.metadata) ? value.metadata : {};
  const name = metadata.name ?? metadata.generateName;
  return {
    kind: String(value.kind),
    name: typeof name === 'string' ? name : '(no name)',
    namespace: typeof metadata.namespace === 'string' ? metadata.namespace : undefined,
  };
}

/**
 * Formats a workload as kubectl does, such as `deployment/web`, with the namespace in front if the namespace is known.
 */
export function workloadText(workload: Pick<Workload, 'kind' | 'name' | 'namespace'>): string {
  const place = workload.namespace === undefined ? '' : `${workload.namespace}/`;
  return `${place}${workload.kind.toLowerCase()}/${workload.name}`;
}

export function withPod(document: unknown, path: Workload['path'], pod: unknown): unknown {
  const [first, ...others] = path;
  if (first === undefined) {
    return pod;
  }
  if (Array.isArray(document)) {
    return document.map((item: unknown, index) => (index === first ? withPod(item, others, pod) : item));
  }
  const parent = isObject(document) ? document : {};
  return { ...parent, [first]: withPod(parent[first], others, pod) };
}

/**
 * Returns the labels and annotations of the Namespace objects in these documents, by name. Copies the annotation that
 * requests injection to the label, as the injector does in a cluster.
 */
export function namespacesIn(documents: readonly unknown[]): ReadonlyMap<string, NamespaceFacts> {
  const facts = new Map<string, NamespaceFacts>();
  const queue = documents.map((value) => ({ value, depth: 0 }));
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { value, depth } = next;
    if (!isObject(value)) {
      continue;
    }
    if (String(value.kind).endsWith('List') && Array.isArray(value.items) && depth < MAX_ITEMS_DEPTH) {
      queue.push(...value.items.map((item: unknown) => ({ value: item, depth: depth + 1 })));
    }
    if (value.kind === 'Namespace' && isObject(value.metadata)) {
      const labels = textMap(value.metadata.labels);
      const annotations = textMap(value.metadata.annotations);
      const requested = annotations[INJECT];
      facts.set(String(value.metadata.name), {
        labels: requested === undefined ? labels : { ...labels, [INJECT]: requested },
        annotations,
      });
    }
  }
  return facts;
}

export interface NamespaceFacts {
  readonly labels: TextMap;
  readonly annotations: TextMap;
}

function textMap(value: unknown): TextMap {
  const entries = isObject(value) ? Object.entries(value) : [];
  return Object.fromEntries(entries.map(([key, text]) => [key, String(text)]));
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((part, key) => (isObject(part) ? part[key] : undefined), value);
}
