/**
 * What injection does with one pod: the same answer for the webhook, the command line and the status command.
 *
 * Pure: no clock, no network, no randomness, and the pod that was given is not changed. Promises: injecting the result again changes
 * nothing, whatever other injectors have added in between; a pod whose sidecar was made of another configuration gets the one of this
 * configuration; with the same configuration, what others have changed in our container since (a VerticalPodAutoscaler its requests, a
 * registry mirror its image) stays.
 */
import { VERSION } from '../lib/version.ts';
import { findClashes } from './clashes.ts';
import { decide } from './decide.ts';
import { editPod } from './edit-pod.ts';
import { jsonPatch, type PatchOperation } from './json-patch.ts';
import type { Kubelets } from './kubelets.ts';
import type { Pod, TextMap } from './pod.ts';
import { findPrevious } from './previous.ts';
import { resolveSidecar, sidecarProblems } from './sidecar.ts';
import type { SidecarConfig } from './sidecar-config.ts';
import { configHash } from './sidecar-container.ts';
import { uninjectPod } from './uninject-pod.ts';

export interface InjectionRequest {
  readonly pod: Pod;
  /** Of the pod's namespace; both empty where it is not known. */
  readonly namespaceLabels: TextMap;
  readonly namespaceAnnotations: TextMap;
  readonly config: SidecarConfig;
  readonly kubelets: Kubelets;
  /** What is written on the pod; the program's own unless a test wants texts that stay. */
  readonly version?: string;
}

export type Injection =
  /** `patch` makes `pod` of the pod that was given; it is empty when that has its sidecar as it should be. */
  | { readonly kind: 'inject'; readonly pod: Pod; readonly patch: readonly PatchOperation[] }
  | { readonly kind: 'skip'; readonly reason: string }
  /** Every mistake, a sentence each; to be shown to whoever creates the pod. */
  | { readonly kind: 'refuse'; readonly problems: readonly [string, ...string[]] };

export function injectPod(request: InjectionRequest): Injection {
  const decision = decide(request);
  if (decision.kind !== 'requested') {
    return decision;
  }
  const { annotations } = decision;
  const sidecar = resolveSidecar({ ...request, annotations });
  const found = findPrevious(request.pod);
  const isCurrent = found?.configHash === configHash(sidecar);
  const pod = isCurrent ? request.pod : uninjectPod(request.pod);
  const previous = isCurrent ? found : undefined;
  const problems = [...sidecarProblems(sidecar), ...findClashes({ pod, sidecar, annotations, previous })];
  const [first, ...others] = problems;
  if (first !== undefined) {
    return { kind: 'refuse', problems: [first, ...others] };
  }
  const injected = editPod({ pod, sidecar, previous, version: request.version ?? VERSION });
  return { kind: 'inject', pod: injected, patch: jsonPatch(request.pod, injected) };
}
