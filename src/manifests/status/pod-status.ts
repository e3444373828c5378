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
import { type State, worstOf } from './states.ts';
import type { WorkloadFinding } from './workload-status.ts';

export interface PodStatus {
  readonly state: State;
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
  readonly state: State;
  readonly pods: number;
  readonly stalePods: number;
  readonly versions: readonly string[];
  readonly configHashes: readonly string[];
  readonly problems: readonly string[];
}

interface Group {
  readonly namespace: string;
  readonly workload: string;
  readonly pods: PodStatus[];
  readonly findings: WorkloadFinding[];
}

/** Summarizes the pods of each workload and the findings about the workload itself. */
export function workloadStatuses(
  pods: Iterable<{ pod: Pod; status: PodStatus }>,
  findings: Iterable<WorkloadFinding> = [],
): WorkloadStatus[] {
  const groups = new Map<string, Group>();
  const groupOf = (namespace: string, workload: string): Group => {
    const key = `${namespace}/${workload}`;
    const group = groups.get(key) ?? { namespace, workload, pods: [], findings: [] };
    groups.set(key, group);
    return group;
  };
  for (const { pod, status } of pods) {
    groupOf(pod.metadata?.namespace ?? '', workloadOf(pod)).pods.push(status);
  }
  for (const finding of findings) {
    groupOf(finding.namespace, finding.workload).findings.push(finding);
  }
  return [...groups].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, group]) => summaryOf(group));
}

function summaryOf({ namespace, workload, pods, findings }: Group): WorkloadStatus {
  return {
    namespace,
    workload,
    state: worstOf([...pods, ...findings].map(({ state }) => state)),
    pods: pods.length,
    stalePods: pods.filter((status) => status.state !== 'current').length,
    versions: distinct(pods.map((status) => status.version)),
    configHashes: distinct(pods.map((status) => status.configHash)),
    problems: distinct([...pods, ...findings].flatMap(({ problems }) => problems)),
  };
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
