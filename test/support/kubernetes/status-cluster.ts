/**
 * Fake cluster for unit tests of `pannier injection status`, and the outcome of the command on it.
 */
import { readFileSync } from 'node:fs';
import { runStatus, type StatusFlags } from '../../../src/commands/injection-status.ts';
import type { ManifestIo } from '../../../src/commands/manifest-io.ts';
import { injectPod } from '../../../src/injection/inject-pod.ts';
import type { Pod } from '../../../src/injection/pod.ts';
import { defaultSidecarConfig } from '../../../src/injection/sidecar-config.ts';
import type { ClusterApi } from '../../../src/manifests/status/cluster.ts';

const config = defaultSidecarConfig('pannier:1');
const flags: StatusFlags = { namespace: undefined, output: 'json', version: '1.0.0' };

type Calls = Readonly<Record<string, unknown>>;

export interface Answers {
  readonly core?: Calls;
  readonly apps?: Calls;
  readonly batch?: Calls;
  readonly rbac?: Calls;
}

export function listOf(items: readonly unknown[]): () => Promise<object> {
  return async () => ({ items, metadata: {} });
}

/** Fails as the API server does, with this status code and message. */
export function failing(code: number, message: string): () => Promise<never> {
  return async () => {
    throw Object.assign(new Error(`HTTP-Code: ${code}`), { code, body: JSON.stringify({ message }) });
  };
}

export function configMap(namespace: string, name: string): object {
  return { metadata: { namespace, name }, data: { 'injector.yaml': 'sidecar: {image: "pannier:1"}\n' } };
}

/** Call that returns the chart's ClusterRole, whose annotation names this ConfigMap. */
export function role(place: string): () => Promise<object> {
  return async () => ({ metadata: { annotations: { 'pannier.dev/injector-config': place } } });
}

/** Cluster with these pods, no workloads, and the configuration of a release `pannier`. */
export function cluster(pods: readonly Pod[], answers: Answers = {}): ClusterApi {
  const namespace = { metadata: { name: 'shop', labels: { 'pannier.dev/inject': 'true' } } };
  const none = listOf([]);
  const api = {
    core: {
      // The fake API returns two pages.
      listPodForAllNamespaces: async ({ _continue }: { _continue?: string }) =>
        _continue === undefined
          ? { items: pods.slice(0, 1), metadata: { _continue: 'more' } }
          : { items: pods.slice(1), metadata: {} },
      listNamespacedPod: listOf(pods),
      listReplicationControllerForAllNamespaces: none,
      listEventForAllNamespaces: none,
      listNamespace: listOf([namespace]),
      readNamespace: async () => namespace,
      listNode: listOf([{ status: { nodeInfo: { kubeletVersion: 'v1.34.4' } } }]),
      readNamespacedConfigMap: async (place: { namespace: string; name: string }) =>
        configMap(place.namespace, place.name),
      listConfigMapForAllNamespaces: listOf([configMap('pannier-system', 'pannier-injector-config')]),
      listNamespacedConfigMap: none,
      ...answers.core,
    },
    apps: {
      listDeploymentForAllNamespaces: none,
      listReplicaSetForAllNamespaces: none,
      listStatefulSetForAllNamespaces: none,
      listDaemonSetForAllNamespaces: none,
      ...answers.apps,
    },
    batch: { listJobForAllNamespaces: none, listCronJobForAllNamespaces: none, ...answers.batch },
    rbac: { readClusterRole: role('pannier-system/pannier-injector-config'), ...answers.rbac },
  };
  return api as unknown as ClusterApi;
}

export interface Outcome {
  readonly exitCode: number;
  readonly output: string;
  readonly errors: readonly string[];
}

export async function statusOf(api: ClusterApi, overrides: Partial<StatusFlags> = {}): Promise<Outcome> {
  let output = '';
  const errors: string[] = [];
  const io: ManifestIo = {
    read: (path) => readFileSync(path, 'utf8'),
    out: (text) => {
      output += text;
    },
    error: (line) => void errors.push(line),
  };
  const exitCode = await runStatus({ ...flags, ...overrides }, api, io);
  return { exitCode, output, errors };
}

export function podOf(workload: string, pod: Pod, facts: { image?: string; version?: string } = {}): Pod {
  const hash = '5d4f';
  const base: Pod = {
    ...pod,
    metadata: {
      ...pod.metadata,
      name: `${workload}-${hash}-x`,
      namespace: 'shop',
      labels: { 'pod-template-hash': hash },
      ownerReferences: [{ kind: 'ReplicaSet', name: `${workload}-${hash}`, uid: `${workload}-rs`, controller: true }],
    },
    spec: { containers: [{ name: 'app' }] },
  };
  if (facts.version === undefined) {
    return base;
  }
  const injection = injectPod({
    pod: base,
    namespaceLabels: { 'pannier.dev/inject': 'true' },
    namespaceAnnotations: {},
    config: { ...config, image: facts.image ?? config.image },
    kubelets: { oldestMinor: 34 },
    version: facts.version,
  });
  return injection.kind === 'inject' ? injection.pod : base;
}
