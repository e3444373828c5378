/**
 * Tests the Node example as users deploy it. Its three replicas request a sidecar with one annotation, use a real Redis
 * Cluster, and behave like a single program.
 */
import { installChart } from '../support/kubernetes/chart.ts';
import { sidecarOf, TestCluster } from '../support/kubernetes/cluster.ts';
import { IMAGES, prepareImages } from '../support/kubernetes/images.ts';
import { startRedisCluster } from '../support/kubernetes/redis.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';
import { connectPannier, type PannierClient } from '../support/sidecar/pannier-client.ts';

const REPLICAS = 3;
const APP_PORT = 8_080;
const GRPC_PORT = 9_470;

let cluster: TestCluster;
let namespace: string;
let urls: string[];
let clients: PannierClient[];

beforeAll(async () => {
  cluster = new TestCluster();
  await prepareImages();
  namespace = await cluster.namespace();
  const redisUrl = await startRedisCluster(cluster, namespace);
  await installChart(cluster, {
    redis: { url: redisUrl },
    policies: {
      policies: { api: { limits: [{ algorithm: 'fixed_window', limit: 100, per: '1h' }] } },
      cache: { products: { ttl: '1h', near: true } },
    },
    policyNamespaces: [namespace],
  });
  const labels = { app: 'shop' };
  await cluster.apps.createNamespacedDeployment({
    namespace,
    body: {
      metadata: { name: 'shop' },
      spec: {
        replicas: REPLICAS,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels, annotations: { 'pannier.dev/inject': 'true' } },
          spec: { containers: [{ name: 'shop', image: IMAGES.example }] },
        },
      },
    },
  });
  const pods = await cluster.waitForPods(namespace, 'app=shop', REPLICAS);
  const names = pods.map((pod) => pod.metadata?.name ?? '');
  const forward = async (port: number): Promise<number[]> =>
    (await Promise.all(names.map((name) => cluster.forward(namespace, name, port)))).map((each) => each.port);
  urls = (await forward(APP_PORT)).map((port) => `http://127.0.0.1:${port}`);
  for (const base of urls) {
    // The example has no readiness probe, so a pod is ready shortly before its program listens.
    await waitInCluster(`${base} answering`, async () => (await get(`${base}/products/none`)).status === 404);
  }
  clients = (await forward(GRPC_PORT)).map((port) => connectPannier(`127.0.0.1:${port}`));
}, 600_000);

afterAll(async () => {
  for (const client of clients ?? []) {
    client.close();
  }
  await cluster?.close();
});

async function get(address: string, options: RequestInit = {}): Promise<Response> {
  return await fetch(address, { ...options, signal: AbortSignal.timeout(5_000) });
}

function url(index: number): string {
  return urls[index % REPLICAS] ?? '';
}

test('the app enforces one limit across all replicas', async () => {
  const statuses: number[] = [];
  for (let call = 0; call < 7; call += 1) {
    const response = await get(`${url(call)}/hello?user=ada`);
    statuses.push(response.status);
  }
  expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429]);
});

test('a policy of the chart admits exactly its limit to concurrent callers of all pods', async () => {
  let allowed = 0;
  const caller = async (index: number): Promise<void> => {
    for (let call = 0; call < 10; call += 1) {
      const ended = await clients[(index + call) % REPLICAS]?.checkRateLimit({ key: 'one', policy: 'api' });
      if (!ended?.ok) {
        throw new Error(`cannot count: ${ended?.details}`);
      }
      allowed += ended.response.allowed ? 1 : 0;
    }
  };
  await Promise.all(Array.from({ length: 15 }, (_, index) => caller(index)));
  expect(allowed).toBe(100);
});

test('a session of one pod is valid in all pods until one pod deletes it', async () => {
  const login = await get(`${url(0)}/login?user=ada`, { method: 'POST' });
  const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
  const statuses = async (): Promise<number[]> =>
    await Promise.all(urls.map(async (base) => (await get(`${base}/me`, { headers: { cookie } })).status));
  expect(await statuses()).toEqual([200, 200, 200]);
  await get(`${url(1)}/logout`, { method: 'POST', headers: { cookie } });
  expect(await statuses()).toEqual([401, 401, 401]);
});

test('an invalidation in one pod reaches all pods and their near caches', async () => {
  const read = async (index: number): Promise<{ name: string; source: string }> =>
    (await (await get(`${url(index)}/products/1`)).json()) as { name: string; source: string };
  expect(await read(0)).toMatchObject({ name: 'pannier' });
  for (const index of [0, 1, 2]) {
    expect(await read(index)).toEqual({ name: 'pannier', source: 'cache' });
  }
  await get(`${url(1)}/products/1?name=saddlebag`, { method: 'PUT' });
  await waitInCluster('the writer’s value in the cache', async () => (await read(1)).name === 'saddlebag');
  for (const index of [0, 1, 2]) {
    await waitInCluster(`pod ${index} seeing it`, async () => (await read(index)).name === 'saddlebag', 2_000);
  }
});

test('each pod has a native sidecar at index 0 and otherwise matches its template', async () => {
  for (const pod of await cluster.pods(namespace, 'app=shop')) {
    expect(pod.spec?.initContainers?.[0]).toMatchObject({ name: 'pannier', restartPolicy: 'Always' });
    expect(pod.metadata?.annotations).toMatchObject({ 'kubectl.kubernetes.io/default-container': 'shop' });
    expect(sidecarOf(pod)?.resources?.limits).toEqual({ memory: '192Mi' });
    expect(pod.spec?.containers.map(({ name }) => name)).toEqual(['shop']);
  }
});
