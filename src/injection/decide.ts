/**
 * Determines whether a pod gets a sidecar. The annotation of the pod overrides the label of its namespace.
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
    return { kind: 'skip', reason: 'it is a mirror pod, which the kubelet runs from a file on its node' };
  }
  if (own[INJECT] === 'false') {
    return { kind: 'skip', reason: `its annotation ${INJECT} is "false"` };
  }
  // Parses the annotations even if nothing requests injection, so that the result reports a misspelled `inject`.
  const parsed = parseAnnotations(own);
  if ('problems' in parsed) {
    return { kind: 'refuse', problems: parsed.problems };
  }
  const { annotations } = parsed;
  if (annotations.inject === true) {
    return { kind: 'requested', annotations, requestedBy: 'pod' };
  }
  // The label takes precedence over the annotation, because the API server selects pods by the label. The injector
  // copies the annotation to the label with a short delay.
  const label = namespaceLabels[INJECT];
  const text = label ?? namespaceAnnotations[INJECT];
  switch (text) {
    case 'true':
      return { kind: 'requested', annotations, requestedBy: 'namespace' };
    case undefined:
      return { kind: 'skip', reason: `neither the pod nor its namespace has ${INJECT} set to "true"` };
    case 'false':
      return { kind: 'skip', reason: `its namespace has ${INJECT} set to "false"` };
    default: {
      const source = label === undefined ? 'annotation' : 'label';
      const problem = `${source} ${INJECT} of the namespace must be "true" or "false", got ${JSON.stringify(text)}`;
      return { kind: 'refuse', problems: [problem] };
    }
  }
}
