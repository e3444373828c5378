/**
 * Finds contradictions between the sidecar and the pod-level resources (`spec.resources`) of its pod. The API server
 * would also refuse such a pod, but its error would contain neither the sidecar nor the remedy.
 */
import { type Annotations, annotationKey } from './annotations.ts';
import type { Pod } from './pod.ts';
import {
  aggregateRequest,
  containersOf,
  type PodLevelName,
  type Quantities,
  quantitiesOf,
  requestsOf,
} from './pod-resources.ts';
import { MEBIBYTE, MIN_MEMORY_MEBIBYTES } from './quantity.ts';
import { SIDECAR_NAME } from './sidecar.ts';

export interface ResourceQuestion {
  /** Pod with its sidecar. */
  readonly injected: Pod;
  readonly podLevel: ReadonlySet<PodLevelName>;
  readonly annotations: Annotations;
}

/** Returns an error text for each contradiction. */
export function podResourceProblems(question: ResourceQuestion): string[] {
  const { limits } = quantitiesOf(question.injected.spec?.resources);
  const problems = [...question.podLevel].flatMap((name) => [
    ...limitProblems(question, { name, limits }),
    ...requestProblems(question, name),
  ]);
  const memoryBytes = limits.get('memory') ?? Number.POSITIVE_INFINITY;
  if (memoryBytes < MIN_MEMORY_MEBIBYTES * MEBIBYTE) {
    const minimum = `${MIN_MEMORY_MEBIBYTES}Mi`;
    problems.push(
      `cannot inject the pod: spec.resources.limits.memory is ${shown('memory', memoryBytes)}, and the sidecar alone may need ${minimum}; set it to at least ${minimum} plus the memory of the other containers`,
    );
  }
  return problems;
}

/** Kubernetes requires that the limit of each container is at most the limit of the pod. */
function limitProblems(
  { annotations }: ResourceQuestion,
  { name, limits }: { name: PodLevelName; limits: Quantities },
): string[] {
  const own = quantitiesOf({ limits: { [name]: annotations[`${name}-limit`] } }).limits.get(name) ?? 0;
  const pod = limits.get(name) ?? Number.POSITIVE_INFINITY;
  return thousandths(own) <= thousandths(pod)
    ? []
    : [
        `cannot inject the pod: the ${name} limit of its sidecar (${shown(name, own)}) is above spec.resources.limits.${name} (${shown(name, pod)}); set the limit of the pod to at least ${shown(name, own)}, or lower annotation ${annotationKey(`${name}-limit`)}`,
      ];
}

/** Kubernetes requires that the sum of the requests of the containers is at most the request of the pod. */
function requestProblems({ injected, annotations }: ResourceQuestion, name: PodLevelName): string[] {
  const sidecar = containersOf(injected).find((container) => container.name === SIDECAR_NAME);
  const own = (sidecar && requestsOf(sidecar).get(name)) ?? 0;
  const sum = aggregateRequest(injected, name);
  const pod = podRequest(injected, name);
  if (own === 0 || thousandths(sum) <= thousandths(pod)) {
    return [];
  }
  const set = ([`${name}-request`, `${name}-limit`] as const).filter((key) => annotations[key] !== undefined);
  // Without such an annotation, another program has changed the request of the sidecar.
  const removal =
    set.length === 0 ? '' : `, or remove ${set.map((key) => `annotation ${annotationKey(key)}`).join(' and ')}`;
  return [
    `cannot inject the pod: its containers request ${shown(name, sum)} of ${name} (the sidecar: ${shown(name, own)}), and spec.resources.requests.${name} is ${shown(name, pod)}; set the request of the pod to at least ${shown(name, sum)}${removal}`,
  ];
}

/** Returns the request that the API server gives the pod before the webhook adds the sidecar. */
function podRequest(injected: Pod, name: PodLevelName): number {
  const { requests, limits } = quantitiesOf(injected.spec?.resources);
  const others = { ...injected, spec: withoutSidecar(injected.spec) };
  const hasRequests = containersOf(others).some((container) => requestsOf(container).has(name));
  const derived = hasRequests ? aggregateRequest(others, name) : limits.get(name);
  return requests.get(name) ?? derived ?? Number.POSITIVE_INFINITY;
}

function withoutSidecar(spec: Pod['spec']): NonNullable<Pod['spec']> {
  const { initContainers = [], containers = [], ...others } = spec ?? {};
  const isOther = ({ name }: { name: string }): boolean => name !== SIDECAR_NAME;
  return { ...others, initContainers: initContainers.filter(isOther), containers: containers.filter(isOther) };
}

/** Rounds to thousandths of a core or a byte, the smallest unit of Kubernetes, because sums of fractions are inexact. */
function thousandths(quantity: number): number {
  return Math.round(quantity * 1_000);
}

const MEMORY_UNITS = [
  ['Gi', 1_024 * MEBIBYTE],
  ['Mi', MEBIBYTE],
  ['Ki', 1_024],
] as const;

function shown(name: PodLevelName, quantity: number): string {
  if (name === 'cpu') {
    return Number.isInteger(quantity) ? `${quantity}` : `${thousandths(quantity)}m`;
  }
  const [unit, bytes] = MEMORY_UNITS.find(([, size]) => quantity > 0 && quantity % size === 0) ?? ['', 1];
  return `${quantity / bytes}${unit}`;
}
