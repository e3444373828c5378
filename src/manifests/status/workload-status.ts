/**
 * Finds workloads that request injection and whose next pods would be refused or are refused. This module also sees
 * workloads that have no pods, because a refused pod does not exist. The module has no side effects.
 */
import { injectPod } from '../../injection/inject-pod.ts';
import type { Kubelets } from '../../injection/kubelets.ts';
import type { Pod } from '../../injection/pod.ts';
import type { SidecarConfig } from '../../injection/sidecar-config.ts';
import type { NamespaceFacts } from '../workloads.ts';
import type { State } from './states.ts';

/** Object that creates pods, such as a ReplicaSet. */
export interface PodCreator {
  readonly uid: string;
  readonly expectedPods: number;
  readonly pods: number;
}

export interface LiveWorkload {
  readonly namespace: string;
  /** Kind and name, such as `deployment/web`. */
  readonly workload: string;
  readonly template: Pod;
  /** Number of pods that the workload should have now; 0 if it is scaled to 0, suspended or finished. */
  readonly expectedPods: number;
  /** Whether the workload has pods, had pods that have ended, or is paused. */
  readonly hasPods: boolean;
  /** The workload itself, and the ReplicaSets of a Deployment. */
  readonly creators: readonly PodCreator[];
}

/** Event of a pod that could not be created. */
export interface FailedCreate {
  readonly atMs: number;
  readonly message: string;
}

export interface ClusterFacts {
  readonly namespaces: ReadonlyMap<string, NamespaceFacts>;
  readonly config: SidecarConfig;
  readonly kubelets: Kubelets;
  /** Latest event of each creator, by its UID; undefined if the events could not be read. */
  readonly failedCreates: ReadonlyMap<string, FailedCreate> | undefined;
  /** Unix time at which the newest pod of each creator was created, by the UID of the creator. */
  readonly newestPodMs: ReadonlyMap<string, number>;
}

/** Result for a workload as a whole, in contrast to the result for one of its pods. */
export interface WorkloadFinding {
  readonly namespace: string;
  readonly workload: string;
  readonly state: State;
  readonly problems: readonly string[];
}

/** Returns undefined if the next pod of the workload would be created, or if the workload does not request injection. */
export function workloadFinding(workload: LiveWorkload, facts: ClusterFacts): WorkloadFinding | undefined {
  const { namespace, template, expectedPods } = workload;
  if (expectedPods === 0) {
    return undefined;
  }
  const finding = { namespace, workload: workload.workload };
  const injection = injectPod({
    pod: { ...template, metadata: { ...template.metadata, namespace } },
    namespaceLabels: facts.namespaces.get(namespace)?.labels ?? {},
    namespaceAnnotations: facts.namespaces.get(namespace)?.annotations ?? {},
    config: facts.config,
    kubelets: facts.kubelets,
  });
  if (injection.kind === 'skip') {
    return undefined;
  }
  if (injection.kind === 'refuse') {
    return { ...finding, state: 'refused', problems: injection.problems };
  }
  const refusals = workload.creators.flatMap((creator) => refusalOf(creator, facts));
  if (refusals.length > 0) {
    return { ...finding, state: 'refused', problems: refusals };
  }
  if (workload.hasPods) {
    return undefined;
  }
  const [kind, name] = workload.workload.split('/');
  const unexplained = facts.failedCreates === undefined ? '' : ', and no event says why';
  const problem = `0 of ${expectedPods} pods exist${unexplained}; run kubectl describe ${kind} ${name} -n ${namespace}`;
  return { ...finding, state: 'no-pods', problems: [problem] };
}

/**
 * Returns the text of the event if the creator has too few pods. An event from before the newest pod is obsolete, because
 * its cause no longer exists.
 */
function refusalOf({ uid, expectedPods, pods }: PodCreator, facts: ClusterFacts): string[] {
  const event = facts.failedCreates?.get(uid);
  if (pods >= expectedPods || event === undefined || event.atMs < (facts.newestPodMs.get(uid) ?? 0)) {
    return [];
  }
  return [`${pods} of ${expectedPods} pods exist: ${event.message}`];
}
