/**
 * Finds the parts of an object that inject or uninject left out: annotations of Pannier outside of known pod templates,
 * and pods that should get a sidecar but are not in the table of kinds.
 *
 * The search goes by structure, not by kind, so that no object with an annotation is left out silently.
 *
 * Invariants:
 *   1. A Namespace, an annotation next to `pannier.dev/inject: "false"`, and the status annotations of a pod with a
 *      sidecar are not reported.
 *   2. Each text names the place and a remedy.
 */
import { ANNOTATION_PREFIX, CONFIG_ANNOTATION, INJECT, STATUS_ANNOTATIONS } from '../injection/annotations.ts';
import type { Pod } from '../injection/pod.ts';
import { findPrevious } from '../injection/previous.ts';
import { isObject, type JsonObject, own } from '../lib/json.ts';
import { shapeProblems } from './pod-shape.ts';
import { groupOf, type KindTable, kindOf, type Path, pathText, templateText } from './template-kinds.ts';
import { type ManifestObject, valueAt, type Workload } from './workloads.ts';

export interface LeftOut {
  readonly object: ManifestObject;
  /** Path from the root of the document to the annotation or to the containers. */
  readonly path: Path;
  readonly message: string;
}

interface Claim {
  readonly workload: Workload;
  readonly kind: 'inject' | 'skip' | 'refuse';
}

export interface Search {
  readonly object: ManifestObject;
  readonly kinds: KindTable;
  /** Pods of the object that have been processed. */
  readonly claims: readonly Claim[];
}

/**
 * Returns the parts that inject left out, and notes on annotations without effect in objects that got a sidecar.
 * `request` is the value of `pannier.dev/inject` of the namespace; undefined if the namespace has none.
 */
export function leftOutByInject(
  search: Search,
  request: string | undefined,
): { readonly leftOut: LeftOut[]; readonly notes: LeftOut[] } {
  const { object, claims } = search;
  const leftOut: LeftOut[] = [];
  const notes: LeftOut[] = [];
  if (object.kind === 'Namespace') {
    return { leftOut, notes };
  }
  const hasSidecar = claims.some(({ kind }) => kind === 'inject');
  for (const site of annotationSites(object.value)) {
    const keys = site.keys.filter((key) => key !== CONFIG_ANNOTATION);
    if (keys.length === 0 || own(site.annotations, INJECT) === 'false' || hasOwnSidecar(site)) {
      continue;
    }
    const path = [...object.path, ...site.path, keys[0] ?? ''];
    const claim = claimAt(search, site);
    if (claim !== undefined) {
      if (claim.kind === 'skip' && request === undefined && own(site.annotations, INJECT) === undefined) {
        leftOut.push({
          object,
          path,
          message: `cannot inject: ${named(keys)} ${keys.length === 1 ? 'has' : 'have'} ${REQUEST_MISSING}`,
        });
      }
      continue;
    }
    const fact = `${named(keys)} at ${pathText(site.path)} ${keys.length === 1 ? 'has' : 'have'} no effect there`;
    if (hasSidecar && !hasContainers(site.owner)) {
      notes.push({ object, path, message: `note: ${fact}; ${remedy(search, site)}` });
    } else {
      leftOut.push({ object, path, message: `cannot inject: ${fact}; ${remedy(search, site)}` });
    }
  }
  if (request === undefined) {
    leftOut.push(...requestsAsLabels(search));
  }
  const isOptedOut = valueAt(object.value, [...POD_ANNOTATIONS, INJECT]) === 'false';
  if (request === 'true' && !isOptedOut) {
    leftOut.push(...unknownPods(search).filter((found) => !leftOut.some((other) => isSamePod(other, found))));
  }
  return { leftOut, notes };
}

const POD_ANNOTATIONS = ['metadata', 'annotations'];
const REQUEST_MISSING = `no effect without ${INJECT}; set ${INJECT} to "true", or use --namespace-inject if the namespace requests injection`;

/** Returns the pods that request injection with a label, which only a namespace can have. */
function requestsAsLabels({ object, claims }: Search): LeftOut[] {
  return claims.flatMap(({ workload, kind }) => {
    const label = valueAt(workload.pod, ['metadata', 'labels', INJECT]);
    const hasAnnotation = valueAt(workload.pod, [...POD_ANNOTATIONS, INJECT]) !== undefined;
    if (kind !== 'skip' || label !== 'true' || hasAnnotation) {
      return [];
    }
    const message = `cannot inject: label ${INJECT} of the pod has no effect; set it in annotations instead of labels`;
    return [{ object, path: [...workload.path, 'metadata', 'labels', INJECT], message }];
  });
}

/** Returns the pods with status annotations that uninject did not process. */
export function leftOutByUninject(search: Search): LeftOut[] {
  const { object } = search;
  return annotationSites(object.value).flatMap((site) => {
    const path = [...object.path, ...site.path, STATUS_ANNOTATIONS.injected];
    if (claimAt(search, site) !== undefined || !site.keys.includes(STATUS_ANNOTATIONS.injected)) {
      return [];
    }
    const place = `${STATUS_ANNOTATIONS.injected} at ${pathText(site.path)}`;
    const advice = hasContainers(site.owner) ? remedy(search, site) : 'remove the annotation';
    return [{ object, path, message: `cannot uninject: ${place} is not in a known pod template; ${advice}` }];
  });
}

/** Returns the processed pod whose annotations are at this site. */
function claimAt({ object, claims }: Search, site: AnnotationSite): Claim | undefined {
  const path = [...object.path, ...site.path];
  return claims.find(({ workload }) => isSamePath([...workload.path, ...POD_ANNOTATIONS], path));
}

interface AnnotationSite {
  /** Path from the object to the mapping of annotations. */
  readonly path: Path;
  readonly annotations: JsonObject;
  /** Keys that begin with the prefix of Pannier. */
  readonly keys: readonly string[];
  /** Mapping that contains `metadata.annotations`, which may be a pod template. Undefined for other annotations. */
  readonly owner: JsonObject | undefined;
}

/** Returns the mappings of annotations at any depth that have a key of Pannier, in the order of the object. */
function annotationSites(root: JsonObject): AnnotationSite[] {
  return partsOf(root).flatMap(({ path, value }) => {
    const name = path.at(-1);
    if (typeof name !== 'string' || !/annotations$/i.test(name) || !isObject(value)) {
      return [];
    }
    const keys = Object.keys(value).filter((key) => key.startsWith(ANNOTATION_PREFIX));
    const isMetadata = isSamePath(path.slice(-2), POD_ANNOTATIONS);
    const owner = isMetadata ? valueAt(root, path.slice(0, -2)) : undefined;
    return keys.length === 0 ? [] : [{ path, annotations: value, keys, owner: isObject(owner) ? owner : undefined }];
  });
}

interface Part {
  readonly path: Path;
  readonly value: unknown;
}

/** Returns all values in an object with their paths. Does not recurse, because a file may be nested deeply. */
function partsOf(root: JsonObject): Part[] {
  const found: Part[] = [];
  const open: Part[] = [{ path: [], value: root }];
  for (let part = open.pop(); part !== undefined; part = open.pop()) {
    found.push(part);
    const { path, value } = part;
    // A spread of a long list into the arguments of `push` would exceed the size of the stack.
    for (const [key, item] of childrenOf(value).reverse()) {
      open.push({ path: [...path, key], value: item });
    }
  }
  return found;
}

function childrenOf(value: unknown): [string | number, unknown][] {
  if (Array.isArray(value)) {
    return [...value.entries()];
  }
  return isObject(value) ? Object.entries(value) : [];
}

/** Returns the lists of containers in the object that are not in a processed pod. */
function unknownPods(search: Search): LeftOut[] {
  const { object, claims } = search;
  return partsOf(object.value).flatMap(({ path, value }) => {
    const full = [...object.path, ...path];
    const isClaimed = claims.some(({ workload }) => isSamePath(full.slice(0, workload.path.length), workload.path));
    if (isClaimed || !isContainers(path.at(-1), value)) {
      return [];
    }
    const isTemplate = path.at(-2) === 'spec';
    const owner = isTemplate ? valueAt(object.value, path.slice(0, -2)) : undefined;
    const isOptedOut = valueAt(owner, [...POD_ANNOTATIONS, INJECT]) === 'false';
    if (isOptedOut || (isObject(owner) && hasSidecar(owner))) {
      return [];
    }
    const template = isTemplate ? path.slice(0, -2) : [];
    const advice = kindAdvice(object, template) ?? APPLY_WITHOUT;
    const optOut = `set ${INJECT} to "false" in metadata.annotations if its pods need no sidecar`;
    const message = `cannot inject: its namespace requests injection, but ${pathText(path)} is not in a known pod template; ${advice}, or ${optOut}`;
    return [{ object, path: full, message }];
  });
}

/** Returns true for a list of containers, and for the single container of a step in a workflow. */
function isContainers(key: string | number | undefined, value: unknown): boolean {
  if (key === 'container') {
    return isObject(value) && typeof value.image === 'string';
  }
  const items = key === 'containers' && Array.isArray(value) ? (value as unknown[]) : [];
  return items.some((item) => isObject(item) && (typeof item.name === 'string' || typeof item.image === 'string'));
}

function hasContainers(owner: JsonObject | undefined): boolean {
  return owner !== undefined && isContainers('containers', valueAt(owner, ['spec', 'containers']));
}

function hasOwnSidecar({ owner }: AnnotationSite): boolean {
  return owner !== undefined && hasSidecar(owner);
}

function hasSidecar(pod: JsonObject): boolean {
  return shapeProblems(pod).length === 0 && findPrevious(pod as Pod) !== undefined;
}

const APPLY_WITHOUT =
  'apply this object without this command, and let the injector in the cluster add the sidecar to its pods';

/** Returns what the user can do about annotations that have no effect. */
function remedy({ object, kinds, claims }: Search, site: AnnotationSite): string {
  const row = kindOf(kinds, object.value);
  const it = site.keys.length === 1 ? 'it' : 'them';
  const version = row === undefined && groupOf(object.value) === '' ? versionOf(object.kind, kinds) : undefined;
  if (version !== undefined) {
    return `correct the apiVersion, such as ${version}`;
  }
  const isInTemplate = hasContainers(site.owner) && site.path.length > POD_ANNOTATIONS.length;
  if (isInTemplate) {
    return kindAdvice(object, site.path.slice(0, -2)) ?? APPLY_WITHOUT;
  }
  const claimed = claims[0]?.workload.path.slice(object.path.length);
  if (row !== undefined && claimed !== undefined) {
    return `move ${it} to ${pathText([...claimed, ...POD_ANNOTATIONS])}`;
  }
  if (row !== undefined) {
    return `this object has no pod template at ${row.templates.join(' or ')}; annotate the object that has it`;
  }
  const containers = partsOf(object.value).find(
    ({ path, value }) => path.at(-2) === 'spec' && isContainers(path.at(-1), value),
  );
  const template = containers?.path.slice(0, -2) ?? [];
  const advice = kindAdvice(object, template);
  if (advice !== undefined) {
    return `move ${it} to ${pathText([...template, ...POD_ANNOTATIONS])} and ${advice}`;
  }
  return groupOf(object.value) === ''
    ? 'annotate the pod template of the workload instead'
    : `annotate a pod template and use --kind, or ${APPLY_WITHOUT}`;
}

/** Returns an API version of a kind that is a part of Kubernetes, or undefined for other kinds. */
function versionOf(kind: string, kinds: KindTable): string | undefined {
  const row = [...kinds.values()].find((candidate) => candidate.kind === kind && !candidate.group.includes('.'));
  return row === undefined ? undefined : `${row.group}/v1`.replace(/^\//, '');
}

/** Returns the option that adds the pod template to the table, or undefined if the option cannot express it. */
function kindAdvice(object: ManifestObject, template: Path): string | undefined {
  const group = groupOf(object.value);
  return template.length === 0 || group === ''
    ? undefined
    : `use --kind ${group}/${object.kind}=${templateText(template)}`;
}

const MAX_NAMED_KEYS = 3;

function named(keys: readonly string[]): string {
  const more = keys.length > MAX_NAMED_KEYS ? ` and ${keys.length - MAX_NAMED_KEYS} more` : '';
  const noun = keys.length === 1 ? 'annotation' : 'annotations';
  return `${noun} ${keys.slice(0, MAX_NAMED_KEYS).join(', ')}${more}`;
}

function isSamePath(left: Path, right: Path): boolean {
  return left.length === right.length && left.every((key, index) => key === right[index]);
}

/** Returns true if an annotation and a list of containers belong to the same pod template. */
function isSamePod(annotation: LeftOut, containers: LeftOut): boolean {
  return isSamePath(annotation.path.slice(0, -3), containers.path.slice(0, -2));
}
