/**
 * Tests injected pods in unusual surroundings on a real cluster: Services whose variables look like settings, quotas,
 * shared processes, debug containers, a missing Redis, CronJobs, and other injectors.
 *
 * All pods start before the first test, so that they start at the same time.
 */
import type { V1Container, V1Pod } from '@kubernetes/client-node';
import { installedCluster, PREPARE_MS, RELEASE_NAMESPACE, requestingPod } from '../support/kubernetes/chart.ts';
import type { TestCluster } from '../support/kubernetes/cluster.ts';
import { IMAGES, WAITING_CONTAINER } from '../support/kubernetes/images.ts';
import { KubernetesObjects } from '../support/kubernetes/objects.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';

const NODE_IN_SIDECAR = '/nodejs/bin/node';

/** Script that connects to an address and exits with code 0 once it is connected. */
function connectTo(address: string): string {
  return `
const socket = require('node:net').connect(${address});
socket.on('connect', () => process.exit(0));
socket.on('error', (error) => { console.error(error.message); process.exit(1); });`;
}

const TO_SOCKET = connectTo('process.env.PANNIER_SOCKET.slice(5)');

/**
 * Script that prints the error with which the environment of the sidecar cannot be read. The script identifies the
 * sidecar by its command line, and must not itself contain that command line.
 */
const READ_ENVIRONMENT = `
const fs = require('node:fs');
const isSidecar = (id) => {
  try {
    return fs.readFileSync('/proc/' + id + '/cmdline', 'utf8').includes(['main', 'mjs'].join('.'));
  } catch {
    return false;
  }
};
const ids = fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name) && isSidecar(name));
for (const id of ids) {
  try {
    console.log(fs.readFileSync('/proc/' + id + '/environ', 'utf8'));
  } catch (error) {
    console.log(error.code);
  }
}`;

const RESTRICTED = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  runAsUser: 1_000,
  seccompProfile: { type: 'RuntimeDefault' },
};

let cluster: TestCluster;
let objects: KubernetesObjects;
let namespace = '';
let restricted = '';

beforeAll(async () => {
  objects = new KubernetesObjects();
  ({ cluster, namespace } = await installedCluster());
  restricted = await cluster.namespace({ labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } });
  await startAll();
}, PREPARE_MS);

afterAll(async () => {
  await objects?.close();
  await cluster?.close();
});

/** Starts the pod of a test. `spec` replaces fields of a minimal pod. */
async function start(name: string, spec: object, annotations: Record<string, string> = {}): Promise<void> {
  await cluster.createPod(namespace, podOf(name, spec, annotations));
}

function podOf(name: string, spec: object, annotations: Record<string, string> = {}): V1Pod {
  const { metadata, spec: minimal } = requestingPod(name, annotations);
  return { metadata, spec: { ...minimal, terminationGracePeriodSeconds: 1, ...spec } };
}

async function startAll(): Promise<void> {
  // The kubelet adds variables such as PANNIER_PORT and PANNIER_REDIS_SERVICE_HOST to all pods of the namespace.
  for (const name of ['pannier', 'pannier-redis']) {
    const spec = { selector: { app: 'none' }, ports: [{ port: 6_379 }] };
    await cluster.core.createNamespacedService({ namespace, body: { metadata: { name }, spec } });
  }
  const annotations = { 'pannier.dev/inject': 'true' };
  const done = { ...WAITING_CONTAINER, command: ['node', '-e', TO_SOCKET] };
  await cluster.batch.createNamespacedCronJob({
    namespace,
    body: {
      metadata: { name: 'tick' },
      spec: {
        schedule: '* * * * *',
        concurrencyPolicy: 'Forbid',
        jobTemplate: {
          spec: {
            backoffLimit: 0,
            template: { metadata: { annotations }, spec: { restartPolicy: 'Never', containers: [done] } },
          },
        },
      },
    },
  });
  const template = { metadata: { labels: { app: 'web' }, annotations }, spec: { containers: [WAITING_CONTAINER] } };
  await cluster.apps.createNamespacedDeployment({
    namespace,
    body: { metadata: { name: 'web' }, spec: { selector: { matchLabels: { app: 'web' } }, template } },
  });
  await start('early', { initContainers: [{ ...done, name: 'early' }] });
  await start('shared', {
    shareProcessNamespace: true,
    containers: [{ ...WAITING_CONTAINER, securityContext: { runAsUser: 65_532 } }],
  });
  await start('no-redis', {}, { 'pannier.dev/redis-url': 'redis://192.0.2.1:6379' });
  const lock: V1Container = {
    ...WAITING_CONTAINER,
    name: 'lock',
    command: ['node', '-e', 'process.exit(0)'],
    volumeMounts: [{ name: 'lock', mountPath: '/run' }],
  };
  await start('run-volume', { initContainers: [lock], volumes: [{ name: 'lock', emptyDir: {} }] });
  await cluster.createPod(
    restricted,
    podOf('hardened', {
      automountServiceAccountToken: false,
      securityContext: { fsGroup: 2_000 },
      containers: [{ ...WAITING_CONTAINER, securityContext: RESTRICTED }],
    }),
  );
}

test('an init container reaches the sidecar over the unix socket', async () => {
  const pod = await cluster.waitForReady(namespace, 'early');
  expect(pod.status?.initContainerStatuses?.[1]).toMatchObject({
    name: 'early',
    restartCount: 0,
    state: { terminated: { exitCode: 0 } },
  });
});

test('an init container that mounts a volume at /run, such as that of a mesh, does not prevent the start', async () => {
  const pod = await cluster.waitForReady(namespace, 'run-volume');
  expect(pod.spec?.initContainers?.[1]?.volumeMounts?.map(({ mountPath }) => mountPath)).toEqual(
    expect.arrayContaining(['/run', '/run/pannier']),
  );
});

test('Services called pannier and pannier-redis do not change the settings of the sidecar', async () => {
  await cluster.waitForReady(namespace, 'early');
  const script = 'console.log(JSON.stringify(Object.keys(process.env)))';
  const target = { namespace, pod: 'early', container: 'pannier' };
  const { output } = await cluster.run(target, [NODE_IN_SIDECAR, '-e', script]);
  expect(JSON.parse(output)).toEqual(expect.arrayContaining(['PANNIER_PORT', 'PANNIER_REDIS_SERVICE_HOST']));
  expect(await cluster.log(namespace, 'early', 'pannier')).not.toContain('"level":"error"');
});

test('the pod of a Deployment, whose namespace is unknown at admission, has its namespace as scope', async () => {
  const [pod] = await cluster.waitForPods(namespace, 'app=web', 1);
  const target = { namespace, pod: pod?.metadata?.name ?? '', container: 'pannier' };
  const { output } = await cluster.run(target, [NODE_IN_SIDECAR, '-e', 'console.log(process.env.PANNIER_SCOPE)']);
  expect(output.trim()).toBe(namespace);
});

test('with a shared process namespace and the same user id, the environment of the sidecar cannot be read', async () => {
  await cluster.waitForReady(namespace, 'shared');
  const target = { namespace, pod: 'shared', container: 'app' };
  const { output } = await cluster.run(target, ['node', '-e', READ_ENVIRONMENT]);
  expect(output.trim()).toBe('EACCES');
});

test('a sidecar whose Redis is unreachable starts and logs the cause', async () => {
  await cluster.waitForReady(namespace, 'no-redis');
  await waitInCluster('a log line about Redis', async () =>
    (await cluster.log(namespace, 'no-redis', 'pannier')).includes('redis'),
  );
});

describe('where Pod Security restricted is enforced, a pod with fsGroup and without a token', () => {
  test('runs with its sidecar', async () => {
    const pod = await cluster.waitForReady(restricted, 'hardened');
    const mounts = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].flatMap(
      (container) => container.volumeMounts ?? [],
    );
    expect(mounts.filter(({ name }) => name.startsWith('kube-api-access'))).toEqual([]);
  });

  test('accepts a debug container, which reaches the sidecar', async () => {
    const pod = await cluster.waitForReady(restricted, 'hardened');
    const command = ['node', '-e', connectTo('9470, "127.0.0.1"')];
    const debug = { name: 'debug', image: IMAGES.example, command, securityContext: RESTRICTED };
    await cluster.core.replaceNamespacedPodEphemeralcontainers({
      namespace: restricted,
      name: 'hardened',
      body: { ...pod, spec: { ...pod.spec, containers: pod.spec?.containers ?? [], ephemeralContainers: [debug] } },
    });
    const ended = await cluster.waitForPod(restricted, 'hardened', 'debugged', ({ status }) =>
      Boolean(status?.ephemeralContainerStatuses?.[0]?.state?.terminated),
    );
    expect(ended.status?.ephemeralContainerStatuses?.[0]?.state?.terminated?.exitCode).toBe(0);
  });

  test('can be copied together with its sidecar and one more container', async () => {
    const { metadata, spec } = await cluster.waitForReady(restricted, 'hardened');
    const { nodeName: _node, ephemeralContainers: _debug, containers = [], ...copied } = spec ?? { containers: [] };
    const added = { ...WAITING_CONTAINER, name: 'debugger', securityContext: RESTRICTED };
    const { annotations = {}, labels = {} } = metadata ?? {};
    await cluster.createPod(restricted, {
      metadata: { name: 'copy', annotations, labels },
      spec: { ...copied, containers: [...containers, added] },
    });
    const copy = await cluster.waitForReady(restricted, 'copy');
    expect(copy.spec?.initContainers?.map(({ name }) => name)).toEqual(['pannier']);
    expect(copy.spec?.containers[1]?.env?.[0]).toMatchObject({ name: 'PANNIER_ADDRESS' });
  });
});

describe('the injector refuses', () => {
  test('a pod with another volume at the place of the socket', async () => {
    const volumeMounts = [{ name: 'own', mountPath: '/run/pannier' }];
    const containers = [{ ...WAITING_CONTAINER, volumeMounts }];
    const pod = podOf('mounting', { containers, volumes: [{ name: 'own', emptyDir: {} }] });
    expect(await cluster.refusal(namespace, pod)).toContain(
      'cannot inject the pod: container app mounts own at /run/pannier; mount it elsewhere',
    );
  });

  test('a pod in the namespace of the release', async () => {
    expect(await cluster.refusal(RELEASE_NAMESPACE, requestingPod('excluded'))).toContain(
      `cannot inject Pannier: namespace ${RELEASE_NAMESPACE} is excluded from injection; use another namespace`,
    );
  });
});

describe('a quota', () => {
  /** A pod that is never scheduled counts too. */
  const unscheduled = { schedulerName: 'absent' };

  async function quota(body: object): Promise<string> {
    const limited = await cluster.namespace();
    await cluster.core.createNamespacedResourceQuota({
      namespace: limited,
      body: { metadata: { name: 'quota' }, spec: body },
    });
    await waitInCluster('a quota in effect', async () => {
      const { status } = await cluster.core.readNamespacedResourceQuota({ namespace: limited, name: 'quota' });
      return status?.hard !== undefined;
    });
    return limited;
  }

  test('of a PriorityClass counts the sidecar together with the application', async () => {
    const name = 'pannier-test-priority';
    await objects.create({
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name },
      value: 1_000,
    });
    const scopeSelector = { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: [name] }] };
    const limited = await quota({ hard: { 'requests.memory': '1Gi' }, scopeSelector });
    const containers = [{ ...WAITING_CONTAINER, resources: { requests: { memory: '16Mi' } } }];
    await cluster.createPod(limited, podOf('counted', { ...unscheduled, containers, priorityClassName: name }));
    await waitInCluster('the sum of both', async () => {
      const { status } = await cluster.core.readNamespacedResourceQuota({ namespace: limited, name: 'quota' });
      return status?.used?.['requests.memory'] === '112Mi';
    });
  });

  test('of BestEffort pods does not apply to an injected pod, which is Burstable', async () => {
    const limited = await quota({ hard: { pods: '0' }, scopes: ['BestEffort'] });
    const plain: V1Pod = { metadata: { name: 'plain' }, spec: { containers: [{ ...WAITING_CONTAINER }] } };
    await waitInCluster('the quota rejecting', async () =>
      (await cluster.refusal(limited, plain).catch(() => '')).includes('exceeded quota'),
    );
    const pod = await cluster.createPod(limited, podOf('burstable', unscheduled));
    expect(pod.status?.qosClass).toBe('Burstable');
  });
});

describe('another injector that inserts its sidecar in front', () => {
  const mesh = `Object.spec.initContainers{name: "mesh", image: "${IMAGES.example}", restartPolicy: "Always", command: ["node", "-e", "setInterval(() => {}, 1e6)"]}`;
  const HAS_SIDECAR =
    'has(object.spec.initContainers) && object.spec.initContainers.exists(container, container.name == "pannier")';

  /** Creates a policy that adds the container, and returns a namespace in which it applies. */
  async function otherInjector(name: string, condition: string): Promise<string> {
    const label = { 'pannier-other-injector': name };
    const apiVersion = 'admissionregistration.k8s.io/v1beta1';
    await objects.create({
      apiVersion,
      kind: 'MutatingAdmissionPolicy',
      metadata: { name },
      spec: {
        failurePolicy: 'Fail',
        reinvocationPolicy: 'IfNeeded',
        matchConstraints: {
          namespaceSelector: { matchLabels: label },
          resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
        },
        matchConditions: [
          { name: 'condition', expression: condition },
          {
            name: 'once',
            expression:
              '!has(object.spec.initContainers) || !object.spec.initContainers.exists(container, container.name == "mesh")',
          },
        ],
        mutations: [
          {
            patchType: 'JSONPatch',
            jsonPatch: {
              expression: `(has(object.spec.initContainers) ? [] : [JSONPatch{op: "add", path: "/spec/initContainers", value: []}]) + [JSONPatch{op: "add", path: "/spec/initContainers/0", value: ${mesh}}]`,
            },
          },
        ],
      },
    });
    await objects.create({
      apiVersion,
      kind: 'MutatingAdmissionPolicyBinding',
      metadata: { name },
      spec: { policyName: name },
    });
    const meshed = await cluster.namespace({ labels: label });
    await waitInCluster(`injector ${name}`, async () => {
      const pod = await cluster.createPod(meshed, requestingPod('probe'), { dryRun: true });
      return pod.spec?.initContainers?.some((container) => container.name === 'mesh');
    });
    return meshed;
  }

  test.each([
    ['before', `!(${HAS_SIDECAR})`, ['pannier', 'mesh']],
    ['after', HAS_SIDECAR, ['mesh', 'pannier']],
  ] as const)('%s Pannier runs together with it', async (order, condition, names) => {
    const meshed = await otherInjector(`pannier-test-mesh-${order}`, condition);
    await cluster.createPod(meshed, podOf('app', {}));
    const pod = await cluster.waitForReady(meshed, 'app');
    expect(pod.spec?.initContainers?.map(({ name }) => name)).toEqual(names);
    for (const container of [pod.spec?.initContainers?.find(({ name }) => name === 'mesh'), pod.spec?.containers[0]]) {
      expect(container?.env?.[0]).toMatchObject({ name: 'PANNIER_ADDRESS', value: '127.0.0.1:9470' });
      expect(container?.volumeMounts?.map(({ mountPath }) => mountPath)).toContain('/run/pannier');
    }
    expect(pod.status?.initContainerStatuses?.map(({ ready }) => ready)).toEqual([true, true]);
  });
});

test('the pod of a CronJob completes, and its sidecar exits with code 0', async () => {
  const pod = await waitInCluster(
    'a completed pod of the CronJob',
    async () => {
      const { items } = await cluster.core.listNamespacedPod({
        namespace,
        labelSelector: 'batch.kubernetes.io/job-name',
      });
      return items.find(({ status }) => status?.phase === 'Succeeded' || status?.phase === 'Failed');
    },
    120_000,
  );
  expect(pod.status?.phase).toBe('Succeeded');
  expect(pod.status?.initContainerStatuses?.[0]).toMatchObject({
    name: 'pannier',
    state: { terminated: { exitCode: 0 } },
  });
}, 150_000);
