/**
 * Tests pods whose policy ConfigMap has an error, lacks its key, or is deleted. Such a ConfigMap stops no pod. The test
 * injects the sidecar offline, without the chart.
 */
import type { V1Pod } from '@kubernetes/client-node';
import { injectPod } from '../../src/injection/inject-pod.ts';
import type { Pod } from '../../src/injection/pod.ts';
import { defaultSidecarConfig } from '../../src/injection/sidecar-config.ts';
import { requestingPod } from '../support/kubernetes/chart.ts';
import { TestCluster } from '../support/kubernetes/cluster.ts';
import { pannierImage, prepareImages } from '../support/kubernetes/images.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';

const ADMIN_PORT = 9_471;
const PATH = '/etc/pannier/policies/policies.yaml';
const POLICIES = `policies:
  good:
    limits:
      - { algorithm: fixed_window, limit: 1, per: 1m }
  bad:
    limits:
      - { algorithm: fixed_window, limit: 1, per: 1minute }
`;

let cluster: TestCluster;
let namespace: string;

beforeAll(async () => {
  cluster = new TestCluster();
  await prepareImages();
  namespace = await cluster.namespace();
}, 600_000);

afterAll(async () => {
  await cluster?.close();
});

/** Creates a ConfigMap with one key and a pod that uses it as its policies. */
async function createPod(name: string, key: string): Promise<void> {
  await cluster.core.createNamespacedConfigMap({ namespace, body: { metadata: { name }, data: { [key]: POLICIES } } });
  const injection = injectPod({
    pod: requestingPod(name, { 'pannier.dev/policies': name }) as unknown as Pod,
    namespaceLabels: { 'pannier.dev/inject': 'true' },
    namespaceAnnotations: {},
    config: defaultSidecarConfig(pannierImage),
    kubelets: { oldestMinor: undefined },
  });
  if (injection.kind !== 'inject') {
    throw new Error(`cannot run the test: the pod was not injected: ${JSON.stringify(injection)}`);
  }
  await cluster.createPod(namespace, injection.pod as unknown as V1Pod);
}

async function adminPage(name: string, path: string): Promise<string> {
  return await cluster.core.connectGetNamespacedPodProxyWithPath({ namespace, name: `${name}:${ADMIN_PORT}`, path });
}

async function logOf(name: string): Promise<string[]> {
  const text = await cluster.core.readNamespacedPodLog({ namespace, name, container: 'pannier' });
  return text.trim().split('\n');
}

test('a ConfigMap with an error or without the key stops no pod, and each sidecar names the error', async () => {
  await Promise.all([createPod('invalid', 'policies.yaml'), createPod('misnamed', 'policy.yml')]);
  await Promise.all([cluster.waitForReady(namespace, 'invalid'), cluster.waitForReady(namespace, 'misnamed')]);

  const problem = `${PATH}:7:51: policies.bad.limits[0].per must be a duration`;
  expect(await adminPage('invalid', 'readyz')).toContain(`policy file: ${problem}`);
  const metrics = await adminPage('invalid', 'metrics');
  expect(metrics).toContain('\npannier_policy_file_problems 1\n');
  expect(metrics).toContain('\npannier_policies 1\n');
  const errors = (await logOf('invalid')).filter((line) => line.includes(problem));
  expect(errors).toEqual([expect.stringContaining('"level":"error"')]);

  const missing = 'the ConfigMap has no key policies.yaml, only policy.yml; rename the key to policies.yaml';
  expect(await adminPage('misnamed', 'readyz')).toContain(
    `policy file: cannot read the policy file ${PATH}: ${missing}`,
  );
  expect(await adminPage('misnamed', 'metrics')).toContain('\npannier_policy_file_problems 1\n');
  const warnings = (await logOf('misnamed')).filter((line) => line.includes('policy.yml'));
  expect(warnings).toEqual([expect.stringContaining('"level":"warn"')]);
});

test('a running pod keeps its policies after its ConfigMap was deleted', async () => {
  await cluster.core.deleteNamespacedConfigMap({ namespace, name: 'invalid' });
  await waitInCluster('the deleted ConfigMap in the pod', async () =>
    (await logOf('invalid')).some((line) => line.includes('cannot read the policy file, keeping the current policies')),
  );
  expect(await adminPage('invalid', 'metrics')).toContain('\npannier_policies 1\n');
  expect(await adminPage('invalid', 'readyz')).toContain(`cannot read the policy file ${PATH}: ENOENT`);
});
