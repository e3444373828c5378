/**
 * Reads the resources of a pod and of its containers as Kubernetes does, and finds the resources that the pod itself
 * sets in `spec.resources` (pod-level resources).
 *
 * Invariants:
 *   1. A pod from a file and the same pod with the defaults of the API server have the same pod-level resources.
 *   2. A pod has the same pod-level resources before and after injection. The API server derives pod-level requests
 *      from the requests of the containers, so the request of an injected sidecar must not count.
 */
import { isObject, own } from '../lib/json.ts';
import type { Container, Pod } from './pod.ts';
import { parseQuantity } from './quantity.ts';

/** Resources that Kubernetes supports at the level of the pod, except huge pages, which a sidecar does not use. */
export const POD_LEVEL_NAMES = ['cpu', 'memory'] as const;

export type PodLevelName = (typeof POD_LEVEL_NAMES)[number];

/** Numbers of cores or bytes by the name of the resource. */
export type Quantities = ReadonlyMap<string, number>;

export interface ResourceQuantities {
  readonly requests: Quantities;
  readonly limits: Quantities;
}

/** Reads a field `resources`, which may have any shape. Ignores values that are not quantities. */
export function quantitiesOf(resources: unknown): ResourceQuantities {
  const read = (key: string): Quantities => {
    const list = isObject(resources) ? own(resources, key) : undefined;
    const entries = Object.entries(isObject(list) ? list : {}).map(([name, value]) => [
      name,
      typeof value === 'string' || typeof value === 'number' ? parseQuantity(String(value)) : undefined,
    ]);
    return new Map(entries.filter((entry): entry is [string, number] => entry[1] !== undefined));
  };
  return { requests: read('requests'), limits: read('limits') };
}

/** Returns the requests of a container. Kubernetes uses a limit as the request if the container has no request. */
export function requestsOf(container: Container): Quantities {
  const { requests, limits } = quantitiesOf(container.resources);
  return new Map([...limits, ...requests]);
}

export function containersOf(pod: Pod): Container[] {
  return [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
}

/** Returns the pod-level resources. `injected` is the sidecar that an earlier injection added to the pod. */
export function podLevelResources(pod: Pod, injected: Container | undefined): ReadonlySet<PodLevelName> {
  const { requests, limits } = quantitiesOf(pod.spec?.resources);
  const others = containersOf(pod).filter((container) => container !== injected);
  const isSet = (name: PodLevelName): boolean => {
    if (limits.has(name)) {
      return true;
    }
    if (!hasDerivedRequests(pod)) {
      return requests.has(name);
    }
    const isOfSidecar = injected !== undefined && requestsOf(injected).get(name) === requests.get(name);
    return others.some((container) => requestsOf(container).has(name)) || (requests.has(name) && !isOfSidecar);
  };
  return new Set(POD_LEVEL_NAMES.filter(isSet));
}

/**
 * Returns whether the API server derives the missing pod-level requests: from the requests of the containers, or else
 * from the pod-level limits. It does so if the pod has any pod-level limit. It derives limits of huge pages from their
 * requests.
 */
export function hasDerivedRequests(pod: Pod): boolean {
  const { requests, limits } = quantitiesOf(pod.spec?.resources);
  return limits.size > 0 || [...requests.keys()].some((name) => name.startsWith('hugepages-'));
}

/**
 * Returns the sum of the requests of all containers that run at the same time, which Kubernetes compares with the
 * request of the pod. Native sidecars run during each init container that follows them, and during all containers.
 */
export function aggregateRequest(pod: Pod, name: string): number {
  let sidecars = 0;
  let start = 0;
  for (const container of pod.spec?.initContainers ?? []) {
    const request = requestsOf(container).get(name) ?? 0;
    sidecars += container.restartPolicy === 'Always' ? request : 0;
    start = Math.max(start, container.restartPolicy === 'Always' ? sidecars : sidecars + request);
  }
  const running = (pod.spec?.containers ?? []).reduce(
    (sum, container) => sum + (requestsOf(container).get(name) ?? 0),
    sidecars,
  );
  return Math.max(start, running);
}
