/**
 * The chart's objects on a real API server: it takes every one of them strictly, its admission policies refuse what they should in the
 * words that they should, and `injectionMode: mutating-policy` makes of a pod what the injector makes of it.
 *
 * The policies are bound to namespaces of this test alone, so that nothing else on the cluster notices.
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
import { waitInCluster } from '../support/kubernetes/wait.ts';
import { repositoryRoot } from '../support/repository.ts';

const TEST_LABEL = 'pannier-chart-test';
const INJECT = 'pannier.dev/inject';
const CHART_VERSION = '0.1.0';
const MUTATING: Values = { fullnameOverride: 'chart-mutating', devRedis: { enabled: true } };
let cluster: TestCluster;
let objects: KubernetesObjects;
/** A namespace with injection mode mutating-policy. */
let mutated = '';

beforeAll(async () => {
  cluster = new TestCluster();
  objects = new KubernetesObjects();
  // An injector that answers would do what these policies are to do, or to miss. The next suite installs it again.
  await helmOnCluster(['uninstall', 'pannier', '--ignore-not-found', '--wait']);
  await waitInCluster('nobody injecting or refusing', async () => {
    const { spec } = await admitted('default', pod({ [INJECT]: 'true' }));
    return spec?.initContainers === undefined;
  });
});

afterAll(async () => {
  await objects.close();
  await cluster.close();
});

/** Values that make kinds of other projects, where the cluster knows those. */
const OF_OTHERS: Record<string, Values> = {};
const others = new TestCluster();
if (await others.serves('cert-manager.io', 'v1')) {
  OF_OTHERS['certificates by cert-manager'] = {
    fullnameOverride: 'chart-dry',
    certificates: { mode: 'cert-manager' },
  };
} else {
  process.stderr.write('NOT RUN: Certificate and Issuer (the cluster does not serve cert-manager.io/v1)\n');
}
if (await others.serves('monitoring.coreos.com', 'v1')) {
  const enabled = { enabled: true, labels: { release: 'prometheus' } };
  OF_OTHERS['what is scraped, and alerts'] = {
    fullnameOverride: 'chart-dry',
    serviceMonitor: enabled,
    podMonitor: enabled,
    prometheusRule: enabled,
  };
} else {
  process.stderr.write('NOT RUN: ServiceMonitor, PodMonitor and PrometheusRule (no monitoring.coreos.com/v1)\n');
}

describe('the API server takes', () => {
  const VALUES: Readonly<Record<string, Values>> = {
    'everything with the webhook': {
      fullnameOverride: 'chart-dry',
      devRedis: { enabled: true },
      networkPolicy: { enabled: true },
      policies: { sessions: { idle: '5m' } },
    },
    'everything with injection mode mutating-policy': {
      fullnameOverride: 'chart-dry',
      injectionMode: 'mutating-policy',
    },
    ...OF_OTHERS,
  };

  test.each(Object.entries(VALUES))('%s, with Pod Security restricted and no warning', async (_name, values) => {
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

/** What marks the sidecar as ours. */
const SIDECAR = { name: 'pannier', image: 'a:1', env: [{ name: 'PANNIER_GRPC_ADDRESS', value: '127.0.0.1:9470' }] };

describe('with the webhook and no injector', () => {
  let plain = '';
  beforeAll(async () => {
    plain = await cluster.namespace({ labels: { [TEST_LABEL]: 'away' } });
    await makePolicies({ fullnameOverride: 'chart-away' }, 'away');
    await waitInCluster(
      'the policy being in force',
      async () => (await refusal(plain, pod({ [INJECT]: 'true' }))) !== '',
    );
  });

  test('a pod that asks is refused with the reason', async () => {
    expect(await refusal(plain, pod({ [INJECT]: 'true' }))).toContain(
      'cannot inject Pannier: the injector did not answer, wanted Deployment chart-away-injector in namespace pannier-system to be available; whoever made this pod tries again',
    );
  });

  test('a pod that does not ask is admitted, and one that has its sidecar', async () => {
    expect(await refusal(plain, pod({}))).toBe('');
    expect(await refusal(plain, pod({ [INJECT]: 'false' }))).toBe('');
    expect(await refusal(plain, pod({ [INJECT]: 'true' }, { initContainers: [SIDECAR] }))).toBe('');
    expect(
      await refusal(plain, { metadata: { name: 'bare' }, spec: { containers: [{ name: 'app', image: 'a:1' }] } }),
    ).toBe('');
  });

  test('a container that only bears the name is no sidecar', async () => {
    const stranger = { containers: [{ name: 'pannier', image: 'a:1' }] };
    expect(await refusal(plain, pod({ [INJECT]: 'true' }, stranger))).toContain(
      'a container is called pannier and is not the sidecar, wanted another name',
    );
    expect(await refusal(plain, pod({}, stranger))).toBe('');
  });

  test('typing errors are not silent', async () => {
    const wrong = cluster.namespace({ labels: { [TEST_LABEL]: 'away', [INJECT]: 'yes' } });
    await expect(wrong.then(() => '', refusalText)).resolves.toContain(
      "label pannier.dev/inject of the namespace is 'yes'",
    );
    expect(await refusal(plain, pod({ [INJECT]: 'yes' }))).toContain(
      "annotation pannier.dev/inject is 'yes', wanted 'true' or 'false'",
    );
    expect(await refusal(plain, pod({ 'pannier.dev/injekt': 'true' }))).toContain(
      'annotation pannier.dev/injekt is there without pannier.dev/inject',
    );
  });

  test('a namespace that asks by its label asks for its pods', async () => {
    const labelled = await cluster.namespace({ labels: { [TEST_LABEL]: 'away', [INJECT]: 'true' } });
    expect(await refusal(labelled, pod({}))).toContain('the injector did not answer');
    expect(await refusal(labelled, pod({ [INJECT]: 'false' }))).toBe('');
  });

  test('a namespace with the annotation and not the label is refused, and was there before: its pods are', async () => {
    const annotations = { [INJECT]: 'true' };
    const creating = cluster.namespace({ labels: { [TEST_LABEL]: 'away' }, annotations });
    await expect(creating.then(() => '', refusalText)).resolves.toContain('and not the same label, wanted both');
    // The policy does not see this one until it bears the label of this test.
    const before = await cluster.namespace({ annotations });
    await label(before, { [TEST_LABEL]: 'away' });
    expect(await refusal(before, pod({}))).toContain(
      `kubectl label --overwrite namespace ${before} pannier.dev/inject=true`,
    );
    const both = { labels: { [TEST_LABEL]: 'away', [INJECT]: 'true' }, annotations };
    await expect(cluster.namespace(both)).resolves.toBeDefined();
    const wrong = cluster.namespace({ labels: { [TEST_LABEL]: 'away' }, annotations: { [INJECT]: 'on' } });
    await expect(wrong.then(() => '', refusalText)).resolves.toContain("is 'on', wanted 'true' or 'false'");
  });
});

describe('injection mode mutating-policy', () => {
  beforeAll(async () => {
    mutated = await cluster.namespace({ labels: { [TEST_LABEL]: 'mutating' } });
    await makePolicies({ ...MUTATING, injectionMode: 'mutating-policy' }, 'mutating');
    await waitInCluster(
      'the policy being in force',
      async () => (await admitted(mutated, pod({ [INJECT]: 'true' }))).spec?.initContainers,
    );
  });

  const SHAPES: Readonly<Record<string, Pod>> = {
    'the least pod': pod({ [INJECT]: 'true' }),
    'containers, init containers and volumes of its own': pod(
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
    'what injection would write, written already': pod({
      [INJECT]: 'true',
      'kubectl.kubernetes.io/default-container': 'app',
      'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes': 'tmp, pannier-socket',
    }),
    'a pod of a Job': pod({ [INJECT]: 'true' }, { restartPolicy: 'Never' }),
  };

  test.each(Object.entries(SHAPES))('makes of %s what the injector makes of it', async (_name, given) => {
    const { expected, made } = await bothWays(given);
    expect(made).toEqual(expected);
  });

  test('makes of the shapes of the golden files what the injector makes of them', async () => {
    let compared = 0;
    for (const [file, given] of goldenPods()) {
      const both = await bothWays(given).catch(() => undefined);
      if (both !== undefined) {
        compared += 1;
        expect({ file, ...both.made }).toEqual({ file, ...both.expected });
      }
    }
    // Others are refused by the API server for what they are made of, or by the injector.
    expect(compared).toBeGreaterThanOrEqual(20);
  });

  test('asks a namespace by its label and by its annotation', async () => {
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

  test('leaves alone who does not ask, and who has it', async () => {
    expect((await admitted(mutated, pod({}))).metadata?.labels).toBeUndefined();
    const once = await admitted(mutated, pod({ [INJECT]: 'true' }));
    const twice = await admitted(mutated, once);
    expect(twice.spec).toEqual(once.spec);
  });

  test('refuses what it cannot do', async () => {
    expect(await refusal(mutated, pod({ [INJECT]: 'true', 'pannier.dev/log-level': 'debug' }))).toContain(
      'annotation pannier.dev/log-level is not read with injection mode mutating-policy, wanted pannier.dev/inject alone',
    );
    expect(await refusal(mutated, pod({ [INJECT]: 'true' }, { hostNetwork: true }))).toContain('hostNetwork is true');
    expect(await refusal(mutated, pod({ [INJECT]: 'yes' }))).toContain("wanted 'true' or 'false'");
    const taken = { name: 'app', image: 'a:1', ports: [{ containerPort: 9_470 }] };
    expect(await refusal(mutated, pod({ [INJECT]: 'true' }, { containers: [taken] }))).toContain(
      "port 9470 is container app's, wanted another one",
    );
    const volumes = [{ name: 'pannier-socket', emptyDir: {} }];
    expect(await refusal(mutated, pod({ [INJECT]: 'true' }, { volumes }))).toContain(
      "a volume is called pannier-socket and is not the sidecar's, wanted another name",
    );
    const mounting = { name: 'app', image: 'a:1', volumeMounts: [{ name: 'mine', mountPath: '/run/pannier' }] };
    const mounts = { containers: [mounting], volumes: [{ name: 'mine', emptyDir: {} }] };
    expect(await refusal(mutated, pod({ [INJECT]: 'true' }, mounts))).toContain(
      'container app mounts a volume of its own at /run/pannier, wanted another place',
    );
    const windows = { nodeSelector: { 'kubernetes.io/os': 'windows' } };
    expect(await refusal(mutated, pod({ [INJECT]: 'true' }, windows))).toContain('wanted linux');
  });
});

interface BothWays {
  readonly expected: Pick<Pod, 'spec'> & { readonly annotations: unknown; readonly labels: unknown };
  readonly made: BothWays['expected'];
}

/** What the injector makes of a pod, and what the API server does by itself; rejects where one of them takes no such pod. */
async function bothWays(given: Pod): Promise<BothWays> {
  const configMap = find(render(MUTATING), 'ConfigMap', 'chart-mutating-injector-config');
  const parsed = parseSidecarConfig(String(at(configMap, 'data')?.['injector.yaml' as never]));
  if ('problems' in parsed) {
    throw new Error(JSON.stringify(parsed.problems));
  }
  // The pod as an admission webhook would be shown it: with the API server's defaults.
  const shown = await admitted(mutated, withInject(given, 'false'));
  const injection = injectPod({
    pod: withInject(shown, 'true'),
    namespaceLabels: {},
    namespaceAnnotations: {},
    config: parsed.config,
    kubelets: { oldestMinor: undefined },
    version: CHART_VERSION,
  });
  if (injection.kind !== 'inject') {
    throw new Error(JSON.stringify(injection));
  }
  // And the injector's answer with its defaults, which a second admission fills in without changing it.
  const parts = ({ metadata, spec }: Pod): BothWays['made'] => ({
    spec: spec ?? {},
    annotations: withSortedNotes(metadata?.annotations),
    labels: metadata?.labels,
  });
  const expected = parts(await admitted(mutated, injection.pod));
  return { expected, made: parts(await admitted(mutated, withInject(given, 'true'))) };
}

/** Their order means nothing. */
function withSortedNotes(annotations: Readonly<Record<string, string>> | undefined): unknown {
  const notes = annotations?.['pannier.dev/kept'];
  return notes === undefined ? annotations : { ...annotations, 'pannier.dev/kept': notes.split(',').sort() };
}

/** Pods of the golden files that ask by no other annotation. */
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
        const ours = Object.keys(metadata?.annotations ?? {}).filter((key) => key.startsWith('pannier.dev/'));
        return ours.every((key) => key === INJECT);
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
    // No token, whose volume has another name each time.
    spec: { automountServiceAccountToken: false, containers: [{ name: 'app', image: 'a:1' }], ...spec },
  };
}

/** The pod as it would be stored. */
async function admitted(namespace: string, given: Pod): Promise<Pod> {
  const { code, message, object } = await objects.dryRun(podManifest(namespace, given));
  if (code !== 201) {
    throw new Error(`cannot create the pod: ${message}`);
  }
  return object as Pod;
}

/** The text of a refusal; empty where the pod is admitted. */
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

/** The chart's admission policies and their bindings, for namespaces with the label of this test alone. */
async function makePolicies(values: Values, which: string): Promise<void> {
  const policies = render(values).filter(({ kind }) => /AdmissionPolicy(Binding)?$/.test(kind));
  for (const policy of policies) {
    const spec = policy.spec as { matchConstraints?: { namespaceSelector: object } };
    if (spec.matchConstraints !== undefined) {
      Object.assign(spec.matchConstraints.namespaceSelector, { matchLabels: { [TEST_LABEL]: which } });
    }
    await objects.make(policy);
  }
}
