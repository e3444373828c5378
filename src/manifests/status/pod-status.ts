/**
 * Determines whether a running pod has the sidecar that a new pod would get. To compare the sidecars, the module runs
 * injection on the pod. The module has no side effects.
 */
import { STATUS_ANNOTATIONS } from '../../injection/annotations.ts';
import { injectPod } from '../../injection/inject-pod.ts';
import type { Kubelets } from '../../injection/kubelets.ts';
import type { Pod, TextMap } from '../../injection/pod.ts';
import { findPrevious } from '../../injection/previous.ts';
import type { SidecarConfig } from '../../injection/sidecar-config.ts';

type PodState =
  /** The sidecar equals that of a new pod. */
  | 'current'
  /** Another version of the program injected the sidecar. */
  | 'other-version'
  /** The sidecar was injected with another configuration or other annotations. */
  | 'other-configuration'
  /** Injection is requested, but there is no sidecar. */
  | 'missing'
  /** There is a sidecar, but injection is no longer requested. */
  | 'not-requested'
  /** The annotations have errors, so the next pod of this workload would be refused. */
  | 'refused';

/** States from worst to best. The state of a workload is the worst state of its pods. */
const STATES: readonly PodState[] = [
  'missing',
  'refused',
  'not-requested',
  'other-configuration',
  'other-version',
  'current',
];

export interface PodStatus {
  readonly state: PodState;
  readonly version: string | undefined;
  readonly configHash: string | undefined;
  readonly problems: readonly string[];
}

export interface StatusQuestion {
  readonly pod: Pod;
  readonly namespaceLabels: TextMap;
  readonly namespaceAnnotations: TextMap;
  readonly config: SidecarConfig;
  readonly kubelets: Kubelets;
  readonly version: string;
}

/** Returns undefined if the pod neither has a sidecar nor requests one. */
export function podStatus(question: StatusQuestion): PodStatus | undefined {
  const previous = findPrevious(question.pod);
  const injection = injectPod({ ...question, hasServiceAccountFields: true });
  const facts = { version: previous?.version, configHash: previous?.configHash, problems: [] };
  switch (injection.kind) {
    case 'skip':
      return previous === undefined ? undefined : { ...facts, state: 'not-requested' };
    case 'refuse':
      return { ...facts, state: 'refused', problems: injection.problems };
    case 'inject': {
      if (previous === undefined) {
        return { ...facts, state: 'missing' };
      }
      const expectedHash = injection.pod.metadata?.annotations?.[STATUS_ANNOTATIONS.configHash];
      const isSameConfig = expectedHash === previous.configHash;
      const isSameVersion = question.version === previous.version;
      return { ...facts, state: isSameConfig ? (isSameVersion ? 'current' : 'other-version') : 'other-configuration' };
    }
  }
}

export interface WorkloadStatus {
  readonly namespace: string;
  /** Kind and name, such as `deployment/web`. */
  readonly workload: string;
  readonly state: PodState;
  readonly pods: number;
  readonly stalePods: number;
  readonly versions: readonly string[];
  readonly configHashes: readonly string[];
  readonly problems: readonly string[];
}

/** Summarizes the pods of each workload. */
export function workloadStatuses(pods: Iterable<{ pod: Pod; status: PodStatus }>): WorkloadStatus[] {
  const groups = new Map<string, { namespace: string; workload: string; statuses: PodStatus[] }>();
  for (const { pod, status } of pods) {
    const namespace = pod.metadata?.namespace ?? '';
    const workload = workloadOf(pod);
    const group = groups.get(`${namespace}/${workload}`) ?? { namespace, workload, statuses: [] };
    group.statuses.push(status);
    groups.set(`${namespace}/${workload}`, group);
  }
  return [...groups]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([, { namespace, workload, statuses }]) => ({
      namespace,
      workload,
      state: STATES.find((state) => statuses.some((status) => status.state === state)) ?? 'current',
      pods: statuses.length,
      stalePods: statuses.filter((status) => status.state !== 'current').length,
      versions: distinct(statuses.map((status) => status.version)),
      configHashes: distinct(statuses.map((status) => status.configHash)),
      problems: distinct(statuses.flatMap((status) => status.problems)),
    }));
}

function distinct(texts: readonly (string | undefined)[]): string[] {
  return [...new Set(texts.filter((text) => text !== undefined))].sort();
}

/**
 * Returns the workload that the user created. For the ReplicaSet of a Deployment, returns the Deployment, whose name is
 * that of the ReplicaSet without the hash of the pod template.
 */
function workloadOf(pod: Pod): string {
  const owner = pod.metadata?.ownerReferences?.find((candidate) => candidate.controller === true);
  if (owner === undefined) {
    return `pod/${pod.metadata?.name ?? ''}`;
  }
  const templateHash = pod.metadata?.labels?.['pod-template-hash'];
  if (owner.kind === 'ReplicaSet' && templateHash !== undefined && owner.name.endsWith(`-${templateHash}`)) {
    return `deployment/${owner.name.slice(0, -templateHash.length - 1)}`;
  }
  return `${owner.kind.toLowerCase()}/${owner.name}`;
}
