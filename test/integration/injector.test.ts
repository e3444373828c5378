/**
 * Tests the complete injector with a fake API server. Two replicas become ready without manual steps, inject sidecars,
 * recover from a deleted Secret and an emptied caBundle, and drain. The tests in test/kubernetes use a real cluster.
 */
import { request } from 'node:https';
import { parseSidecarConfig, type SidecarConfig } from '../../src/injection/sidecar-config.ts';
import { apiClients } from '../../src/injector/api-clients.ts';
import { type Injector, type InjectorOptions, startInjector } from '../../src/injector/injector.ts';
import { FakeApiServer } from '../support/kubernetes/fake-api-server.ts';
import { silentLogger } from '../support/lib/silent-logger.ts';
import { waitFor } from '../support/wait.ts';

const HOST = 'pannier-injector.pannier-system.svc';
let server: FakeApiServer;
let options: Omit<InjectorOptions, 'address' | 'adminAddress'>;
const injectors: Injector[] = [];

beforeAll(async () => {
  server = await FakeApiServer.start();
  process.env.KUBECONFIG = server.kubeconfig;
  options = {
    config: sidecarConfig(),
    clients: apiClients(),
    namespace: 'pannier-system',
    serviceName: 'pannier-injector',
    configurationName: 'pannier-injector',
    // Lifetimes of the certificates. They are short, because the injector derives from them how long it waits until API
    // servers have read a new CA.
    certificates: {
      kind: 'self',
      secretName: 'pannier-injector-ca',
      caLifetimeMs: 20_000,
      servingCertificateLifetimeMs: 20_000,
    },
    log: silentLogger,
  };
});

afterAll(async () => {
  await Promise.all(injectors.map((injector) => injector.drain(0)));
  server?.stop();
});

function sidecarConfig(): SidecarConfig {
  const parsed = parseSidecarConfig('sidecar:\n  image: pannier:1\n');
  if ('problems' in parsed) {
    throw new Error(`cannot read the test's own configuration: ${parsed.problems[0].message}`);
  }
  return parsed.config;
}

async function start(clients = options.clients): Promise<Injector> {
  const local = { host: '127.0.0.1', port: 0 };
  const injector = await startInjector({ ...options, clients, address: local, adminAddress: local });
  injectors.push(injector);
  return injector;
}

async function isReady(injector: Injector): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${injector.adminPort}/readyz`);
  return response.status === 200;
}

/** Sends an admission review as an API server does, and trusts only the certificates in the caBundle. */
function review(injector: Injector, object: object): Promise<{ allowed: boolean; patch?: string }> {
  const body = JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { uid: 'u', namespace: 'shop', operation: 'CREATE', object },
  });
  return new Promise((resolve, reject) => {
    const target = { host: '127.0.0.1', port: injector.port, servername: HOST, ca: server.bundles()[0], agent: false };
    const outgoing = request({ ...target, method: 'POST', path: '/mutate-pod' }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('end', () => resolve(JSON.parse(text).response));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const pod = {
  metadata: { name: 'pod', annotations: { 'pannier.dev/inject': 'true' } },
  spec: { containers: [{ name: 'app', image: 'app:1' }] },
};

test('two replicas become ready without help, inject, and recover from the loss of Secret and caBundle', async () => {
  const [first, second] = await Promise.all([start(), start()]);
  await waitFor('both replicas to be ready', async () => (await isReady(first)) && (await isReady(second)));
  for (const injector of [first, second]) {
    const { allowed, patch } = await review(injector, pod);
    expect(allowed).toBe(true);
    expect(Buffer.from(patch ?? '', 'base64').toString()).toContain('"pannier"');
  }
  server.secret = undefined;
  server.webhooks = server.webhooks.map((webhook) => ({ ...webhook, clientConfig: {} }));
  await waitFor('the first replica to be unready', async () => !(await isReady(first)));
  await waitFor('both replicas to be ready again', async () => (await isReady(first)) && (await isReady(second)));
  await review(first, pod);
  await review(second, pod);
  const text = await (await fetch(`http://127.0.0.1:${first.adminPort}/metrics`)).text();
  expect(text).toContain('pannier_injector_reviews_total{webhook="/mutate-pod",outcome="injected"} 2');
  expect(text).toMatch(/pannier_injector_certificate_expiry_seconds \d{10}/);
});

test('a replica is not ready before it has listed the nodes, because kubelets could be old', async () => {
  const { core } = options.clients;
  let release: (() => void) | undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slowCore: typeof core = Object.assign(Object.create(core), {
    listNode: async (page: Parameters<typeof core.listNode>[0]) => {
      await held;
      return core.listNode(page);
    },
  });
  const slow = await start({ ...options.clients, core: slowCore });
  const text = async (): Promise<string> => (await fetch(`http://127.0.0.1:${slow.adminPort}/readyz`)).text();
  try {
    await waitFor('everything except the nodes to be ready', async () =>
      (await text()).includes('certificate: verified'),
    );
    expect(await isReady(slow)).toBe(false);
    expect(await text()).toContain('the nodes are being listed');
  } finally {
    release?.();
  }
  await waitFor('ready', () => isReady(slow));
});

test('calls only the API paths that its RBAC rules allow', () => {
  const paths = new Set(server.calls);
  const secrets = '/api/v1/namespaces/pannier-system/secrets';
  const configuration = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/pannier-injector';
  const allowed = [
    `GET ${secrets}/pannier-injector-ca`,
    `POST ${secrets}`,
    `PATCH ${secrets}/pannier-injector-ca`,
    `GET ${configuration}`,
    `PATCH ${configuration}`,
    'GET /api/v1/nodes',
  ];
  expect([...paths].filter((path) => !allowed.includes(path))).toEqual([]);
});

test('old kubelets turn native sidecars off in automatic mode', async () => {
  server.kubeletVersions = ['v1.34.4', 'v1.28.1'];
  const injector = await start();
  await waitFor('ready', () => isReady(injector));
  await waitFor('a plain container', async () => {
    const { patch } = await review(injector, pod);
    return !Buffer.from(patch ?? '', 'base64')
      .toString()
      .includes('initContainers');
  });
});

test('while it drains, it is not ready and still answers', async () => {
  const injector = await start();
  await waitFor('ready', () => isReady(injector));
  let isDrained = false;
  const drained = injector.drain(1_000).then(() => {
    isDrained = true;
  });
  expect(await isReady(injector)).toBe(false);
  expect((await review(injector, pod)).allowed).toBe(true);
  expect(isDrained).toBe(false);
  await drained;
  await expect(review(injector, pod)).rejects.toThrow();
  injectors.splice(injectors.indexOf(injector), 1);
});

test('answers reviews that arrive after the drain delay, as a slow kube-proxy can cause', async () => {
  const injector = await start();
  await waitFor('ready', () => isReady(injector));
  const delayMs = 3_000;
  const delayEndsAtMs = performance.now() + delayMs;
  const drained = injector.drain(delayMs);
  let answeredLate = 0;
  while (answeredLate < 20) {
    expect((await review(injector, pod)).allowed).toBe(true);
    answeredLate += performance.now() > delayEndsAtMs ? 1 : 0;
  }
  await drained;
  await expect(review(injector, pod)).rejects.toThrow();
  injectors.splice(injectors.indexOf(injector), 1);
});
