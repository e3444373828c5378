/**
 * Runs a Redis Cluster of three masters in the test cluster.
 */
import type { TestCluster } from './cluster.ts';
import { IMAGES } from './images.ts';
import { RECOVERY_TIMEOUT_MS } from './recovery.ts';
import { waitInCluster } from './wait.ts';

const MASTERS = 3;
const PORT = 6_379;
const LABELS = { app: 'redis' };

/** Starts the Redis Cluster. Returns the URL of the Redis Cluster, which sidecars in any namespace can use. */
export async function startRedisCluster(cluster: TestCluster, namespace: string): Promise<string> {
  const names = Array.from({ length: MASTERS }, (_, index) => `redis-${index}`);
  await Promise.all(
    names.map((name) =>
      cluster.createPod(namespace, {
        metadata: { name, labels: LABELS },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: 'redis',
              image: IMAGES.redis,
              command: [
                'redis-server',
                '--cluster-enabled',
                'yes',
                '--save',
                '',
                '--protected-mode',
                'no',
                '--dir',
                '/data',
              ],
              readinessProbe: { exec: { command: ['redis-cli', 'ping'] }, periodSeconds: 1 },
              volumeMounts: [{ name: 'data', mountPath: '/data' }],
            },
          ],
          volumes: [{ name: 'data', emptyDir: {} }],
        },
      }),
    ),
  );
  await cluster.core.createNamespacedService({
    namespace,
    body: { metadata: { name: 'redis' }, spec: { selector: LABELS, ports: [{ port: PORT }] } },
  });
  const pods = await cluster.waitForPods(namespace, 'app=redis', MASTERS);
  const nodes = pods.map((pod) => `${pod.status?.podIP}:${PORT}`);
  const target = { namespace, pod: 'redis-0', container: 'redis' };
  const created = await cluster.run(target, ['redis-cli', '--cluster', 'create', ...nodes, '--cluster-yes']);
  if (created.exitCode !== 0) {
    throw new Error(`cannot create the Redis Cluster: ${created.output}`);
  }
  for (const pod of names) {
    await waitInCluster(`${pod} knowing all slots`, async () => {
      const { output } = await cluster.run({ ...target, pod }, ['redis-cli', 'cluster', 'info']);
      return output.includes('cluster_state:ok');
    });
  }
  const hostName = `redis.${namespace}.svc.cluster.local`;
  // After an outage of the API server, DNS resolves new Services only after a delay. Until then, sidecars would apply
  // the failure mode.
  await waitInCluster(
    `${hostName} resolved by pods`,
    async () => (await cluster.run(target, ['redis-cli', '-h', hostName, 'ping'])).output.includes('PONG'),
    RECOVERY_TIMEOUT_MS,
  );
  return `redis://${hostName}:${PORT}`;
}
