/**
 * Tests values of the chart on a real cluster: a trial installation with one command, a Redis login from a Secret,
 * policies that running sidecars reload, and provided certificates. Also tests the switch between the injection modes.
 */
import { generate } from 'selfsigned';
import { AdmissionLoad } from '../support/kubernetes/admissions.ts';
import {
  helmOnCluster,
  INJECTOR,
  INJECTOR_PODS,
  installChart,
  RELEASE_NAMESPACE,
  requestingPod,
} from '../support/kubernetes/chart.ts';
import { isReady, sidecarOf, TestCluster } from '../support/kubernetes/cluster.ts';
import { IMAGES, pannierImage, prepareImages } from '../support/kubernetes/images.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';

const NODE = '/nodejs/bin/node';
const PROGRAM = '/app/dist/main.mjs';
const DEV_REDIS = { enabled: true, image: { tag: '7.0' } };
const PASSWORD = 'test-password';

let cluster: TestCluster;
let namespace = '';

beforeAll(async () => {
  cluster = new TestCluster();
  await prepareImages();
  namespace = await cluster.namespace({ labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } });
}, 600_000);

afterAll(async () => {
  await cluster?.close();
});

/**
 * Starts a pod that requests injection, and waits until it is ready. The container of the pod can call the sidecar with
 * `pannier call`.
 */
async function startPod(name: string): Promise<void> {
  const pod = requestingPod(name);
  const securityContext = {
    allowPrivilegeEscalation: false,
    runAsNonRoot: true,
    runAsUser: 65_532,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  };
  const command = [NODE, '-e', 'setInterval(() => {}, 1e6)'];
  const containers = [{ name: 'app', image: pannierImage, command, securityContext }];
  await cluster.createPod(namespace, { ...pod, spec: { terminationGracePeriodSeconds: 1, containers } });
  await cluster.waitForReady(namespace, name);
}

/** Calls the sidecar of a pod. Returns the response, or the error message if the call failed. */
async function call(pod: string, method: string, request: object): Promise<string> {
  const target = { namespace, pod, container: 'app' };
  const { output } = await cluster.run(target, [NODE, PROGRAM, 'call', '--compact', method, JSON.stringify(request)]);
  return output.trim();
}

const inline = (limit: number, key: string): object => ({
  key,
  limits: [{ name: 'test', algorithm: 'ALGORITHM_FIXED_WINDOW', limit, windowMs: 3_600_000 }],
});

describe('a trial', () => {
  test('needs one command: two pods share a limit in devRedis, and helm test passes', async () => {
    await installChart(cluster, { devRedis: DEV_REDIS });
    const pods = ['trial-1', 'trial-2'];
    await Promise.all(pods.map((name) => startPod(name)));
    // A sidecar that starts before Redis applies the failure mode until it has connected to Redis.
    for (const name of pods) {
      await waitInCluster(`${name} counting in Redis`, async () =>
        (await call(name, 'CheckRateLimit', inline(1_000, 'first'))).includes('DECIDED_BY_STORE'),
      );
    }
    expect(await call('trial-1', 'CheckRateLimit', inline(2, 'trial'))).toContain('"allowed":true');
    expect(await call('trial-2', 'CheckRateLimit', inline(2, 'trial'))).toContain('"allowed":true');
    expect(await call('trial-1', 'CheckRateLimit', inline(2, 'trial'))).not.toContain('"allowed":true');
    const output = await helmOnCluster(['test', 'pannier', '--timeout', '120s']);
    expect(output.match(/Phase:\s+Succeeded/g)).toHaveLength(2);
  }, 300_000);

  test('fails in helm test if the sidecars cannot reach Redis', async () => {
    await installChart(cluster, { redis: { url: `redis://absent.${RELEASE_NAMESPACE}.svc:6379` } });
    await expect(helmOnCluster(['test', 'pannier', '--timeout', '25s'])).rejects.toThrow();
    // Helm deletes the namespace of the test. Without this wait, the next test could find that namespace in the phase
    // Terminating.
    await waitInCluster('the namespace of the test deleted', async () => {
      const { items } = await cluster.core.listNamespace();
      return !items.some(({ metadata }) => metadata?.name === `${RELEASE_NAMESPACE}-test`);
    });
  }, 300_000);
});

test('reads the Redis login from a Secret in the namespace of the pod', async () => {
  const server = await cluster.namespace();
  const user = ['--user', 'pannier', 'on', `>${PASSWORD}`, '~*', '&*', '+@all', '--user', 'default', 'off'];
  const command = ['redis-server', '--save', '', '--dir', '/tmp', ...user];
  await cluster.createPod(server, {
    metadata: { name: 'redis' },
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'redis', image: IMAGES.redis, command }] },
  });
  const ready = await cluster.waitForReady(server, 'redis');
  await cluster.core.createNamespacedSecret({
    namespace,
    body: { metadata: { name: 'redis-login' }, stringData: { username: 'pannier', password: PASSWORD } },
  });
  await installChart(cluster, { redis: { url: `redis://${ready.status?.podIP}:6379`, secretName: 'redis-login' } });
  await startPod('login');
  const stored = await waitInCluster('a session in Redis', async () => {
    const answer = await call('login', 'CreateSession', { userId: 'ada' });
    return answer.includes('sessionId') ? answer : undefined;
  });
  expect(stored).toContain('sessionId');
  const pod = await cluster.pod(namespace, 'login');
  expect(JSON.stringify(pod)).not.toContain(PASSWORD);
}, 300_000);

test('running sidecars load new and changed policies without a restart', async () => {
  const policies = (limit: number): object => ({
    policies: { api: { limits: [{ algorithm: 'fixed_window', limit, per: '1h' }] } },
  });
  const values = { devRedis: DEV_REDIS, policyNamespaces: [namespace] };
  await installChart(cluster, { devRedis: DEV_REDIS });
  await startPod('policies');
  expect(await call('policies', 'CheckRateLimit', { key: 'ada', policy: 'api' })).not.toContain('"allowed"');
  const limitOf = async (): Promise<string> =>
    await call('policies', 'CheckRateLimit', { key: 'ada', policy: 'api', cost: 0, detail: true });
  await installChart(cluster, { ...values, policies: policies(5) });
  const waitForLimit = async (limit: number): Promise<void> => {
    await waitInCluster(
      `limit ${limit}`,
      async () => {
        // The watch of the kubelet may not have received the ConfigMap yet, so each attempt makes it update the mount.
        await cluster.refreshMounts(namespace, 'policies');
        return (await limitOf()).includes(`"limit":${limit}`);
      },
      150_000,
    );
  };
  await waitForLimit(5);
  await installChart(cluster, { ...values, policies: policies(7) });
  await waitForLimit(7);
  const pod = await cluster.pod(namespace, 'policies');
  expect(pod.status?.initContainerStatuses?.map(({ restartCount }) => restartCount)).toEqual([0]);
}, 500_000);

test('serves the webhook with provided certificates', async () => {
  const hostName = `${INJECTOR}.${RELEASE_NAMESPACE}.svc`;
  const make = async (): Promise<{ cert: string; private: string }> =>
    await generate([{ name: 'commonName', value: hostName }], {
      keyType: 'ec',
      curve: 'P-256',
      algorithm: 'sha256',
      extensions: [
        { name: 'basicConstraints', cA: false },
        { name: 'extKeyUsage', serverAuth: true },
        { name: 'subjectAltName', altNames: [{ type: 2, value: hostName }] },
      ],
    });
  const pair = await make();
  const body = {
    metadata: { name: 'own-certificate' },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': pair.cert, 'tls.key': pair.private },
  };
  await cluster.core.createNamespacedSecret({ namespace: RELEASE_NAMESPACE, body });
  // Applying another caBundle would conflict with the caBundle that the injector has written.
  await helmOnCluster(['uninstall', 'pannier', '--ignore-not-found', '--wait']);
  try {
    const files = { secretName: 'own-certificate', caBundle: pair.cert };
    await installChart(cluster, { certificates: { mode: 'files', files } });
    const made = await cluster
      .createPod(namespace, requestingPod('files'), { dryRun: true })
      .catch((error: unknown) => error);
    // Pod Security validates a pod after the webhook has changed it. A rejection by Pod Security therefore proves that
    // the webhook succeeded.
    expect(JSON.stringify(made)).toContain('restricted');
  } finally {
    await installChart(cluster, {});
    await cluster.core.deleteNamespacedSecret({ namespace: RELEASE_NAMESPACE, name: 'own-certificate' });
  }
}, 300_000);

test('switches to injection mode mutating-policy and back without admitting a pod without its sidecar', async () => {
  await installChart(cluster, { devRedis: DEV_REDIS });
  const other = await cluster.namespace();
  const load = new AdmissionLoad(cluster, other);
  await waitInCluster('the first admissions', () => load.admitted > 5);
  await installChart(cluster, { devRedis: DEV_REDIS, injectionMode: 'mutating-policy' });
  const mutating = load.admitted;
  await waitInCluster('admissions with injection mode mutating-policy', () => load.admitted > mutating + 20);
  const injectors = async (): Promise<number> => (await cluster.pods(RELEASE_NAMESPACE, INJECTOR_PODS)).length;
  await waitInCluster('no injector', async () => (await injectors()) === 0);
  const output = await helmOnCluster(['test', 'pannier', '--timeout', '120s']);
  expect(output.match(/Phase:\s+Succeeded/g)).toHaveLength(3);
  await installChart(cluster, { devRedis: DEV_REDIS });
  const webhook = load.admitted;
  await waitInCluster('admissions with injection mode webhook', () => load.admitted > webhook + 20);
  const ended = await load.stop();
  // During the switch, the test tolerates rejected pods, because controllers retry to create them. The API server must
  // not admit a pod without a sidecar.
  expect(ended.failures.filter((text) => text.includes('without a sidecar'))).toEqual([]);
  expect(ended.unreachable).toEqual([]);
}, 400_000);

test('after the uninstallation, running pods keep their sidecar and new ones start without', async () => {
  await installChart(cluster, { devRedis: DEV_REDIS });
  await startPod('stays');
  await helmOnCluster(['uninstall', 'pannier', '--wait']);
  const other = await cluster.namespace();
  const started = await waitInCluster('pods admitted without a sidecar', async () => {
    const pod = await cluster.createPod(other, requestingPod('after'), { dryRun: true });
    return sidecarOf(pod) === undefined ? pod : undefined;
  });
  expect(started.metadata?.labels).toBeUndefined();
  const stays = await cluster.pod(namespace, 'stays');
  expect(isReady(stays)).toBe(true);
  expect(await call('stays', 'CheckRateLimit', inline(1, 'alone'))).toContain('"allowed":true');
}, 300_000);
