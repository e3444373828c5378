/**
 * Decides admission reviews: adds the sidecar to a pod, and copies the annotation of a namespace to the label of the
 * namespace. Performs no I/O.
 *
 * Invariant: the decision has no side effects, so a dry run needs no special treatment.
 */
import { INJECT } from '../injection/annotations.ts';
import { injectPod } from '../injection/inject-pod.ts';
import { jsonPatch } from '../injection/json-patch.ts';
import type { Kubelets } from '../injection/kubelets.ts';
import type { Pod, TextMap } from '../injection/pod.ts';
import type { SidecarConfig } from '../injection/sidecar-config.ts';
import { isObject } from '../lib/json.ts';
import type { AdmissionRequest, Verdict } from './admission-review.ts';

export function podVerdict(
  request: AdmissionRequest,
  { config, kubelets }: { config: SidecarConfig; kubelets: Kubelets },
): Verdict {
  const pod = request.object as Pod;
  // The webhook selects a pod without the annotation only if its namespace has the label.
  const requestsByAnnotation = pod.metadata?.annotations?.[INJECT] !== undefined;
  const injection = injectPod({
    pod,
    namespaceLabels: requestsByAnnotation ? {} : { [INJECT]: 'true' },
    namespaceAnnotations: {},
    config,
    kubelets,
    hasServiceAccountFields: true,
  });
  switch (injection.kind) {
    case 'skip':
      return { kind: 'unchanged' };
    case 'refuse':
      return { kind: 'denied', message: injection.problems.join('; ') };
    case 'inject':
      return injection.patch.length === 0 ? { kind: 'unchanged' } : { kind: 'patched', patch: injection.patch };
  }
}

/**
 * Copies the annotation of a namespace to its label, because the namespaceSelector of a webhook matches only labels.
 */
export function namespaceVerdict(request: AdmissionRequest): Verdict {
  const metadata = isObject(request.object.metadata) ? request.object.metadata : {};
  const requested = textMap(metadata.annotations)[INJECT];
  const labels = textMap(metadata.labels);
  if (requested === undefined || labels[INJECT] === requested) {
    return { kind: 'unchanged' };
  }
  if (requested !== 'true' && requested !== 'false') {
    if (annotationOf(request.oldObject) === requested) {
      // The update does not change the invalid value, so the value must not prevent a change to other fields.
      return { kind: 'unchanged' };
    }
    const message = `cannot inject Pannier: annotation ${INJECT} of the namespace is "${requested}"; set it to "true" or "false"`;
    return { kind: 'denied', message };
  }
  const changed = { ...request.object, metadata: { ...metadata, labels: { ...labels, [INJECT]: requested } } };
  return { kind: 'patched', patch: jsonPatch(request.object, changed) };
}

function annotationOf(namespace: AdmissionRequest['oldObject']): string | undefined {
  const metadata = isObject(namespace?.metadata) ? namespace.metadata : {};
  return textMap(metadata.annotations)[INJECT];
}

function textMap(value: unknown): TextMap {
  return isObject(value) ? (value as TextMap) : {};
}
