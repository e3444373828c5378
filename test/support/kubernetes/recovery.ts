/**
 * Waits until a cluster has recovered from an outage of its API server.
 *
 * Controllers, the scheduler and DNS reconnect to the API server at growing intervals. For a minute or more after a
 * restart, new namespaces have no service account, new Deployments have no pods, and new Services have no DNS name.
 * Pods that were running before the outage keep running. A cluster with Kubernetes 1.34 and CoreDNS showed this
 * behavior.
 */
import type { TestCluster } from './cluster.ts';
import { WAITING_CONTAINER } from './images.ts';
import { waitInCluster } from './wait.ts';

export const RECOVERY_TIMEOUT_MS = 240_000;

const NAME = 'recovered';
const LABELS = { app: NAME };

/** Returns once a Deployment in a new namespace has its pod, and that pod can resolve the name of a new Service. */
export async function waitForRecovery(cluster: TestCluster): Promise<void> {
  const namespace = await cluster.namespace({}, RECOVERY_TIMEOUT_MS);
  await cluster.apps.createNamespacedDeployment({
    namespace,
    body: {
      metadata: { name: NAME },
      spec: {
        replicas: 1,
        selector: { matchLabels: LABELS },
        template: { metadata: { labels: LABELS }, spec: { containers: [WAITING_CONTAINER] } },
      },
    },
  });
  const [pod] = await cluster.waitForPods(namespace, `app=${NAME}`, 1, RECOVERY_TIMEOUT_MS);
  await cluster.core.createNamespacedService({
    namespace,
    body: { metadata: { name: NAME }, spec: { ports: [{ port: 80 }] } },
  });
  const target = { namespace, pod: pod?.metadata?.name ?? '', container: WAITING_CONTAINER.name };
  const lookUp = `require('node:dns').lookup('${NAME}.${namespace}.svc', (error) => process.exit(error ? 1 : 0))`;
  await waitInCluster(
    'the name of a new service',
    async () => (await cluster.run(target, ['node', '-e', lookUp])).exitCode === 0,
    RECOVERY_TIMEOUT_MS,
  );
}
