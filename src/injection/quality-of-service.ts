/**
 * Computes the quality-of-service class that Kubernetes gives a pod. The class decides which pods the kubelet evicts
 * first, and whether containers can get CPUs of their own.
 *
 * Invariants:
 *   1. Only CPU and memory above 0 count.
 *   2. If the pod has the field `spec.resources`, even an empty one, only this field counts.
 */
import type { Pod } from './pod.ts';
import {
  aggregateRequest,
  containersOf,
  hasDerivedRequests,
  POD_LEVEL_NAMES,
  type Quantities,
  quantitiesOf,
  type ResourceQuantities,
  requestsOf,
} from './pod-resources.ts';

export type QualityOfService = 'Guaranteed' | 'Burstable' | 'BestEffort';

export function qualityOfService(pod: Pod): QualityOfService {
  const hasPodLevel = pod.spec?.resources !== undefined && pod.spec.resources !== null;
  const counted: ResourceQuantities[] = hasPodLevel
    ? [podQuantities(pod)]
    : containersOf(pod).map((container) => ({
        requests: requestsOf(container),
        limits: quantitiesOf(container.resources).limits,
      }));
  const isEmpty = counted.every(({ requests, limits }) =>
    POD_LEVEL_NAMES.every((name) => (requests.get(name) ?? 0) === 0 && (limits.get(name) ?? 0) === 0),
  );
  if (isEmpty) {
    return 'BestEffort';
  }
  const isLimited = counted.every(({ limits }) => POD_LEVEL_NAMES.every((name) => (limits.get(name) ?? 0) > 0));
  const isEqual = POD_LEVEL_NAMES.every((name) => {
    const sumOf = (kind: keyof ResourceQuantities): number =>
      counted.reduce((sum, quantities) => sum + (quantities[kind].get(name) ?? 0), 0);
    return Math.round((sumOf('requests') - sumOf('limits')) * 1_000) === 0;
  });
  return isLimited && isEqual ? 'Guaranteed' : 'Burstable';
}

/** Returns the pod-level quantities, with the requests that the API server derives. */
function podQuantities(pod: Pod): ResourceQuantities {
  const { requests, limits } = quantitiesOf(pod.spec?.resources);
  if (!hasDerivedRequests(pod)) {
    return { requests, limits };
  }
  const derived = POD_LEVEL_NAMES.flatMap((name): [string, number][] => {
    const isRequested = containersOf(pod).some((container) => requestsOf(container).has(name));
    const request = isRequested ? aggregateRequest(pod, name) : limits.get(name);
    return request === undefined ? [] : [[name, request]];
  });
  const all: Quantities = new Map([...derived, ...requests]);
  return { requests: all, limits };
}
