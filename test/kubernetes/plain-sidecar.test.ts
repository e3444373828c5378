/**
 * Tests a sidecar that is a plain container, as on clusters with kubelets before 1.29. In this test, an annotation
 * requests a plain container, so the test can run with any kubelet. The sidecar serves calls from the start of the
 * application until the application has ended. The test injects the sidecar offline, without the chart.
 */
import type { V1Pod } from '@kubernetes/client-node';
import { injectPod } from '../../src/injection/inject-pod.ts';
import type { Pod } from '../../src/injection/pod.ts';
import { defaultSidecarConfig } from '../../src/injection/sidecar-config.ts';
import { isReady, TestCluster } from '../support/kubernetes/cluster.ts';
import { IMAGES, pannierImage, prepareImages } from '../support/kubernetes/images.ts';

/**
 * Program that connects immediately, keeps this connection open, and opens further connections for three seconds after
 * SIGTERM.
 */
const APPLICATION = `
const net = require('node:net');
const [host, port] = process.env.PANNIER_ADDRESS.split(':');
const path = process.env.PANNIER_SOCKET.slice('unix:'.length);
function connect(name, to) {
  const socket = net.connect(to);
  socket.on('connect', () => console.log(name, 'served'));
  socket.on('error', (error) => console.log(name, error.code));
  return socket;
}
connect('first', { host, port });
connect('first', { path });
setInterval(() => {}, 1e6);
process.on('SIGTERM', () => {
  console.log('SIGTERM received');
  let rounds = 0;
  setInterval(() => {
    rounds += 1;
    connect('late', { host, port }).on('connect', function () { this.end(); });
    if (rounds === 12) {
      console.log('end');
      process.exit(0);
    }
  }, 250);
});
`;

let cluster: TestCluster;

beforeAll(async () => {
  cluster = new TestCluster();
  await prepareImages();
}, 600_000);

afterAll(async () => {
  await cluster?.close();
});

function injectedPod(): V1Pod {
  const container = { name: 'app', image: IMAGES.example, command: ['node', '-e', APPLICATION] };
  const annotations = { 'pannier.dev/native': 'false' };
  const pod: Pod = { metadata: { name: 'plain', annotations }, spec: { containers: [container] } };
  const injection = injectPod({
    pod,
    namespaceLabels: { 'pannier.dev/inject': 'true' },
    namespaceAnnotations: {},
    config: defaultSidecarConfig(pannierImage),
    kubelets: { oldestMinor: undefined },
  });
  if (injection.kind !== 'inject') {
    throw new Error(`cannot run the test: the pod was not injected: ${JSON.stringify(injection)}`);
  }
  return injection.pod as unknown as V1Pod;
}

test('serves from the start of the application until its end', async () => {
  const namespace = await cluster.namespace();
  await cluster.createPod(namespace, injectedPod());
  const started = await cluster.waitForPod(namespace, 'plain', 'ready', isReady);
  expect(started.spec?.containers.map(({ name }) => name)).toEqual(['pannier', 'app']);
  expect(started.spec?.initContainers).toBeUndefined();
  // Follows each log until its container has ended.
  const follow = async (container: string): Promise<string> =>
    await cluster.core.readNamespacedPodLog({ namespace, name: 'plain', container, follow: true });
  const logs = Promise.all([follow('app'), follow('pannier')]);
  await cluster.core.deleteNamespacedPod({ namespace, name: 'plain' });
  const [application = '', sidecar = ''] = await logs;
  const lines = application.trim().split('\n');
  expect(lines.slice(0, 3)).toEqual(['first served', 'first served', 'SIGTERM received']);
  expect(lines.at(-1)).toBe('end');
  expect(lines.slice(3, -1).filter((line) => line === 'late served').length).toBeGreaterThanOrEqual(8);
  expect(application).not.toMatch(/ECONN|ENOENT/);
  expect(sidecar).toContain('"msg":"drained"');
}, 180_000);
