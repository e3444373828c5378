/**
 * Tests the objects of the chart on a real API server, which validates each object strictly. The admission policies
 * reject invalid pods with the expected messages, and injection mode mutating-policy changes a pod exactly as the
 * injector does.
 *
 * The policies are bound to the namespaces of this test only, so that they do not affect other pods of the cluster.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { injectPod } from '../../src/injection/inject-pod.ts';
import type { Pod } from '../../src/injection/pod.ts';
import { parseSidecarConfig } from '../../src/injection/sidecar-config.ts';
import { workloadsIn } from '../../src/manifests/workloads.ts';
import { readValues } from '../../src/manifests/yaml-documents.ts';
import { helmOnCluster } from '../support/kubernetes/chart.ts';
import { refusalText, TestCluster } from '../support/kubernetes/cluster.ts';
import { at, find, type Manifest, render, type Values } from '../support/kubernetes/helm.ts';
import { KubernetesObjects } from '../support/kubernetes/objects.ts';
import { createPolicies } from '../support/kubernetes/policies.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';
import { repositoryRoot } from '../support/repository.ts';

const TEST_LABEL = 'pannier-chart-test';
const INJECT = 'pannier.dev/inject';
const CHART_VERSION = '0.1.0';
const MUTATING: Values = { fullnameOverride: 'chart-mutating', devRedis: { enabled: true } };
let cluster: TestCluster;
let objects: KubernetesObjects;
/** Namespace with injection mode mutating-policy. */
let mutated = '';

beforeAll(async () => {
  cluster = new TestCluster();
  objects = new KubernetesObjects();
  // A running injector would hide the effect of these policies. The next suite installs the injector again.
  await helmOnCluster(['uninstall', 'pannier', '--ignore-not-found', '--wait']);
  await waitInCluster('neither injection nor rejection', async () => {
    const { spec } = await admitted('default', pod({ [INJECT]: 'true' }));
    return spec?.initContainers === undefined;
  });
});

afterAll(async () => {
  await objects.close();
  await cluster.close();
});

/**
 * Values that make the chart render objects of other projects, such as a Certificate. The record contains only values
 * whose kinds the cluster serves.
 */
const THIRD_PARTY_VALUES: Record<string, Values> = {};
const probe = new TestCluster();
if (await probe.serves('cert-manager.io', 'v1')) {
  THIRD_PARTY_VALUES['certificates by cert-manager'] = {
    fullnameOverride: 'chart-dry',
    certificates: { mode: 'cert-manager' },
  };
} else {
  process.stderr.write('NOT RUN: Certificate and Issuer (the cluster does not serve cert-manager.io/v1)\n');
}
if (await probe.serves('monitoring.coreos.com', 'v1')) {
  const enabled = { enabled: true, labels: { release: 'prometheus' } };
  THIRD_PARTY_VALUES['monitors and alerts'] = {
    fullnameOverride: 'chart-dry',
    serviceMonitor: enabled,
    podMonitor: enabled,
    prometheusRule: enabled,
  };
} else {
  process.stderr.write('NOT RUN: ServiceMonitor, PodMonitor and PrometheusRule (no monitoring.coreos.com/v1)\n');
}

describe('the API server accepts', () => {
  const VALUES: Readonly<Record<string, Values>> = {
    'all objects of injection mode webhook': {
      fullnameOverride: 'chart-dry',
      devRedis: { enabled: true },
      networkPolicy: { enabled: true },
      policies: { sessions: { idle: '5m' } },
    },
    'all objects of injection mode mutating-policy': {
      fullnameOverride: 'chart-dry',
      injectionMode: 'mutating-policy',
    },
    ...THIRD_PARTY_VALUES,
  };

  test.each(Object.entries(VALUES))('%s with Pod Security restricted and without a warning', async (_name, values) => {
    const namespace = await cluster.namespace({ labels: { 'pod-security.kubernetes.io/warn': 'restricted' } });
    const manifests = render(values).map((manifest) => inNamespace(manifest, namespace));
    expect(manifests.length).toBeGreaterThan(5);
    for (const manifest of manifests) {
      const { code, message, warnings } = await objects.dryRun(manifest);
      const name = `${manifest.kind}/${manifest.metadata.name}`;
      expect({ name, code, message, warnings }).toEqual({ name, code: 201, message: '', warnings: [] });
    }
  });
});

/** Smallest container that the policies recognize as a sidecar. */
const SIDECAR = { name: 'pannier', image: 'a:1', env: [{ name: 'PANNIER_GRPC_ADDRESS', value: '127.0.0.1:9470' }] };

describe('injection mode webhook without an injector', () => {
  let plain = '';
  beforeAll(async () => {
    plain = await cluster.namespace({ labels: { [TEST_LABEL]: 'away' } });
    await createPolicies(objects, { fullnameOverride: 'chart-away' }, { [TEST_LABEL]: 'away' });
    await waitInCluster('the policy in effect', async () => (await refusal(plain, pod({ [INJECT]: 'true' }))) !== '');
  });

  test('rejects a pod that requests injection and names the cause', async () => {
    expect(await refusal(plain, pod({ [INJECT]: 'true' }))).toContain(
      'cannot inject Pannier: the injector did not answer; check that Deployment chart-away-injector in namespace pannier-system is available (the controller of the pod retries)',
    );
  });

  test('admits a pod that does not request injection, and one that has its sidecar', async () => {
    expect(await refusal(plain, pod({}))).toBe('');
    expect(await refusal(plain, pod({ [INJECT]: 'false' }))).toBe('');
    expect(await refusal(plain, pod({ [INJECT]: 'true' }, { initContainers: [SIDECAR] }))).toBe('');
    expect(
      await refusal(plain, { metadata: { name: 'bare' }, spec: { containers: [{ name: 'app', image: 'a:1' }] } }),
    ).toBe('');
  });

  test('does not accept a container that only has the name of the sidecar', async () => {
    const foreign = { containers: [{ name: 'pannier', image: 'a:1' }] };
    expect(await refusal(plain, pod({ [INJECT]: 'true' }, foreign))).toContain(
      'cannot inject Pannier: a container named pannier is not the sidecar; rename it',
    );
    expect(await refusal(plain, pod({}, foreign))).toBe('');
  });

  test('rejects invalid values and misspelt annotations', async () => {
    const wrong = cluster.namespace({ labels: { [TEST_LABEL]: 'away', [INJECT]: 'yes' } });
    await expect(wrong.then(() => '', refusalText)).resolves.toContain(
      "label pannier.dev/inject of the namespace is 'yes'",
    );
    expect(await refusal(plain, pod({ [INJECT]: 'yes' }))).toContain(
      "annotation pannier.dev/inject is 'yes'; set it to 'true' or 'false'",
    );
    expect(await refusal(plain, pod({ 'pannier.dev/injekt': 'true' }))).toContain(
      "annotation pannier.dev/injekt has no effect without pannier.dev/inject; set pannier.dev/inject to 'true' or 'false'",
    );
  });

  test('applies the label of a namespace to its pods', async () => {
    const labelled = await cluster.namespace({ labels: { [TEST_LABEL]: 'away', [INJECT]: 'true' } });
    expect(await refusal(labelled, pod({}))).toContain('the injector did not answer');
    expect(await refusal(labelled, pod({ [INJECT]: 'false' }))).toBe('');
  });

  test('rejects a namespace with the annotation but no label, and the pods of an older one', async () => {
    const annotations = { [INJECT]: 'true' };
    const creating = cluster.namespace({ labels: { [TEST_LABEL]: 'away' }, annotations });
    await expect(creating.then(() => '', refusalText)).resolves.toContain('but no equal label; set the label too');
    // The policy ignores this namespace until the namespace has the label of this test.
    const before = await cluster.namespace({ annotations });
    await label(before, { [TEST_LABEL]: 'away' });
    expect(await refusal(before, pod({}))).toContain(
      `kubectl label --overwrite namespace ${before} pannier.dev/inject=true`,
    );
    const both = { labels: { [TEST_LABEL]: 'away', [INJECT]: 'true' }, annotations };
    await expect(cluster.namespace(both)).resolves.toBeDefined();
    const wrong = cluster.namespace({ labels: { [TEST_LABEL]: 'away' }, annotations: { [INJECT]: 'on' } });
    await expect(wrong.then(() => '', refusalText)).resolves.toContain("is 'on'; set it to 'true' or 'false'");
  });
});

describe('injection mode mutating-policy', () => {
  beforeAll(async () => {
    mutated = await cluster.namespace({ labels: { [TEST_LABEL]: 'mutating' } });
    await createPolicies(objects, { ...MUTATING, injectionMode: 'mutating-policy' }, { [TEST_LABEL]: 'mutating' });
    await waitInCluster(
      'the policy in effect',
      async () => (await admitted(mutated, pod({ [INJECT]: 'true' }))).spec?.initContainers,
    );
  });

  const SHAPES: Readonly<Record<string, Pod>> = {
    'a minimal pod': pod({ [INJECT]: 'true' }),
    'a pod with several containers, init containers and volumes': pod(
      { [INJECT]: 'true', team: 'a', 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes': 'tmp' },
      {
        initContainers: [
          { name: 'migrate', image: 'a:1', env: [{ name: 'A', value: '1' }] },
          { name: 'log', image: 'a:1', restartPolicy: 'Always', volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }] },
        ],
        containers: [
          { name: 'one', image: 'a:1', env: [{ name: 'PANNIER_ADDRESS', value: 'mine' }] },
          { name: 'two', image: 'a:1', volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }] },
          {
            name: 'three',
            image: 'a:1',
            env: [
              { name: 'X', value: '$(PANNIER_ADDRESS)' },
              { name: 'PANNIER_SOCKET', value: '' },
            ],
          },
        ],
        volumes: [{ name: 'tmp', emptyDir: {} }],
      },
    ),
    'a pod with annotations that injection would add': pod({
      [INJECT]: 'true',
      'kubectl.kubernetes.io/default-container': 'app',
      'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes': 'tmp, pannier-socket',
    }),
    'a pod of a Job': pod({ [INJECT]: 'true' }, { restartPolicy: 'Never' }),
  };

  test.each(Object.entries(SHAPES))('changes %s exactly as the injector does', async (_name, given) => {
    const { expected, made } = await bothWays(given);
    expect(made).toEqual(expected);
  });

  test('changes the pods of the golden files exactly as the injector does', async () => {
    let compared = 0;
    for (const [file, given] of goldenPods()) {
      const both = await bothWays(given).catch(() => undefined);
      if (both !== undefined) {
        compared += 1;
        expect({ file, ...both.made }).toEqual({ file, ...both.expected });
      }
    }
    // The API server or the injector rejects the other pods as invalid.
    expect(compared).toBeGreaterThanOrEqual(20);
  });

  test('injects into pods of namespaces that request it by label or annotation', async () => {
    for (const metadata of [{ labels: { [INJECT]: 'true' } }, { annotations: { [INJECT]: 'true' } }]) {
      const namespace = await cluster.namespace({
        ...metadata,
        labels: { [TEST_LABEL]: 'mutating', ...metadata.labels },
      });
      const made = await admitted(namespace, pod({}));
      expect(made.spec?.initContainers?.map(({ name }) => name)).toEqual(['pannier']);
      const left = await admitted(namespace, pod({ [INJECT]: 'false' }));
      expect(left.spec?.initContainers).toBeUndefined();
    }
  });

  test('leaves pods unchanged that do not request injection or have their sidecar', async () => {
    expect((await admitted(mutated, pod({}))).metadata?.labels).toBeUndefined();
    const once = await admitted(mutated, pod({ [INJECT]: 'true' }));
    const twice = await admitted(mutated, once);
    expect(twice.spec).toEqual(once.spec);
  });

  test('rejects pods that this injection mode does not support', async () => {
    expect(await refusal(mutated, pod({ [INJECT]: 'true', 'pannier.dev/log-level': 'debug' }))).toContain(
      'annotation pannier.dev/log-level is not supported with injection mode mutating-policy; remove it',
    );
    expect(await refusal(mutated, pod({ [INJECT]: 'true' }, { hostNetwork: true }))).toContain('hostNetwork is true');
    expect(await refusal(mutated, pod({ [INJECT]: 'yes' }))).toContain("; set it to 'true' or 'false'");
    const taken = { name: 'app', image: 'a:1', ports: [{ containerPort: 9_470 }] };
    expect(await refusal(mutated, pod({ [INJECT]: 'true' }, { containers: [taken] }))).toContain(
      'port 9470 is a port of container app; use another port',
    );
    const volumes = [{ name: 'pannier-socket', emptyDir: {} }];
    expect(await refusal(mutated, pod({ [INJECT]: 'true' }, { volumes }))).toContain(
      "volume pannier-socket is not the sidecar's; rename it",
    );
    const mounting = { name: 'app', image: 'a:1', volumeMounts: [{ name: 'mine', mountPath: '/run/pannier' }] };
    const mounts = { containers: [mounting], volumes: [{ name: 'mine', emptyDir: {} }] };
    expect(await refusal(mutated, pod({ [INJECT]: 'true' }, mounts))).toContain(
      'container app mounts its own volume at /run/pannier; use another mount path',
    );
    const windows = { nodeSelector: { 'kubernetes.io/os': 'windows' } };
    expect(await refusal(mutated, pod({ [INJECT]: 'true' }, windows))).toContain(
      'the operating system of the pod is windows (spec.nodeSelector); use linux',
    );
  });
});

interface BothWays {
  readonly expected: Pick<Pod, 'spec'> & { readonly annotations: unknown; readonly labels: unknown };
  readonly made: BothWays['expected'];
}

/** Returns the pods that the injector and the API server produce. Rejects if either of them rejects the pod. */
async function bothWays(given: Pod): Promise<BothWays> {
  const configMap = find(render(MUTATING), 'ConfigMap', 'chart-mutating-injector-config');
  const parsed = parseSidecarConfig(String(at(configMap, 'data')?.['injector.yaml' as never]));
  if ('problems' in parsed) {
    throw new Error(JSON.stringify(parsed.problems));
  }
  // An admission webhook receives the pod with the defaults of the API server.
  const defaulted = await admitted(mutated, withInject(given, 'false'));
  const injection = injectPod({
    pod: withInject(defaulted, 'true'),
    namespaceLabels: {},
    namespaceAnnotations: {},
    config: parsed.config,
    kubelets: { oldestMinor: undefined },
    hasServiceAccountFields: true,
    version: CHART_VERSION,
  });
  if (injection.kind !== 'inject') {
    throw new Error(JSON.stringify(injection));
  }
  // The second admission adds only the defaults of the fields that the injector has added.
  const parts = ({ metadata, spec }: Pod): BothWays['made'] => ({
    spec: spec ?? {},
    annotations: withSortedNotes(metadata?.annotations),
    labels: metadata?.labels,
  });
  const expected = parts(await admitted(mutated, injection.pod));
  return { expected, made: parts(await admitted(mutated, withInject(given, 'true'))) };
}

/** Sorts the entries of pannier.dev/kept, whose order has no meaning. */
function withSortedNotes(annotations: Readonly<Record<string, string>> | undefined): unknown {
  const notes = annotations?.['pannier.dev/kept'];
  return notes === undefined ? annotations : { ...annotations, 'pannier.dev/kept': notes.split(',').sort() };
}

/** Returns the pods of the golden files that have no Pannier annotation except pannier.dev/inject. */
function goldenPods(): [string, Pod][] {
  const directory = join(repositoryRoot, 'test/injection/cases');
  const files = readdirSync(directory).filter((file) => /^[a-z0-9-]+\.(yaml|json)$/.test(file));
  return files.flatMap((file) => {
    const read = readValues(readFileSync(join(directory, file), 'utf8'));
    const workloads = 'values' in read ? read.values.flatMap((value) => workloadsIn(value)) : [];
    return workloads
      .map(({ pod: { metadata, spec } }): Pod => {
        const name = { name: 'app' };
        return { metadata: { ...metadata, ...name }, spec: { ...spec, automountServiceAccountToken: false } };
      })
      .filter(({ metadata }) => {
        const own = Object.keys(metadata?.annotations ?? {}).filter((key) => key.startsWith('pannier.dev/'));
        return own.every((key) => key === INJECT);
      })
      .map((found): [string, Pod] => [file, found]);
  });
}

function withInject(given: Pod, value: string): Pod {
  return {
    ...given,
    metadata: { ...given.metadata, annotations: { ...given.metadata?.annotations, [INJECT]: value } },
  };
}

function pod(annotations: Record<string, string>, spec: Partial<Pod['spec']> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'app', annotations },
    // Without this field, the API server would add a token volume with a random name.
    spec: { automountServiceAccountToken: false, containers: [{ name: 'app', image: 'a:1' }], ...spec },
  };
}

/** Returns the pod as the API server would store it. Throws if the API server rejects the pod. */
async function admitted(namespace: string, given: Pod): Promise<Pod> {
  const { code, message, object } = await objects.dryRun(podManifest(namespace, given));
  if (code !== 201) {
    throw new Error(`cannot create the pod: ${message}`);
  }
  return object as Pod;
}

/** Returns the message of a rejection, or '' if the API server admits the pod. */
async function refusal(namespace: string, given: Pod): Promise<string> {
  const { code, message } = await objects.dryRun(podManifest(namespace, given));
  return code === 201 ? '' : message;
}

function podManifest(namespace: string, given: Pod): Manifest {
  const { name = 'app', labels, annotations } = given.metadata ?? {};
  const metadata = {
    name,
    namespace,
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: given.spec };
}

async function label(namespace: string, labels: Record<string, string>): Promise<void> {
  const current = await cluster.core.readNamespace({ name: namespace });
  const metadata = { ...current.metadata, labels: { ...current.metadata?.labels, ...labels } };
  await cluster.core.replaceNamespace({ name: namespace, body: { ...current, metadata } });
}

function inNamespace(manifest: Manifest, namespace: string): Manifest {
  const hasNone = manifest.metadata.namespace === undefined;
  return hasNone ? manifest : { ...manifest, metadata: { ...manifest.metadata, namespace } };
}
