/**
 * Runs the five commands of the quick start on the Kubernetes page, in a namespace of the test.
 *
 *   1. Two parts differ from the page: PANNIER_TEST_IMAGE_LOAD replaces the command that loads the images into kind, and
 *      the trial Redis has the version that the suite has loaded.
 *   2. The commands are otherwise those of the page, and run in a shell. `helm` is the program in PANNIER_TEST_HELM.
 *   3. The test applies examples/kubernetes/shop.yaml without a change.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { KubeConfig } from '@kubernetes/client-node';
import { matchesText } from '../docs/executable-page.ts';
import { readQuickStart } from '../docs/quick-start.ts';
import { helmOnCluster, RELEASE_NAMESPACE } from '../support/kubernetes/chart.ts';
import { kubeconfigFile, sidecarOf, TestCluster } from '../support/kubernetes/cluster.ts';
import { IMAGES, loadImage, prepareImages } from '../support/kubernetes/images.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';
import { repositoryRoot } from '../support/repository.ts';
import { awayFromWindowEdge } from '../support/wait.ts';

const COMMAND_TIMEOUT_MS = 300_000;
const APP = 'app=shop';

const page = readQuickStart();
let cluster: TestCluster;
let namespace = '';
let directory = '';

beforeAll(async () => {
  cluster = new TestCluster();
  await prepareImages();
  await uninstall();
  namespace = await cluster.namespace({ labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } });
  directory = mkdtempSync(join(tmpdir(), 'pannier-quick-start-'));
  symlinkSync(process.env.PANNIER_TEST_HELM ?? '/usr/bin/helm', join(directory, 'helm'));
  const config = new KubeConfig();
  config.loadFromFile(kubeconfigFile());
  config.contexts = config.contexts.map((context) => ({ ...context, namespace }));
  writeFileSync(join(directory, 'kubeconfig'), config.exportConfig(), { mode: 0o600 });
}, 600_000);

afterAll(async () => {
  await uninstall();
  await cluster?.close();
  rmSync(directory, { recursive: true, force: true });
}, 120_000);

async function uninstall(): Promise<void> {
  await helmOnCluster(['uninstall', 'pannier', '--ignore-not-found', '--wait']);
}

async function shell(script: string): Promise<string> {
  const { stdout } = await promisify(execFile)('bash', ['-e', '-c', script], {
    cwd: repositoryRoot,
    env: {
      ...process.env,
      PATH: [directory, process.env.PATH].join(delimiter),
      KUBECONFIG: join(directory, 'kubeconfig'),
    },
    timeout: COMMAND_TIMEOUT_MS,
  });
  return stdout;
}

/** Returns the replicas that answer 10 calls of the Service. The calls do not consume units of a limit. */
async function reachedReplicas(): Promise<Set<string>> {
  const program = `for (let call = 0; call < 10; call += 1) {
    const response = await fetch('http://shop:8080/products/none', { headers: { connection: 'close' } });
    console.log(response.headers.get('x-replica'));
  }`;
  const output = await shell(`kubectl exec deployment/shop -- node --input-type=module -e "${program}"`);
  return new Set(output.trim().split('\n'));
}

test('the five commands of the quick start end with a limit that two replicas share', async () => {
  await shell(page.build);
  const images = page.load.replace('kind load docker-image ', '').split(' ');
  expect(images).toHaveLength(2);
  for (const image of images) {
    loadImage(image);
  }
  await shell(`${page.install} --set-string devRedis.image.tag=${IMAGES.redis.replace('redis:', '')}`);
  await shell(page.apply);
  const pods = await cluster.pods(namespace, APP);
  expect(pods).toHaveLength(2);
  expect(pods.map((pod) => sidecarOf(pod)?.image)).toEqual(['pannier:dev', 'pannier:dev']);
  await waitInCluster(
    'a Service that reaches both replicas',
    async () => (await reachedReplicas()).size === 2,
    120_000,
  );
  await awayFromWindowEdge(60_000);
  const output = await shell(page.visit);
  if (!matchesText(page.output, output)) {
    throw new Error(`cannot confirm the output of the page, got ${output}`);
  }
  // The Service chooses a replica at random for each call. If the replicas counted separately, some of these calls would
  // return 200.
  const further = (await shell(`${page.visit} 20`)).trim().split('\n');
  expect(further.filter((line) => !line.startsWith('429 from '))).toEqual([]);
  const replicas = new Set(further.map((line) => /from (\S+),/.exec(line)?.[1]));
  expect([...replicas].toSorted()).toEqual(pods.map((pod) => pod.metadata?.name).toSorted());
}, 600_000);

test('the commands that remove the quick start leave no object of the example or of the chart', async () => {
  await shell('kubectl delete -f examples/kubernetes/shop.yaml && helm uninstall pannier -n pannier-system --wait');
  const releases = await helmOnCluster(['list', '--short']);
  expect(releases.trim()).toBe('');
  expect((await cluster.apps.listNamespacedDeployment({ namespace })).items).toEqual([]);
  expect((await cluster.apps.listNamespacedDeployment({ namespace: RELEASE_NAMESPACE })).items).toEqual([]);
}, 120_000);
