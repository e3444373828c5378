/**
 * Injects the sidecar into one pod. The webhook, `pannier inject` and `pannier injection status` use this function.
 *
 * Invariants:
 *   1. The result depends only on the arguments, and `injectPod` does not modify the given pod.
 *   2. A second injection changes nothing. If other programs have added containers since the first injection, the
 *      second injection adds only the parts that those containers need.
 *   3. A second injection replaces a sidecar that an injection with another configuration added.
 *   4. A second injection keeps the changes that other programs have made to a sidecar from the same configuration.
 *      Examples are the requests that a VerticalPodAutoscaler sets, and the image of a registry mirror.
 */
import { VERSION } from '../lib/version.ts';
import { findClashes } from './clashes.ts';
import { decide } from './decide.ts';
import { editPod } from './edit-pod.ts';
import { envFromNotes } from './env-from.ts';
import { jsonPatch, type PatchOperation } from './json-patch.ts';
import type { Kubelets } from './kubelets.ts';
import type { Pod, TextMap } from './pod.ts';
import { podLevelResources } from './pod-resources.ts';
import { positionNotes } from './position.ts';
import { findPrevious } from './previous.ts';
import { planPullSecrets, pullSecretNotes } from './pull-secrets.ts';
import { podResourceProblems } from './resource-problems.ts';
import { resolveSidecar, sidecarProblems } from './sidecar.ts';
import type { SidecarConfig } from './sidecar-config.ts';
import { configHash } from './sidecar-container.ts';
import { uninjectPod } from './uninject-pod.ts';

export interface InjectionRequest {
  readonly pod: Pod;
  /** Labels and annotations of the pod's namespace; both are empty if the namespace is unknown. */
  readonly namespaceLabels: TextMap;
  readonly namespaceAnnotations: TextMap;
  readonly config: SidecarConfig;
  readonly kubelets: Kubelets;
  /**
   * Whether the API server has already added the fields of the ServiceAccount to the pod, such as imagePullSecrets. The
   * default is false, as for a manifest.
   */
  readonly hasServiceAccountFields?: boolean;
  /**
   * Version that injection records in the pod. The default is the version of this program; tests set a constant
   * version.
   */
  readonly version?: string;
}

export type Injection =
  /**
   * `patch` turns the given pod into `pod`. The patch is empty if the sidecar is already up to date. `notes` are
   * statements for the user about parts of the pod that do not work as the user may expect.
   */
  | {
      readonly kind: 'inject';
      readonly pod: Pod;
      readonly patch: readonly PatchOperation[];
      readonly notes: readonly string[];
    }
  | { readonly kind: 'skip'; readonly reason: string }
  /** Refusal with one text per error, for the user who creates the pod. */
  | { readonly kind: 'refuse'; readonly problems: readonly [string, ...string[]] };

export function injectPod(request: InjectionRequest): Injection {
  const decision = decide(request);
  if (decision.kind !== 'requested') {
    return decision;
  }
  const { annotations } = decision;
  const found = findPrevious(request.pod);
  const podLevel = podLevelResources(request.pod, found?.container);
  const sidecar = resolveSidecar({ ...request, annotations, podLevel });
  const isCurrent = found?.configHash === configHash(sidecar);
  const pod = isCurrent ? request.pod : uninjectPod(request.pod);
  const previous = isCurrent ? found : undefined;
  const plan = planPullSecrets({
    spec: pod.spec ?? {},
    names: sidecar.imagePullSecrets,
    isRequested: annotations['image-pull-secrets'] !== undefined,
    hasServiceAccountFields: request.hasServiceAccountFields === true,
  });
  const version = request.version ?? VERSION;
  const injected = editPod({ pod, sidecar, previous, version, pullSecrets: plan.add });
  const problems = [
    ...sidecarProblems(sidecar),
    ...findClashes({ pod, sidecar, annotations, previous }),
    ...podResourceProblems({ injected, podLevel, annotations }),
  ];
  const [first, ...others] = problems;
  if (first !== undefined) {
    return { kind: 'refuse', problems: [first, ...others] };
  }
  const spec = pod.spec ?? {};
  const notes = [...pullSecretNotes(plan), ...positionNotes(sidecar, spec), ...envFromNotes(sidecar, spec)];
  return { kind: 'inject', pod: injected, patch: jsonPatch(request.pod, injected), notes };
}
