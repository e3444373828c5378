/**
 * Reads the workloads of a cluster and the events of pods that could not be created, for `pannier injection status`.
 *
 * A workload is what the user created: a Deployment, but not its ReplicaSets. The events are about the object that
 * creates the pods, which is the ReplicaSet.
 *
 * Invariants:
 *   1. This module only reads from the cluster, in pages of limited size and number.
 *   2. A workload that is scaled to 0, suspended, finished or being deleted expects no pods.
 */
import type { CoreV1Event, V1CronJob, V1Deployment, V1Job, V1ObjectMeta, V1ReplicaSet } from '@kubernetes/client-node';
import { type ClusterApi, type List, type Page, pagesOf, plainPod, reasonOf } from './cluster.ts';
import type { FailedCreate, LiveWorkload, PodCreator } from './workload-status.ts';

export interface LiveWorkloads {
  readonly workloads: readonly LiveWorkload[];
  /** Kinds that the user may not list, in the plural. */
  readonly hiddenKinds: readonly string[];
  /** Message of the API server for the first of these kinds. */
  readonly reason: string | undefined;
}

interface Listed extends LiveWorkload {
  /** UID of the Deployment that a ReplicaSet belongs to. */
  readonly deploymentUid?: string;
}

interface KindReader {
  readonly plural: string;
  read(api: ClusterApi, namespace: string | undefined): Promise<Listed[]>;
}

const KINDS: readonly KindReader[] = [
  {
    plural: 'deployments',
    read: ({ apps }, namespace) =>
      listed(
        namespace,
        {
          all: (page) => apps.listDeploymentForAllNamespaces(page),
          one: (page) => apps.listNamespacedDeployment(page),
        },
        deploymentWorkload,
      ),
  },
  {
    plural: 'replicasets',
    read: ({ apps }, namespace) =>
      listed(
        namespace,
        {
          all: (page) => apps.listReplicaSetForAllNamespaces(page),
          one: (page) => apps.listNamespacedReplicaSet(page),
        },
        replicaSetWorkload,
      ),
  },
  {
    plural: 'statefulsets',
    read: ({ apps }, namespace) =>
      listed(
        namespace,
        {
          all: (page) => apps.listStatefulSetForAllNamespaces(page),
          one: (page) => apps.listNamespacedStatefulSet(page),
        },
        ({ metadata, spec, status }) =>
          workloadOf('statefulset', metadata, {
            template: spec?.template,
            expectedPods: spec?.replicas ?? 1,
            pods: status?.replicas ?? 0,
          }),
      ),
  },
  {
    plural: 'daemonsets',
    read: ({ apps }, namespace) =>
      listed(
        namespace,
        { all: (page) => apps.listDaemonSetForAllNamespaces(page), one: (page) => apps.listNamespacedDaemonSet(page) },
        ({ metadata, spec, status }) =>
          workloadOf('daemonset', metadata, {
            template: spec?.template,
            expectedPods: status?.desiredNumberScheduled ?? 0,
            pods: status?.currentNumberScheduled ?? 0,
          }),
      ),
  },
  {
    plural: 'replicationcontrollers',
    read: ({ core }, namespace) =>
      listed(
        namespace,
        {
          all: (page) => core.listReplicationControllerForAllNamespaces(page),
          one: (page) => core.listNamespacedReplicationController(page),
        },
        ({ metadata, spec, status }) =>
          workloadOf('replicationcontroller', metadata, {
            template: spec?.template,
            expectedPods: spec?.replicas ?? 1,
            pods: status?.replicas ?? 0,
          }),
      ),
  },
  {
    plural: 'jobs',
    read: ({ batch }, namespace) =>
      listed(
        namespace,
        { all: (page) => batch.listJobForAllNamespaces(page), one: (page) => batch.listNamespacedJob(page) },
        jobWorkload,
      ),
  },
  {
    plural: 'cronjobs',
    read: ({ batch }, namespace) =>
      listed(
        namespace,
        { all: (page) => batch.listCronJobForAllNamespaces(page), one: (page) => batch.listNamespacedCronJob(page) },
        cronJobWorkload,
      ),
  },
];

/** Reads the workloads of one namespace, or of all namespaces. Skips the kinds that the user may not list. */
export async function liveWorkloads(api: ClusterApi, namespace: string | undefined): Promise<LiveWorkloads> {
  const found: Listed[] = [];
  const hiddenKinds: string[] = [];
  let reason: string | undefined;
  // One kind after the other, so that the pages of only one list are in memory.
  for (const { plural, read } of KINDS) {
    try {
      found.push(...(await read(api, namespace)));
    } catch (error) {
      hiddenKinds.push(plural);
      reason ??= reasonOf(error);
    }
  }
  return { workloads: withReplicaSets(found), hiddenKinds, reason };
}

/** Returns the latest event of each object that could not create a pod, by the UID of the object. */
export async function failedCreates(
  { core }: ClusterApi,
  namespace: string | undefined,
): Promise<ReadonlyMap<string, FailedCreate>> {
  const fieldSelector = 'reason=FailedCreate';
  const events = await pagesOf(
    (page) =>
      namespace === undefined
        ? core.listEventForAllNamespaces({ ...page, fieldSelector })
        : core.listNamespacedEvent({ ...page, fieldSelector, namespace }),
    (event) => ({ uid: event.involvedObject.uid ?? '', atMs: timeOf(event), message: event.message ?? '' }),
  );
  const latest = new Map<string, FailedCreate>();
  for (const { uid, atMs, message } of events) {
    if (atMs >= (latest.get(uid)?.atMs ?? 0)) {
      latest.set(uid, { atMs, message });
    }
  }
  return latest;
}

function timeOf({ series, lastTimestamp, eventTime, metadata }: CoreV1Event): number {
  const time = series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp;
  return time === undefined ? 0 : new Date(time).getTime();
}

interface Lists<Item> {
  all(page: Page): Promise<List<Item>>;
  one(page: Page & { readonly namespace: string }): Promise<List<Item>>;
}

async function listed<Item>(
  namespace: string | undefined,
  lists: Lists<Item>,
  convert: (item: Item) => Listed,
): Promise<Listed[]> {
  return await pagesOf(
    (page) => (namespace === undefined ? lists.all(page) : lists.one({ ...page, namespace })),
    convert,
  );
}

interface PodFacts {
  readonly template: unknown;
  readonly expectedPods: number;
  readonly pods: number;
}

function workloadOf(kind: string, metadata: V1ObjectMeta | undefined, facts: PodFacts): LiveWorkload {
  const expectedPods = metadata?.deletionTimestamp === undefined ? facts.expectedPods : 0;
  const { pods } = facts;
  return {
    namespace: metadata?.namespace ?? '',
    workload: `${kind}/${metadata?.name ?? ''}`,
    // Only workloads that expect pods are evaluated, so the other templates need not stay in memory.
    template: expectedPods === 0 ? {} : plainPod(facts.template),
    expectedPods,
    hasPods: pods > 0,
    creators: [{ uid: metadata?.uid ?? '', expectedPods, pods }],
  };
}

function deploymentWorkload({ metadata, spec, status }: V1Deployment): Listed {
  const workload = workloadOf('deployment', metadata, {
    template: spec?.template,
    expectedPods: spec?.replicas ?? 1,
    pods: status?.replicas ?? 0,
  });
  // A Deployment that was paused before its first rollout has no ReplicaSet, and so no pods.
  return { ...workload, hasPods: workload.hasPods || spec?.paused === true };
}

function replicaSetWorkload({ metadata, spec, status }: V1ReplicaSet): Listed {
  const workload = workloadOf('replicaset', metadata, {
    template: spec?.template,
    expectedPods: spec?.replicas ?? 1,
    pods: status?.replicas ?? 0,
  });
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller === true);
  return owner?.kind === 'Deployment'
    ? { ...workload, workload: `deployment/${owner.name}`, deploymentUid: owner.uid }
    : workload;
}

function jobWorkload({ metadata, spec, status }: V1Job): Listed {
  const succeeded = status?.succeeded ?? 0;
  const hasEnded = (status?.conditions ?? []).some(
    (condition) => condition.status === 'True' && ENDED_JOB.includes(condition.type),
  );
  const parallelism = spec?.parallelism ?? 1;
  // Without completions, a Job creates no further pods once one pod has succeeded.
  const remaining = spec?.completions === undefined ? (succeeded > 0 ? 0 : parallelism) : spec.completions - succeeded;
  const isIdle = hasEnded || spec?.suspend === true;
  const workload = workloadOf('job', metadata, {
    template: spec?.template,
    expectedPods: isIdle ? 0 : Math.max(0, Math.min(parallelism, remaining)),
    pods: status?.active ?? 0,
  });
  // A Job whose pod has failed has no pod until the next attempt.
  return { ...workload, hasPods: workload.hasPods || succeeded > 0 || (status?.failed ?? 0) > 0 };
}

const ENDED_JOB = ['Complete', 'Failed', 'SuccessCriteriaMet', 'FailureTarget'];

/** The pods of a CronJob belong to its Jobs, so only its pod template is evaluated. */
function cronJobWorkload({ metadata, spec }: V1CronJob): Listed {
  const expectedPods = spec?.suspend === true ? 0 : 1;
  const template = spec?.jobTemplate.spec?.template;
  return { ...workloadOf('cronjob', metadata, { template, expectedPods, pods: 1 }), creators: [] };
}

/** Replaces the ReplicaSets of each Deployment by the Deployment, and lists these ReplicaSets as its creators. */
function withReplicaSets(found: readonly Listed[]): LiveWorkload[] {
  const creators = new Map<string, PodCreator[]>();
  const deployments = new Set(
    found.filter((item) => item.deploymentUid === undefined).flatMap((item) => item.creators.map(({ uid }) => uid)),
  );
  const workloads: LiveWorkload[] = [];
  for (const { deploymentUid, ...workload } of found) {
    if (deploymentUid !== undefined && deployments.has(deploymentUid)) {
      creators.set(deploymentUid, [...(creators.get(deploymentUid) ?? []), ...workload.creators]);
    } else {
      workloads.push(workload);
    }
  }
  return workloads.map((workload) => ({
    ...workload,
    creators: workload.creators.flatMap((creator) => [creator, ...(creators.get(creator.uid) ?? [])]),
  }));
}
