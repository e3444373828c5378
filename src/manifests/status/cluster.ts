/**
 * Reads the pods, namespaces and nodes of a cluster for `pannier injection status`.
 *
 * Invariant: this module only reads from the cluster, in pages of limited size and number.
 */
import type { AppsV1Api, BatchV1Api, CoreV1Api, RbacAuthorizationV1Api, V1Pod } from '@kubernetes/client-node';
import { type Kubelets, kubeletsOf } from '../../injection/kubelets.ts';
import type { Pod } from '../../injection/pod.ts';
import { isObject } from '../../lib/json.ts';
import type { NamespaceFacts } from '../workloads.ts';

/** Calls to the API server that the command needs. The chart's ClusterRole `pannier-injection-status` permits them. */
export interface ClusterApi {
  readonly core: Pick<
    CoreV1Api,
    | 'listNamespacedPod'
    | 'listPodForAllNamespaces'
    | 'listNamespacedReplicationController'
    | 'listReplicationControllerForAllNamespaces'
    | 'listNamespacedEvent'
    | 'listEventForAllNamespaces'
    | 'listNamespace'
    | 'readNamespace'
    | 'listNode'
    | 'readNamespacedConfigMap'
    | 'listNamespacedConfigMap'
    | 'listConfigMapForAllNamespaces'
  >;
  readonly apps: Pick<
    AppsV1Api,
    | 'listNamespacedDeployment'
    | 'listDeploymentForAllNamespaces'
    | 'listNamespacedReplicaSet'
    | 'listReplicaSetForAllNamespaces'
    | 'listNamespacedStatefulSet'
    | 'listStatefulSetForAllNamespaces'
    | 'listNamespacedDaemonSet'
    | 'listDaemonSetForAllNamespaces'
  >;
  readonly batch: Pick<
    BatchV1Api,
    'listNamespacedJob' | 'listJobForAllNamespaces' | 'listNamespacedCronJob' | 'listCronJobForAllNamespaces'
  >;
  readonly rbac: Pick<RbacAuthorizationV1Api, 'readClusterRole'>;
}

const PAGE_SIZE = 500;
const MAX_PAGES = 1_000;

export interface ClusterPods {
  /** Pods that have not finished and are not being deleted. */
  readonly live: readonly Pod[];
  /** Unix time at which the newest pod of each controller was created, by the UID of the controller. */
  readonly newestMs: ReadonlyMap<string, number>;
}

/** Reads the pods of one namespace. If `namespace` is undefined, reads the pods of all namespaces. */
export async function clusterPods({ core }: ClusterApi, namespace: string | undefined): Promise<ClusterPods> {
  const pods = await pagesOf(
    (page) =>
      namespace === undefined ? core.listPodForAllNamespaces(page) : core.listNamespacedPod({ ...page, namespace }),
    (pod) => pod,
  );
  const newestMs = new Map<string, number>();
  for (const { metadata } of pods) {
    const uid = metadata?.ownerReferences?.find((owner) => owner.controller === true)?.uid;
    const createdMs = metadata?.creationTimestamp?.getTime();
    if (uid !== undefined && createdMs !== undefined) {
      newestMs.set(uid, Math.max(createdMs, newestMs.get(uid) ?? 0));
    }
  }
  return { live: pods.filter(isLive).map((pod) => plainPod(pod)), newestMs };
}

function isLive(pod: V1Pod): boolean {
  return pod.metadata?.deletionTimestamp === undefined && !['Succeeded', 'Failed'].includes(pod.status?.phase ?? '');
}

export async function namespaceFacts(
  { core }: ClusterApi,
  namespace: string | undefined,
): Promise<ReadonlyMap<string, NamespaceFacts>> {
  const namespaces =
    namespace === undefined
      ? await pagesOf(
          (page) => core.listNamespace(page),
          (found) => found,
        )
      : [await core.readNamespace({ name: namespace })];
  return new Map(
    namespaces.map(({ metadata }) => [
      metadata?.name ?? '',
      { labels: metadata?.labels ?? {}, annotations: metadata?.annotations ?? {} },
    ]),
  );
}

export async function clusterKubelets({ core }: ClusterApi): Promise<Kubelets> {
  const versions = await pagesOf(
    (page) => core.listNode(page),
    (node) => node.status?.nodeInfo?.kubeletVersion ?? '',
  );
  return kubeletsOf(versions);
}

export interface Page {
  readonly limit: number;
  readonly _continue?: string;
}

export interface List<Item> {
  readonly items: readonly Item[];
  readonly metadata?: { readonly _continue?: string };
}

/** Reads all pages of a list and converts each item, so that only the converted items stay in memory. */
export async function pagesOf<Item, Result>(
  list: (page: Page) => Promise<List<Item>>,
  convert: (item: Item) => Result,
): Promise<Result[]> {
  const results: Result[] = [];
  let next: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await list({ limit: PAGE_SIZE, ...(next ? { _continue: next } : {}) });
    results.push(...answer.items.map(convert));
    next = answer.metadata?._continue;
    if (!next) {
      return results;
    }
  }
  throw new Error(
    `cannot list the objects of the cluster: there are more than ${MAX_PAGES * PAGE_SIZE}; use --namespace`,
  );
}

/**
 * Converts a pod or pod template of the Kubernetes client to JSON values, because the object contains dates and undefined
 * fields.
 */
export function plainPod(value: unknown): Pod {
  const json: unknown = JSON.parse(JSON.stringify(value ?? {}));
  return isObject(json) ? (json as Pod) : {};
}

/** Returns the status code of an error of the API server, or undefined for any other error. */
export function apiStatusOf(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined;
}

/** Returns the message of the API server if the error contains one, or else the message of the error. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && 'body' in error) {
    const message = /"message":"((?:[^"\\]|\\.)*)"/.exec(String(error.body))?.[1];
    return message === undefined ? `status ${String(error.code)}` : message.replaceAll('\\"', '"');
  }
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return error instanceof Error ? error.message + cause : String(error);
}
