/**
 * Tests that no admission of a pod fails while Helm upgrades or rolls back the chart, or while the injector rotates its
 * CA every minute. Also tests the upgrade from the chart of an older commit.
 */
import type { V1Deployment, V1Pod } from '@kubernetes/client-node';
import { AdmissionLoad } from '../support/kubernetes/admissions.ts';
import {
  helmOnCluster,
  INJECTOR,
  INJECTOR_PODS,
  installChart,
  installedCluster,
  PREPARE_MS,
  RELEASE_NAMESPACE,
  requestingPod,
} from '../support/kubernetes/chart.ts';
import { sidecarOf, type TestCluster } from '../support/kubernetes/cluster.ts';
import { IMAGES, WAITING_CONTAINER } from '../support/kubernetes/images.ts';
import { buildPreviousRelease } from '../support/kubernetes/previous-release.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';

/** Lifetime of the CA. The injector replaces the CA after two thirds of this time, that is, every 60 s. */
const CA_LIFETIME_MS = 90_000;
const SERVING_CERTIFICATE_LIFETIME_MS = 30_000;
const ROTATIONS = 3;
const CA_SECRET = `${INJECTOR}-ca`;

let cluster: TestCluster;
let namespace: string;

beforeAll(async () => {
  ({ cluster, namespace } = await installedCluster());
}, PREPARE_MS);

afterAll(async () => {
  await cluster?.close();
});

/** Waits until Kubernetes has removed the replicas of the previous revision, which drain for a while. */
async function waitForCurrentReplicas(): Promise<void> {
  await waitInCluster(
    'the replicas of the previous revision removed',
    async () => (await cluster.pods(RELEASE_NAMESPACE, INJECTOR_PODS)).length === 2,
  );
}

async function imageOfNewPod(): Promise<string | undefined> {
  return sidecarOf(await cluster.createPod(namespace, requestingPod('image'), { dryRun: true }))?.image;
}

async function currentCa(): Promise<string> {
  const secret = await cluster.core.readNamespacedSecret({ namespace: RELEASE_NAMESPACE, name: CA_SECRET });
  return secret.data?.['ca.crt'] ?? '';
}

async function bundleSizes(): Promise<number[]> {
  const configuration = await cluster.admission.readMutatingWebhookConfiguration({ name: INJECTOR });
  return (configuration.webhooks ?? []).map(({ clientConfig }) => {
    const text = Buffer.from(clientConfig.caBundle ?? '', 'base64').toString();
    return text.split('BEGIN CERTIFICATE').length - 1;
  });
}

test('upgrades and rolls back the chart without a failed admission', async () => {
  const load = new AdmissionLoad(cluster, namespace);
  await waitInCluster('the first admissions', () => load.admitted > 5);
  await installChart(cluster, { sidecar: { logLevel: 'warn' } }, { tag: IMAGES.nextTag });
  await waitInCluster(
    'the new image',
    async () => (await imageOfNewPod()) === `${IMAGES.repository}:${IMAGES.nextTag}`,
  );
  await helmOnCluster(['rollback', 'pannier', '--wait', '--timeout', '120s']);
  await waitInCluster(
    'the old image',
    async () => (await imageOfNewPod()) === `${IMAGES.repository}:${IMAGES.tag}`,
    60_000,
  );
  await waitForCurrentReplicas();
  const ended = await load.stop();
  expect(ended.failures).toEqual([]);
  expect(ended.unreachable).toEqual([]);
  expect(ended.admitted).toBeGreaterThan(50);
  expect(ended.created).toBeGreaterThan(1);
}, 400_000);

test('rotates the CA every 60 s without a failed admission', async () => {
  const self = { caLifetimeMs: CA_LIFETIME_MS, servingCertificateLifetimeMs: SERVING_CERTIFICATE_LIFETIME_MS };
  await installChart(cluster, { certificates: { mode: 'self', self } });
  await waitForCurrentReplicas();
  const load = new AdmissionLoad(cluster, namespace);
  await waitInCluster('the first admissions', () => load.admitted > 5);
  // The current CA still has the long lifetime of the previous chart values. When its Secret is deleted, the injector
  // creates the next CA at once.
  let current = await currentCa();
  await cluster.core.deleteNamespacedSecret({ namespace: RELEASE_NAMESPACE, name: CA_SECRET });
  for (let rotation = 0; rotation <= ROTATIONS; rotation += 1) {
    const next = await waitInCluster(
      `CA ${rotation}`,
      async () => {
        const found = await currentCa();
        return found !== current ? found : undefined;
      },
      CA_LIFETIME_MS,
    );
    current = next;
    expect((await bundleSizes()).length).toBe(3);
  }
  // After 100 admissions, both replicas serve certificates of the last CA.
  await waitInCluster('serving certificates of the last CA', () => load.admitted > 100);
  const ended = await load.stop();
  expect(ended.failures).toEqual([]);
  expect(ended.unreachable).toEqual([]);
  expect(Math.max(...(await bundleSizes()))).toBeLessThanOrEqual(5);
}, 600_000);

test('upgrades from the chart of an older commit without a failed admission and without a restart', async () => {
  const previous = buildPreviousRelease();
  try {
    await helmOnCluster(['uninstall', 'pannier', '--wait', '--timeout', '120s']);
    await installChart(cluster, {}, { chart: previous.chart, tag: previous.tag });
  } finally {
    previous.remove();
  }
  await cluster.apps.createNamespacedDeployment({ namespace, body: deploymentOf('running') });
  const before = await cluster.waitForPods(namespace, 'app=running', 2);
  expect(before.map((pod) => sidecarOf(pod)?.image)).toEqual(Array(2).fill(`${IMAGES.repository}:${previous.tag}`));
  const load = new AdmissionLoad(cluster, namespace);
  await waitInCluster('the first admissions', () => load.admitted > 5);
  await installChart(cluster, {});
  await waitInCluster('the new image', async () => (await imageOfNewPod()) === `${IMAGES.repository}:${IMAGES.tag}`);
  await waitForCurrentReplicas();
  const ended = await load.stop();
  expect(ended.failures).toEqual([]);
  expect(ended.unreachable).toEqual([]);
  expect(ended.admitted).toBeGreaterThan(50);
  const after = await cluster.waitForPods(namespace, 'app=running', 2);
  expect(after.map(identityOf).toSorted()).toEqual(before.map(identityOf).toSorted());
}, 400_000);

/** Returns the UID of a pod and the number of restarts of each container. */
function identityOf({ metadata, status }: V1Pod): string {
  const containers = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return JSON.stringify([metadata?.uid, containers.map(({ name, restartCount }) => [name, restartCount])]);
}

function deploymentOf(name: string): V1Deployment {
  const labels = { app: name };
  return {
    metadata: { name },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations: { 'pannier.dev/inject': 'true' } },
        spec: { containers: [WAITING_CONTAINER], terminationGracePeriodSeconds: 1 },
      },
    },
  };
}

test('helm test passes', async () => {
  await installChart(cluster, {});
  const output = await helmOnCluster(['test', 'pannier', '--timeout', '120s']);
  expect(output).toContain('Succeeded');
}, 300_000);
