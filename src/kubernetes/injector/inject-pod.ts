/**
 * What injection does with one pod: the same answer for the webhook, the command line and the status command.
 *
 * Pure: no clock, no network, no randomness. The pod that was given is not changed.
 */
import type { Kubelets } from '../kubelets.ts';
import type { Pod, TextMap } from '../pod.ts';
import type { SidecarConfig } from '../sidecar-config.ts';
import type { PatchOperation } from './json-patch.ts';

export interface InjectionRequest {
  readonly pod: Pod;
  /** Of the pod's namespace; both empty where it is not known. */
  readonly namespaceLabels: TextMap;
  readonly namespaceAnnotations: TextMap;
  readonly config: SidecarConfig;
  readonly kubelets: Kubelets;
}

export type Injection =
  /** `patch` makes `pod` of the pod that was given; it is empty when that has its sidecar as it should be. */
  | { readonly kind: 'inject'; readonly pod: Pod; readonly patch: readonly PatchOperation[] }
  | { readonly kind: 'skip'; readonly reason: string }
  /** Every mistake, a sentence each; to be shown to whoever creates the pod. */
  | { readonly kind: 'refuse'; readonly problems: readonly [string, ...string[]] };

export function injectPod(_request: InjectionRequest): Injection {
  throw new Error('not written yet');
}
