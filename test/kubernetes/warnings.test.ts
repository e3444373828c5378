/**
 * Tests the warnings that the chart's policy prints when a workload is applied. The API server evaluates the policy for
 * each value of the table of annotations. All workloads are created in dry runs, except one without replicas.
 */
import { matchesForm } from '../../scripts/annotation-warnings.ts';
import { ANNOTATIONS, type AnnotationRow } from '../../src/injection/annotations.ts';
import { injectPod } from '../../src/injection/inject-pod.ts';
import type { Pod } from '../../src/injection/pod.ts';
import { defaultSidecarConfig } from '../../src/injection/sidecar-config.ts';
import { ANNOTATION_VALUES } from '../support/kubernetes/annotation-values.ts';
import { installedCluster, PREPARE_MS, RELEASE_NAMESPACE } from '../support/kubernetes/chart.ts';
import type { TestCluster } from '../support/kubernetes/cluster.ts';
import { type Manifest, render } from '../support/kubernetes/helm.ts';
import { KubernetesObjects } from '../support/kubernetes/objects.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';

const INJECT = 'pannier.dev/inject';
const POLICY = 'pannier-workloads';
const ROWS: readonly AnnotationRow[] = ANNOTATIONS;

let cluster: TestCluster;
let objects: KubernetesObjects;
let namespace = '';

beforeAll(async () => {
  objects = new KubernetesObjects();
  ({ cluster, namespace } = await installedCluster());
  await waitInCluster('warnings', async () => (await warningsOf(workload({ [INJECT]: 'yes' }))).length > 0);
}, PREPARE_MS);

afterAll(async () => {
  await objects?.close();
  await cluster?.close();
});

type Annotations = Readonly<Record<string, string>>;

interface WorkloadParts {
  readonly kind?: string;
  readonly spec?: object;
  readonly metadata?: object;
  readonly labels?: Annotations;
}

/** Returns a workload with these annotations in its pod template. */
function workload(annotations: Annotations, parts: WorkloadParts = {}): Manifest {
  const { kind = 'Deployment', spec, metadata, labels } = parts;
  const isJob = kind === 'Job' || kind === 'CronJob';
  const template = {
    metadata: { labels: { app: 'shop', ...labels }, annotations },
    spec: { containers: [{ name: 'shop', image: 'shop:1' }], ...(isJob ? { restartPolicy: 'Never' } : {}), ...spec },
  };
  const selector = { matchLabels: { app: 'shop' } };
  const specs: Readonly<Record<string, object>> = {
    Deployment: { selector, replicas: 0, template },
    StatefulSet: { selector, serviceName: 'shop', template },
    DaemonSet: { selector, template },
    Job: { template },
    CronJob: { schedule: '0 0 1 1 *', jobTemplate: { spec: { template } } },
  };
  const apiVersion = isJob ? 'batch/v1' : 'apps/v1';
  return { apiVersion, kind, metadata: { name: 'shop', namespace, ...metadata }, spec: specs[kind] };
}

/** Returns the warnings of a policy about a workload, without the name of the policy. */
async function warningsOf(manifest: Manifest, policy = POLICY, replaces = false): Promise<string[]> {
  const { code, message, warnings } = await objects.dryRun(manifest, { replaces });
  expect({ code: Math.floor(code / 100), message }).toEqual({ code: 2, message: '' });
  const prefix = `Validation failed for ValidatingAdmissionPolicy '${policy}' with binding '${policy}': `;
  return warnings.filter((text) => text.startsWith(prefix)).map((text) => text.slice(prefix.length));
}

const KINDS = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob'];

describe.each(KINDS)('a %s', (kind) => {
  const place = `${kind === 'CronJob' ? 'spec.jobTemplate.spec.template' : 'spec.template'}.metadata.annotations`;

  test('without an annotation, or with one that is right, has no warning', async () => {
    expect(await warningsOf(workload({}, { kind }))).toEqual([]);
    expect(await warningsOf(workload({ [INJECT]: 'true', 'pannier.dev/scope': 'shop' }, { kind }))).toEqual([]);
  });

  test('with the annotation outside its pod template has a warning that names the place', async () => {
    const metadata = { annotations: { [INJECT]: 'true' } };
    const text = `cannot inject Pannier: annotation ${INJECT} has no effect on a ${kind}, only on its pod template; set it in ${place}`;
    expect(await warningsOf(workload({}, { kind, metadata }))).toEqual([text]);
    expect(await warningsOf(workload({ [INJECT]: 'true' }, { kind, metadata }))).toEqual([]);
  });

  test('with a label instead of the annotation has a warning', async () => {
    const text = `cannot inject Pannier: label ${INJECT} has no effect, because a pod requests injection with an annotation; set it in ${place}`;
    const labels = { [INJECT]: 'true' };
    expect(await warningsOf(workload({}, { kind, labels }))).toEqual([text]);
    expect(await warningsOf(workload({}, { kind, metadata: { labels } }))).toEqual([text]);
  });
});

test('a Job that a CronJob creates repeats none of the warnings of the CronJob', async () => {
  const owner = { apiVersion: 'batch/v1', kind: 'CronJob', name: 'shop', uid: '00000000-0000-4000-8000-000000000000' };
  const misplaced = { annotations: { [INJECT]: 'true' } };
  const owned = (controller: boolean): Manifest =>
    workload({}, { kind: 'Job', metadata: { ...misplaced, ownerReferences: [{ ...owner, controller }] } });
  expect(await warningsOf(owned(true))).toEqual([]);
  expect(await warningsOf(owned(false))).toHaveLength(1);
});

test('the template of the jobs of a CronJob is another wrong place', async () => {
  const manifest = workload({}, { kind: 'CronJob' });
  Object.assign((manifest.spec as { jobTemplate: object }).jobTemplate, {
    metadata: { annotations: { [INJECT]: 'true' } },
  });
  expect(await warningsOf(manifest)).toEqual([
    expect.stringContaining('only on its pod template; set it in spec.jobTemplate.spec.template.metadata.annotations'),
  ]);
});

describe('the value of an annotation', () => {
  test.each(ROWS.map((row) => [row.name, row] as const))('%s: its example has no warning', async (name, row) => {
    expect(await warningsOf(workload({ [INJECT]: 'true', [`pannier.dev/${name}`]: row.example }))).toEqual([]);
  });

  test('has a warning exactly if it lacks the form that the parser accepts', async () => {
    // The API server shortens warnings whose total length exceeds 4096, so that each workload has few annotations.
    const groups = Array.from({ length: Math.ceil(ROWS.length / 6) }, (_, index) =>
      ROWS.slice(index * 6, index * 6 + 6).filter(({ name }) => name !== 'inject'),
    );
    for (const value of ANNOTATION_VALUES) {
      for (const rows of groups) {
        const values = rows.map(({ name }) => [`pannier.dev/${name}`, value]);
        const found = await warningsOf(workload({ ...Object.fromEntries(values), [INJECT]: 'true' }));
        const warned = rows.filter(({ name }) =>
          found.some((text) => text.startsWith(`cannot inject Pannier: annotation pannier.dev/${name} is `)),
        );
        const expected = rows.filter(({ kind }) => !matchesForm(kind.form, value));
        expect({ value, names: warned.map(({ name }) => name) }).toEqual({
          value,
          names: expected.map(({ name }) => name),
        });
      }
    }
  }, 300_000);

  test('is named together with the accepted values', async () => {
    expect(await warningsOf(workload({ [INJECT]: 'true', 'pannier.dev/grpc-port': '80' }))).toEqual([
      "cannot inject Pannier: annotation pannier.dev/grpc-port is '80'; set it to an integer from 1024 to 65535",
    ]);
    expect(await warningsOf(workload({ [INJECT]: 'yes' }))).toEqual([
      `cannot inject Pannier: annotation ${INJECT} is 'yes'; set it to "true" or "false"`,
    ]);
  });

  test('is shown on one line, shortened, and never with a password', async () => {
    const scope = `a\nb${'x'.repeat(200)}`;
    const values = { 'pannier.dev/scope': scope, 'pannier.dev/redis-url': 'http://u:hunter2@h' };
    const found = await warningsOf(
      workload({ [INJECT]: 'true', ...values, 'pannier.dev/policies': 'x://u:hunter2@h' }),
    );
    expect(found).toHaveLength(3);
    expect(found.join()).toContain(`pannier.dev/scope is 'a b${'x'.repeat(77)}...'; set it to`);
    expect(found.join()).not.toContain('hunter2');
  });
});

describe('a template that', () => {
  const requested = { [INJECT]: 'true' };
  const containersWith = (parts: object): object => ({ containers: [{ name: 'shop', image: 'shop:1', ...parts }] });

  test.each([
    [
      'has an unknown annotation',
      { ...requested, 'pannier.dev/log-levl': 'info' },
      {},
      'pannier.dev/log-levl is unknown; use pannier.dev/ followed by one of inject, image, ',
    ],
    [
      'does not request injection',
      { 'pannier.dev/scope': 'shop' },
      {},
      "annotation pannier.dev/scope has no effect without pannier.dev/inject; set pannier.dev/inject to 'true' or 'false' in spec.template.metadata.annotations",
    ],
    [
      'misspells the annotation',
      { 'pannier.dev/injekt': 'true' },
      {},
      'annotation pannier.dev/injekt is unknown; use pannier.dev/ followed by',
    ],
    [
      'has hostNetwork without ports',
      requested,
      { hostNetwork: true },
      'hostNetwork is true, so the ports of the pod are ports of its node; set annotations',
    ],
    [
      'runs on Windows',
      requested,
      { nodeSelector: { 'kubernetes.io/os': 'windows' } },
      'the operating system of the pods is windows (spec.nodeSelector); use linux',
    ],
    [
      'has a container with the name of the sidecar',
      requested,
      { containers: [{ name: 'pannier', image: 'a:1' }] },
      'a container named pannier is not the sidecar; rename it',
    ],
    [
      'uses a port of the sidecar',
      requested,
      containersWith({ ports: [{ containerPort: 9_471 }] }),
      'port 9471 is a port of container shop; set annotation pannier.dev/grpc-port or pannier.dev/admin-port to another port',
    ],
    [
      'uses the annotated port',
      { ...requested, 'pannier.dev/grpc-port': '8080' },
      containersWith({ ports: [{ containerPort: 8_080 }] }),
      'port 8080 is a port of container shop',
    ],
    [
      'uses one port twice',
      { ...requested, 'pannier.dev/grpc-port': '9471' },
      {},
      'the gRPC port and the admin port are both 9471; set',
    ],
    [
      'mounts a volume at the place of the socket',
      requested,
      {
        ...containersWith({ volumeMounts: [{ name: 'own', mountPath: '/run/pannier' }] }),
        volumes: [{ name: 'own', emptyDir: {} }],
      },
      'container shop mounts its own volume at /run/pannier; use another mount path',
    ],
    [
      'mounts a volume that contains the place of the socket',
      requested,
      {
        ...containersWith({ volumeMounts: [{ name: 'own', mountPath: '/run' }] }),
        volumes: [{ name: 'own', hostPath: { path: '/run' } }],
      },
      'container shop mounts its own volume at /run, which contains /run/pannier; use another mount path',
    ],
  ])('%s has one warning', async (_name, annotations, spec, text) => {
    expect(await warningsOf(workload(annotations as unknown as Annotations, { spec }))).toEqual([
      expect.stringContaining(`cannot inject Pannier: `),
    ]);
    const [found] = await warningsOf(workload(annotations as unknown as Annotations, { spec }));
    expect(found).toContain(text);
    expect(await warningsOf(workload({ [INJECT]: 'false' }, { spec }))).toEqual([]);
  });

  test('avoids these conflicts has no warning', async () => {
    const ports = {
      'pannier.dev/grpc-port': '19470',
      'pannier.dev/admin-port': '19471',
      'pannier.dev/socket': 'false',
    };
    const own = { ports: [{ containerPort: 9_470 }, { containerPort: 19_471, protocol: 'UDP' }] };
    const mount = { volumeMounts: [{ name: 'own', mountPath: '/run/pannier' }] };
    const spec = { ...containersWith({ ...own, ...mount }), volumes: [{ name: 'own', emptyDir: {} }] };
    expect(await warningsOf(workload({ ...requested, ...ports }, { spec }))).toEqual([]);
    expect(await warningsOf(workload({ ...requested, ...ports }, { spec: { hostNetwork: true } }))).toEqual([]);
  });

  test('would keep the pods of a Job from completing has one warning', async () => {
    const plain = { ...requested, 'pannier.dev/native': 'false' };
    expect(await warningsOf(workload(plain, { kind: 'Job' }))).toEqual([
      expect.stringContaining("set annotation pannier.dev/native to 'true'"),
    ]);
    expect(await warningsOf(workload(plain))).toEqual([]);
  });

  test('was injected offline has no warning', async () => {
    const pod: Pod = {
      metadata: { annotations: requested },
      spec: { containers: [{ name: 'shop', image: 'shop:1' }] },
    };
    const kubelets = { oldestMinor: 34 };
    const config = defaultSidecarConfig('pannier:1');
    const injection = injectPod({ pod, namespaceLabels: {}, namespaceAnnotations: {}, config, kubelets });
    const injected = injection.kind === 'inject' ? injection.pod : {};
    const { annotations = {}, labels = {} } = injected.metadata ?? {};
    expect(await warningsOf(workload(annotations, { labels, spec: injected.spec ?? {} }))).toEqual([]);
  });
});

describe('a namespace', () => {
  test('that requests injection makes the conflicts of a template without annotations visible', async () => {
    const labelled = await cluster.namespace({ labels: { [INJECT]: 'true' } });
    const inLabelled = (annotations: Annotations, spec: object): Manifest =>
      workload(annotations, { spec, metadata: { namespace: labelled } });
    expect(await warningsOf(inLabelled({}, {}))).toEqual([]);
    expect(await warningsOf(inLabelled({ 'pannier.dev/scope': 'shop' }, {}))).toEqual([]);
    expect(await warningsOf(inLabelled({}, { hostNetwork: true }))).toEqual([
      expect.stringContaining('hostNetwork is true'),
    ]);
    expect(await warningsOf(inLabelled({ [INJECT]: 'false' }, { hostNetwork: true }))).toEqual([]);
  });

  test('that is excluded from injection has a warning only for a template that requests it', async () => {
    const metadata = { namespace: RELEASE_NAMESPACE };
    expect(await warningsOf(workload({ [INJECT]: 'true' }, { metadata }))).toEqual([
      expect.stringContaining(`namespace ${RELEASE_NAMESPACE} is excluded from injection; use another namespace`),
    ]);
    expect(await warningsOf(workload({ 'pannier.dev/scope': 'a b' }, { metadata }))).toEqual([]);
  });
});

test('an update has warnings only if it changes the template or an annotation', async () => {
  const misplaced = { annotations: { [INJECT]: 'true' } };
  const manifest = workload({ 'pannier.dev/scope': 'a b' }, { metadata: misplaced });
  await objects.create(manifest);
  const updated = async (parts: { spec?: object; metadata?: object; template?: Annotations }): Promise<number> => {
    const changed = workload(parts.template ?? { 'pannier.dev/scope': 'a b' }, { metadata: misplaced });
    Object.assign(changed.spec as object, parts.spec);
    Object.assign(changed.metadata, parts.metadata);
    return (await warningsOf(changed, POLICY, true)).length;
  };
  expect(await updated({ spec: { replicas: 3, paused: true } })).toBe(0);
  expect(await updated({ metadata: { annotations: { ...misplaced.annotations, team: 'a' } } })).toBe(0);
  expect(await updated({ metadata: { annotations: { [INJECT]: 'yes' } } })).toBe(3);
  expect(await updated({ metadata: { labels: { [INJECT]: 'true' } } })).toBe(4);
  expect(await updated({ template: { 'pannier.dev/scope': 'a c' } })).toBe(3);
});

describe('injection mode mutating-policy', () => {
  const name = 'pannier-workloads-mutating';

  beforeAll(async () => {
    const label = { 'pannier-warnings-test': 'mutating' };
    namespace = await cluster.namespace({ labels: label });
    const policies = render({ injectionMode: 'mutating-policy' }).filter(({ metadata }) => metadata.name === POLICY);
    for (const policy of policies) {
      const spec = policy.spec as { policyName?: string; matchConstraints?: { namespaceSelector: object } };
      Object.assign(policy.metadata, { name });
      Object.assign(spec, spec.policyName === undefined ? {} : { policyName: name });
      Object.assign(spec.matchConstraints?.namespaceSelector ?? {}, { matchLabels: label });
      await objects.create(policy);
    }
    await waitInCluster('warnings', async () => (await warningsOf(workload({ [INJECT]: 'yes' }), name)).length > 0);
  });

  test('has a warning for annotations and pods that this mode does not support', async () => {
    const found = async (annotations: Annotations, spec: object = {}): Promise<string[]> =>
      await warningsOf(workload(annotations, { spec }), name);
    expect(await found({ [INJECT]: 'true' })).toEqual([]);
    expect(await found({ [INJECT]: 'true', 'pannier.dev/log-level': 'debug' })).toEqual([
      'cannot inject Pannier: annotation pannier.dev/log-level is not supported with injection mode mutating-policy; remove it, or install the chart with injection mode webhook',
    ]);
    expect(await found({ [INJECT]: 'yes' })).toEqual([
      expect.stringContaining("is 'yes'; set it to 'true' or 'false'"),
    ]);
    expect(await found({ [INJECT]: 'true' }, { hostNetwork: true })).toEqual([
      expect.stringContaining('hostNetwork is true; set it to false'),
    ]);
    const taken = { containers: [{ name: 'shop', image: 'shop:1', ports: [{ containerPort: 9_470 }] }] };
    expect(await found({ [INJECT]: 'true' }, taken)).toEqual([
      expect.stringContaining('port 9470 is a port of container shop; use another port'),
    ]);
  });
});
