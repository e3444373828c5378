/**
 * Tests outages and restarts of the injector. If PANNIER_TEST_CLUSTER_RESTART contains a command that restarts a
 * component of the cluster, also tests restarts of the kubelet and of the API server. Injection is never partial, and
 * injection recovers without manual steps.
 */
import { execFileSync } from 'node:child_process';
import { PatchStrategy, setHeaderOptions, type V1Pod } from '@kubernetes/client-node';
import { AdmissionLoad } from '../support/kubernetes/admissions.ts';
import {
  INJECTOR,
  INJECTOR_PODS,
  installedCluster,
  PREPARE_MS,
  RELEASE_NAMESPACE,
  requestingPod,
  waitForInjection,
} from '../support/kubernetes/chart.ts';
import { isReady, sidecarOf, type TestCluster } from '../support/kubernetes/cluster.ts';
import { waitForRecovery } from '../support/kubernetes/recovery.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';

const REPLICAS = 2;
/** Time within which a ReplicaSet retries to create a pod. The intervals between the retries grow exponentially. */
const RETRY_MS = 120_000;

let cluster: TestCluster;
let namespace: string;

beforeAll(async () => {
  ({ cluster, namespace } = await installedCluster());
}, PREPARE_MS);

afterAll(async () => {
  await cluster?.scale(RELEASE_NAMESPACE, INJECTOR, REPLICAS);
  await cluster?.close();
});

function restartCounts(pods: readonly V1Pod[]): number[] {
  const statuses = pods.flatMap((pod) => [
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.containerStatuses ?? []),
  ]);
  return statuses.map(({ restartCount }) => restartCount);
}

async function stopInjector(): Promise<void> {
  await cluster.scale(RELEASE_NAMESPACE, INJECTOR, 0);
  await waitInCluster('no injector', async () => (await cluster.pods(RELEASE_NAMESPACE, INJECTOR_PODS)).length === 0);
}

async function deploy(name: string): Promise<void> {
  const labels = { app: name };
  const { metadata, spec } = requestingPod(name);
  await cluster.apps.createNamespacedDeployment({
    namespace,
    body: {
      metadata: { name },
      spec: {
        replicas: REPLICAS,
        selector: { matchLabels: labels },
        template: { metadata: { labels, annotations: metadata.annotations }, spec },
      },
    },
  });
}

test('rejects pods that request injection while no injector runs, admits others, and recovers by itself', async () => {
  await stopInjector();

  const refusal = await cluster.refusal(namespace, requestingPod('denied'));
  expect(refusal).toContain(
    'cannot inject Pannier: the injector did not answer; check that Deployment pannier-injector',
  );
  expect(refusal).not.toContain('\n');
  await deploy('waiting');
  await waitInCluster('the cause in the status of the ReplicaSet', async () => {
    const sets = await cluster.apps.listNamespacedReplicaSet({ namespace, labelSelector: 'app=waiting' });
    const condition = sets.items[0]?.status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
    return condition?.message?.includes('cannot inject Pannier');
  });
  await cluster.createPod(namespace, { metadata: { name: 'plain' }, spec: requestingPod('plain').spec });
  await cluster.waitForReady(namespace, 'plain');
  expect(await cluster.pods(namespace, 'app=waiting')).toEqual([]);

  await cluster.scale(RELEASE_NAMESPACE, INJECTOR, REPLICAS);
  const pods = await cluster.waitForPods(namespace, 'app=waiting', REPLICAS, RETRY_MS);
  expect(pods.every((pod) => sidecarOf(pod) !== undefined)).toBe(true);
});

test('running sidecars do not need the injector', async () => {
  await cluster.waitForPods(RELEASE_NAMESPACE, INJECTOR_PODS, REPLICAS);
  const before = restartCounts(await cluster.pods(namespace, 'app=waiting'));
  await stopInjector();
  const pods = await cluster.waitForPods(namespace, 'app=waiting', REPLICAS);
  expect(restartCounts(pods)).toEqual(before);
  await cluster.scale(RELEASE_NAMESPACE, INJECTOR, REPLICAS);
  await cluster.waitForPods(RELEASE_NAMESPACE, INJECTOR_PODS, REPLICAS);
});

test('replaces every replica of the injector without a failed admission', async () => {
  const old = (await cluster.waitForPods(RELEASE_NAMESPACE, INJECTOR_PODS, REPLICAS)).map(
    ({ metadata }) => metadata?.name,
  );
  // A ready replica receives calls only once kube-proxy routes connections to it.
  await waitForInjection(cluster);
  const load = new AdmissionLoad(cluster, namespace);
  await waitInCluster('the first admissions', () => load.admitted > 5);
  const stamp = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() };
  await cluster.apps.patchNamespacedDeployment(
    {
      namespace: RELEASE_NAMESPACE,
      name: INJECTOR,
      body: { spec: { template: { metadata: { annotations: stamp } } } },
    },
    setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
  );
  await waitInCluster(
    'only new replicas',
    async () => {
      const pods = await cluster.pods(RELEASE_NAMESPACE, INJECTOR_PODS);
      const isNew = pods.every((pod) => !old.includes(pod.metadata?.name) && isReady(pod));
      return pods.length === REPLICAS && isNew;
    },
    120_000,
  );
  const ended = await load.stop();
  expect(ended.failures).toEqual([]);
  expect(ended.admitted).toBeGreaterThan(50);
});

const restartCommand = process.env.PANNIER_TEST_CLUSTER_RESTART;

if (restartCommand === undefined || restartCommand === '') {
  process.stderr.write('NOT RUN: restarts of kubelet and API server (PANNIER_TEST_CLUSTER_RESTART names no command)\n');
} else {
  const [program = '', ...first] = restartCommand.split(' ');
  const restart = (name: string): void => {
    execFileSync(program, [...first, name], { stdio: 'ignore', timeout: 120_000 });
  };

  test('sidecars and injector keep running during restarts of the kubelet and the API server', async () => {
    const all = async (): Promise<V1Pod[]> => [
      ...(await cluster.pods(namespace, 'app=waiting')),
      ...(await cluster.pods(RELEASE_NAMESPACE, INJECTOR_PODS)),
    ];
    const before = restartCounts(await all());
    for (const name of ['kubelet', 'apiserver']) {
      restart(name);
      await waitInCluster(`admission after the restart of ${name}`, async () => {
        const pod = await cluster.createPod(namespace, requestingPod('after'), { dryRun: true });
        return sidecarOf(pod);
      });
      // This test and the following tests require that the components of the cluster have recovered.
      await waitForRecovery(cluster);
      await cluster.waitForPods(namespace, 'app=waiting', REPLICAS);
      await cluster.waitForPods(RELEASE_NAMESPACE, INJECTOR_PODS, REPLICAS);
      await cluster.createPod(namespace, requestingPod(`after-${name}`));
      await cluster.waitForReady(namespace, `after-${name}`);
    }
    expect(restartCounts(await all())).toEqual(before);
  }, 1_500_000);
}
