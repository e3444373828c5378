/**
 * Finds the pods in manifests: Pods and the pod templates of workloads, including those in Lists and JSON arrays.
 */
import { INJECT } from '../injection/annotations.ts';
import type { Pod, TextMap } from '../injection/pod.ts';
import { isObject, type JsonObject, own } from '../lib/json.ts';
import { type KindTable, KNOWN_KINDS, kindOf, type Path, pathText, placesOf } from './template-kinds.ts';

/** Kind and name of an object, for texts. */
export interface Identity {
  readonly kind: string;
  readonly name: string;
  readonly namespace: string | undefined;
}

export interface ManifestObject extends Identity {
  /** Keys and indexes on the path from the root of the document to the object. */
  readonly path: Path;
  readonly value: JsonObject;
}

export interface Workload extends Identity {
  /** Keys and indexes on the path from the root of the document to `pod`. */
  readonly path: Path;
  /** Pod or pod template; both have the same fields. */
  readonly pod: Pod;
  /** Path of the pod template in the object, if the kind may have several. */
  readonly template?: string;
}

const MAX_ITEMS_DEPTH = 4;

/** Returns the objects of a document, in order. Replaces arrays and Lists with their items. */
export function objectsIn(document: unknown): ManifestObject[] {
  const found: ManifestObject[] = [];
  collect(found, { value: document, path: [], depth: 0 });
  return found;
}

function collect(found: ManifestObject[], { value, path, depth }: { value: unknown; path: Path; depth: number }): void {
  if (Array.isArray(value) && depth < MAX_ITEMS_DEPTH) {
    for (const [index, item] of value.entries()) {
      collect(found, { value: item, path: [...path, index], depth: depth + 1 });
    }
    return;
  }
  if (!isObject(value)) {
    return;
  }
  const isList = typeof value.kind === 'string' && value.kind.endsWith('List') && Array.isArray(value.items);
  if (isList && depth < MAX_ITEMS_DEPTH) {
    collect(found, { value: value.items, path: [...path, 'items'], depth });
    return;
  }
  found.push({ ...identityOf(value), path, value });
}

/** Returns the workloads of the built-in kinds in the order of the document. */
export function workloadsIn(document: unknown): Workload[] {
  return objectsIn(document).flatMap((object) => workloadsOf(object, KNOWN_KINDS));
}

/** Returns the pods of an object. Returns an empty list if the kind is not in the table. */
export function workloadsOf({ path, value, ...identity }: ManifestObject, kinds: KindTable): Workload[] {
  const row = kindOf(kinds, value);
  const mayHaveSeveral = row !== undefined && (row.templates.length > 1 || /\[\]|\*/.test(row.templates[0] ?? ''));
  const places = row?.templates.flatMap((template) => placesOf(value, template)) ?? [];
  return places.map((place) => ({
    ...identity,
    path: [...path, ...place],
    pod: valueAt(value, place) as Pod,
    ...(mayHaveSeveral ? { template: pathText(place) } : {}),
  }));
}

function identityOf(value: JsonObject): Identity {
  const metadata = isObject(value.metadata) ? value.metadata : {};
  const name = metadata.name ?? metadata.generateName;
  return {
    kind: typeof value.kind === 'string' ? value.kind : '(no kind)',
    name: typeof name === 'string' ? name : '(no name)',
    namespace: typeof metadata.namespace === 'string' ? metadata.namespace : undefined,
  };
}

/**
 * Formats a workload as kubectl does, such as `deployment/web`, with the namespace in front if the namespace is known.
 * Appends the path of the pod template if the kind may have several.
 */
export function workloadText(workload: Identity & { readonly template?: string }): string {
  const place = workload.namespace === undefined ? '' : `${workload.namespace}/`;
  const template = workload.template === undefined ? '' : ` ${workload.template}`;
  return `${place}${workload.kind.toLowerCase()}/${workload.name}${template}`;
}

export function withPod(document: unknown, path: Path, pod: unknown): unknown {
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
  for (const { value } of documents.flatMap(objectsIn)) {
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

export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((part, key) => {
    if (Array.isArray(part)) {
      return typeof key === 'number' ? (part[key] as unknown) : undefined;
    }
    return isObject(part) ? own(part, String(key)) : undefined;
  }, value);
}
