/**
 * Whether a pod is to have a sidecar: asked by its annotation or else by its namespace.
 */
import { type Annotations, INJECT, parseAnnotations } from './annotations.ts';
import type { Pod, TextMap } from './pod.ts';

const MIRROR = 'kubernetes.io/config.mirror';

export interface InjectionQuestion {
  readonly pod: Pod;
  readonly namespaceLabels: TextMap;
  readonly namespaceAnnotations: TextMap;
}

export type Decision =
  | { readonly kind: 'requested'; readonly annotations: Annotations; readonly requestedBy: 'pod' | 'namespace' }
  | { readonly kind: 'skip'; readonly reason: string }
  | { readonly kind: 'refuse'; readonly problems: readonly [string, ...string[]] };

export function decide({ pod, namespaceLabels, namespaceAnnotations }: InjectionQuestion): Decision {
  const own = pod.metadata?.annotations ?? {};
  if (own[MIRROR] !== undefined) {
    return { kind: 'skip', reason: 'it is a mirror pod: the kubelet runs it from a file on its node' };
  }
  if (own[INJECT] === 'false') {
    return { kind: 'skip', reason: `its annotation ${INJECT} is "false"` };
  }
  // Read even when nobody asked: a mistyped `inject` must be heard of.
  const parsed = parseAnnotations(own);
  if ('problems' in parsed) {
    return { kind: 'refuse', problems: parsed.problems };
  }
  const { annotations } = parsed;
  if (annotations.inject === true) {
    return { kind: 'requested', annotations, requestedBy: 'pod' };
  }
  // The label is what the API server selects by; the annotation may come a moment before it is copied to the label.
  const text = namespaceLabels[INJECT] ?? namespaceAnnotations[INJECT];
  switch (text) {
    case 'true':
      return { kind: 'requested', annotations, requestedBy: 'namespace' };
    case undefined:
      return { kind: 'skip', reason: `neither the pod nor its namespace says ${INJECT}: "true"` };
    case 'false':
      return { kind: 'skip', reason: `its namespace says ${INJECT}: "false"` };
    default:
      return {
        kind: 'refuse',
        problems: [`cannot read ${INJECT} of the namespace: it is ${JSON.stringify(text)}, wanted "true" or "false"`],
      };
  }
}
