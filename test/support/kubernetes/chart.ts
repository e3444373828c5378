/**
 * The chart on a real cluster, by the helm of PANNIER_TEST_HELM: installed, upgraded, rolled back, and its injector asked what it counted.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repositoryRoot } from '../repository.ts';
import { kubeconfigFile, TestCluster } from './cluster.ts';
import { IMAGES, prepareImages, WAITING_CONTAINER } from './images.ts';
import { waitInCluster } from './wait.ts';

export const RELEASE_NAMESPACE = 'pannier-system';
export const INJECTOR = 'pannier-injector';
export const INJECTOR_PODS = 'app.kubernetes.io/component=injector';

/** For `installedCluster`, whose images take a while on a fresh machine. */
export const PREPARE_MS = 600_000;

const RELEASE = 'pannier';
const ADMIN_PORT = 9_471;
const execute = promisify(execFile);

export async function helmOnCluster(args: readonly string[]): Promise<string> {
  const program = process.env.PANNIER_TEST_HELM ?? 'helm';
  const environment = { ...process.env, KUBECONFIG: kubeconfigFile() };
  const { stdout } = await execute(program, [...args, '--namespace', RELEASE_NAMESPACE], {
    env: environment,
    timeout: 180_000,
    maxBuffer: 16 * 1_048_576,
  });
  return stdout;
}

/**
 * Installs the chart, or brings what is installed to these values; returns when the injector is ready and answers, and no replica is
 * left that has the values before.
 */
export async function installChart(
  cluster: TestCluster,
  values: Record<string, unknown>,
  options: { tag?: string } = {},
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'pannier-values-'));
  try {
    const file = join(directory, 'values.json');
    const image = { repository: IMAGES.repository, tag: options.tag ?? IMAGES.tag };
    writeFileSync(file, JSON.stringify({ image, ...values }));
    const chart = join(repositoryRoot, 'charts', RELEASE);
    const args = ['upgrade', '--install', RELEASE, chart, '--create-namespace', '--reset-values', '-f', file];
    await helmOnCluster([...args, '--wait', '--timeout', '120s']);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  await waitInCluster('replicas with the values before gone', async () => {
    const pods = await cluster.pods(RELEASE_NAMESPACE, INJECTOR_PODS);
    return pods.every((pod) => pod.metadata?.deletionTimestamp === undefined);
  });
  await waitForInjection(cluster);
}

/** What suites start from: the images loaded, the chart installed with its own values, and a namespace. */
export async function installedCluster(): Promise<{ cluster: TestCluster; namespace: string }> {
  const cluster = new TestCluster();
  await prepareImages();
  await installChart(cluster, {});
  return { cluster, namespace: await cluster.namespace() };
}

/** Admission takes effect a moment after its objects are there. */
export async function waitForInjection(cluster: TestCluster): Promise<void> {
  await waitInCluster('pods being injected', async () => {
    const pod = await cluster.createPod('default', askingPod('probe'), { dryRun: true });
    return pod.spec?.initContainers?.some(({ name }) => name === 'pannier');
  });
  await waitInCluster('pods without a sidecar being refused', async () => {
    const pod = askingPod('probe');
    pod.metadata.annotations['pannier.dev/inject'] = 'perhaps';
    return (await cluster.refusal('default', pod)) !== '';
  });
}

export interface AskingPod {
  metadata: { name: string; annotations: Record<string, string>; labels?: Record<string, string> };
  spec: { containers: { name: string; image: string; command?: string[] }[] };
}

/** The least pod that asks for a sidecar; its container waits to be ended. */
export function askingPod(name: string, annotations: Record<string, string> = {}): AskingPod {
  return {
    metadata: { name, annotations: { 'pannier.dev/inject': 'true', ...annotations } },
    spec: {
      containers: [{ ...WAITING_CONTAINER }],
    },
  };
}

/** How many reviews all replicas of the injector have answered, by `webhook outcome`. */
export async function reviewCounts(cluster: TestCluster): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const text of await injectorMetrics(cluster)) {
    const pattern = /^pannier_injector_reviews_total\{webhook="([^"]+)",outcome="([^"]+)"\} (\d+)$/gm;
    for (const [, webhook, outcome, count] of text.matchAll(pattern)) {
      const key = `${webhook} ${outcome}`;
      counts.set(key, (counts.get(key) ?? 0) + Number(count));
    }
  }
  return counts;
}

/** When the certificate that each replica of the injector serves ends, Unix time in seconds. */
export async function servedUntil(cluster: TestCluster): Promise<number[]> {
  const texts = await injectorMetrics(cluster);
  return texts.map((text) => Number(/^pannier_injector_certificate_expiry_seconds (\S+)$/m.exec(text)?.[1]));
}

async function injectorMetrics(cluster: TestCluster): Promise<string[]> {
  const pods = await cluster.pods(RELEASE_NAMESPACE, INJECTOR_PODS);
  return await Promise.all(
    pods.map(({ metadata }) =>
      cluster.core.connectGetNamespacedPodProxyWithPath({
        namespace: RELEASE_NAMESPACE,
        name: `${metadata?.name}:${ADMIN_PORT}`,
        path: 'metrics',
      }),
    ),
  );
}

export function sumOf(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}
