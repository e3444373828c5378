/**
 * Tests the decisions of injection mode mutating-policy that depend on the rest of the pod, on a real API server: the
 * position of the sidecar, pull secrets, mounts at the directory of the socket, and pods for Windows. The injector makes
 * the same decisions (src/injection), and the tests there use the same tables.
 */
import { injectPod } from '../../src/injection/inject-pod.ts';
import type { Pod, PodSpec } from '../../src/injection/pod.ts';
import { parseSidecarConfig } from '../../src/injection/sidecar-config.ts';
import { uninjectPod } from '../../src/injection/uninject-pod.ts';
import { helmOnCluster } from '../support/kubernetes/chart.ts';
import { TestCluster } from '../support/kubernetes/cluster.ts';
import { at, find, render } from '../support/kubernetes/helm.ts';
import { type DryRunAnswer, KubernetesObjects } from '../support/kubernetes/objects.ts';
import { MOUNT_CASES, WINDOWS_CASES } from '../support/kubernetes/placement-pods.ts';
import { createPolicies } from '../support/kubernetes/policies.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';

const LABEL = { 'pannier-test/placement': 'true' };
const VALUES = {
  openshift: { enabled: true },
  sidecar: { after: ['mesh', 'other-mesh'], imagePullSecrets: [{ name: 'regcred' }, { name: 'team' }] },
};

let cluster: TestCluster;
let objects: KubernetesObjects;
let namespace = '';

beforeAll(async () => {
  cluster = new TestCluster();
  objects = new KubernetesObjects();
  // A running injector would hide the effect of these policies. The next suite installs the injector again.
  await helmOnCluster(['uninstall', 'pannier', '--ignore-not-found', '--wait']);
  namespace = await cluster.namespace({ labels: LABEL });
  await cluster.core.createNamespacedServiceAccount({
    namespace,
    body: { metadata: { name: 'puller' }, imagePullSecrets: [{ name: 'account' }, { name: 'team' }] },
  });
  await createPolicies(objects, { ...VALUES, injectionMode: 'mutating-policy' }, LABEL);
  await waitInCluster('the policies in effect', async () => {
    const injected = (await create({})).object as Pod;
    const refused = await create({ nodeSelector: { 'kubernetes.io/os': 'windows' } });
    return injected.spec?.initContainers?.length === 1 && refused.code !== 201;
  });
});

afterAll(async () => {
  await objects.close();
  await cluster.close();
});

/** Creates a pod that requests injection in a dry run. */
async function create(spec: PodSpec, inject = 'true'): Promise<DryRunAnswer> {
  return await objects.dryRun({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'app', namespace, annotations: { 'pannier.dev/inject': inject } },
    spec: { automountServiceAccountToken: false, containers: [{ name: 'app', image: 'a:1' }], ...spec },
  });
}

function injectedOffline(defaulted: Pod): Pod {
  const configMap = find(render(VALUES), 'ConfigMap', 'pannier-injector-config');
  const parsed = parseSidecarConfig(String(at(configMap, 'data')?.['injector.yaml' as never]));
  if ('problems' in parsed) {
    throw new Error(JSON.stringify(parsed.problems));
  }
  const annotations = { ...defaulted.metadata?.annotations, 'pannier.dev/inject': 'true' };
  const injection = injectPod({
    pod: { ...defaulted, metadata: { ...defaulted.metadata, annotations } },
    namespaceLabels: {},
    namespaceAnnotations: {},
    config: parsed.config,
    kubelets: { oldestMinor: undefined },
    hasServiceAccountFields: true,
  });
  if (injection.kind !== 'inject') {
    throw new Error(JSON.stringify(injection));
  }
  return injection.pod;
}

const facts = ({ metadata, spec }: Pod): unknown => ({
  inits: spec?.initContainers?.map(({ name }) => name),
  secrets: spec?.imagePullSecrets?.map(({ name }) => name),
  added: metadata?.annotations?.['pannier.dev/added'],
  hash: metadata?.annotations?.['pannier.dev/config-hash'],
});

const inits = (...names: readonly string[]): PodSpec => ({
  initContainers: names.map((name) => ({ name, image: 'a:1' })),
});

test.each<readonly [string, PodSpec, readonly string[], readonly string[]]>([
  ['a pod without init containers and secrets', {}, ['pannier'], ['regcred', 'team']],
  ['a pod without the named containers', inits('a'), ['pannier', 'a'], ['regcred', 'team']],
  [
    'a pod with both named containers',
    { ...inits('other-mesh', 'a', 'mesh', 'b'), imagePullSecrets: [{ name: 'mine' }] },
    ['other-mesh', 'a', 'mesh', 'pannier', 'b'],
    ['mine', 'regcred', 'team'],
  ],
  [
    'a pod with the secrets of its ServiceAccount',
    { ...inits('mesh'), serviceAccountName: 'puller' },
    ['mesh', 'pannier'],
    ['account', 'team', 'regcred'],
  ],
  [
    'a pod with all secrets',
    { imagePullSecrets: [{ name: 'team' }, { name: 'regcred' }] },
    ['pannier'],
    ['team', 'regcred'],
  ],
])('places the sidecar and adds pull secrets to %s as the injector does', async (_name, spec, order, secrets) => {
  const defaulted = (await create(spec, 'false')).object as Pod;
  const injected = (await create(spec)).object as Pod;
  expect(facts(injected)).toEqual(facts(injectedOffline(defaulted)));
  expect(facts(injected)).toMatchObject({ inits: order, secrets });
  const bare = uninjectPod(injected);
  // The API server removes empty lists.
  expect(bare.spec?.imagePullSecrets ?? []).toEqual(defaulted.spec?.imagePullSecrets ?? []);
  expect((bare.spec?.initContainers ?? []).map(({ name }) => name)).toEqual(order.filter((name) => name !== 'pannier'));
});

test.each(WINDOWS_CASES)('decides on $name as the injector does', async ({ spec, field }) => {
  const { code, message } = await create(spec);
  expect(code === 201 ? undefined : message).toEqual(
    field === undefined
      ? undefined
      : expect.stringContaining(
          `cannot inject Pannier: the operating system of the pod is windows (${field}); use linux (there is no image for windows)`,
        ),
  );
});

test.each(MOUNT_CASES)(
  'decides on $volume mounted as $mount as the injector does',
  async ({ mount, volume, place }) => {
    const containers = [{ name: 'app', image: 'a:1', volumeMounts: [{ name: 'mine', ...mount }] }];
    const { code, message } = await create({ containers, volumes: [{ name: 'mine', ...volume }] });
    expect(code === 201 ? undefined : message).toEqual(
      place === undefined
        ? undefined
        : expect.stringContaining(
            `cannot inject Pannier: container app mounts its own volume at ${place}; use another mount path, or set sidecar.socket of the chart to false`,
          ),
    );
  },
);

test('rejects a pod that runs as root, because its sidecar has no user of its own', async () => {
  expect((await create({ securityContext: { runAsUser: 0 } })).message).toContain(
    'cannot inject Pannier: spec.securityContext.runAsUser is 0 and the sidecar, which never runs as root, has no runAsUser of its own; set runAsUser in the containers instead of the pod, or set sidecar.securityContext.runAsUser of the chart',
  );
  expect((await create({ securityContext: { runAsUser: 1 } })).code).toBe(201);
});
