/**
 * Reads the pods, namespaces and nodes of a cluster and the injector's configuration for `pannier injection status`.
 *
 * Invariant: this module only reads from the cluster, in pages of limited size and number.
 */
import type { CoreV1Api } from '@kubernetes/client-node';
import { type Kubelets, kubeletsOf } from '../../injection/kubelets.ts';
import type { Pod } from '../../injection/pod.ts';
import { isObject } from '../../lib/json.ts';
import type { NamespaceFacts } from '../workloads.ts';

export type ClusterApi = Pick<
  CoreV1Api,
  | 'listNamespacedPod'
  | 'listPodForAllNamespaces'
  | 'listNamespace'
  | 'readNamespace'
  | 'listNode'
  | 'readNamespacedConfigMap'
>;

const PAGE_SIZE = 500;
const MAX_PAGES = 1_000;

export const INJECTOR_CONFIG = { name: 'pannier-injector-config', key: 'injector.yaml' } as const;

/**
 * Returns the pods that have not finished and are not being deleted. If `namespace` is undefined, the pods are from all
 * namespaces.
 */
export async function livePods(core: ClusterApi, namespace: string | undefined): Promise<Pod[]> {
  const pods = await pagesOf((page) =>
    namespace === undefined ? core.listPodForAllNamespaces(page) : core.listNamespacedPod({ ...page, namespace }),
  );
  return pods
    .filter((pod) => pod.metadata?.deletionTimestamp === undefined)
    .filter((pod) => !['Succeeded', 'Failed'].includes(pod.status?.phase ?? ''))
    .map((pod) => plain(pod) as Pod);
}

export async function namespaceFacts(
  core: ClusterApi,
  namespace: string | undefined,
): Promise<ReadonlyMap<string, NamespaceFacts>> {
  const namespaces =
    namespace === undefined
      ? await pagesOf((page) => core.listNamespace(page))
      : [await core.readNamespace({ name: namespace })];
  return new Map(
    namespaces.map(({ metadata }) => [
      metadata?.name ?? '',
      { labels: metadata?.labels ?? {}, annotations: metadata?.annotations ?? {} },
    ]),
  );
}

export async function clusterKubelets(core: ClusterApi): Promise<Kubelets> {
  const nodes = await pagesOf((page) => core.listNode(page));
  return kubeletsOf(nodes.map((node) => node.status?.nodeInfo?.kubeletVersion ?? ''));
}

/**
 * Returns the text of the configuration, or undefined if the ConfigMap does not contain the key of the configuration.
 */
export async function injectorConfigText(core: ClusterApi, namespace: string): Promise<string | undefined> {
  const configMap = await core.readNamespacedConfigMap({ name: INJECTOR_CONFIG.name, namespace });
  return configMap.data?.[INJECTOR_CONFIG.key];
}

interface Page {
  readonly limit: number;
  readonly _continue?: string;
}

interface List<Item> {
  readonly items: Item[];
  readonly metadata?: { readonly _continue?: string };
}

async function pagesOf<Item>(list: (page: Page) => Promise<List<Item>>): Promise<Item[]> {
  const items: Item[] = [];
  let next: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await list({ limit: PAGE_SIZE, ...(next ? { _continue: next } : {}) });
    items.push(...answer.items);
    next = answer.metadata?._continue;
    if (!next) {
      return items;
    }
  }
  throw new Error(
    `cannot list the objects of the cluster: there are more than ${MAX_PAGES * PAGE_SIZE}; use --namespace`,
  );
}

/**
 * Converts an object of the Kubernetes client to JSON values, because the object contains dates and undefined fields.
 */
function plain(value: unknown): unknown {
  const text: unknown = JSON.parse(JSON.stringify(value));
  return isObject(text) ? text : {};
}
