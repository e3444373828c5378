/**
 * Installs, upgrades and rolls back the chart on a real cluster with the helm program in PANNIER_TEST_HELM, and reads
 * the metrics of the injector.
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

/** Timeout for `installedCluster`, which loads images on a fresh machine. */
export const PREPARE_MS = 600_000;

const RELEASE = 'pannier';
export const CHART = join(repositoryRoot, 'charts', 'pannier');
const ADMIN_PORT = 9_471;
const execute = promisify(execFile);

/** Runs helm in a namespace. If helm fails, the message of the error contains its output. */
export async function helmOnCluster(args: readonly string[], namespace = RELEASE_NAMESPACE): Promise<string> {
  const program = process.env.PANNIER_TEST_HELM ?? 'helm';
  const environment = { ...process.env, KUBECONFIG: kubeconfigFile() };
  const { stdout } = await execute(program, [...args, '--namespace', namespace], {
    env: environment,
    timeout: 180_000,
    maxBuffer: 16 * 1_048_576,
  });
  return stdout;
}

export interface InstallOptions {
  readonly tag?: string;
  readonly release?: string;
  /** Directory of the chart; the default is the chart of this repository. */
  readonly chart?: string;
}

/**
 * Installs or upgrades the chart with these values. Returns once the injector answers and no replica with the previous
 * values is left.
 */
export async function installChart(
  cluster: TestCluster,
  values: Record<string, unknown>,
  options: InstallOptions = {},
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'pannier-values-'));
  try {
    const file = join(directory, 'values.json');
    const image = { repository: IMAGES.repository, tag: options.tag ?? IMAGES.tag };
    writeFileSync(file, JSON.stringify({ image, ...values }));
    const { release = RELEASE, chart = CHART } = options;
    const args = ['upgrade', '--install', release, chart, '--create-namespace', '--reset-values', '-f', file];
    await helmOnCluster([...args, '--wait', '--timeout', '120s']);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  await waitInCluster('replicas with the previous values removed', async () => {
    const pods = await cluster.pods(RELEASE_NAMESPACE, INJECTOR_PODS);
    return pods.every((pod) => pod.metadata?.deletionTimestamp === undefined);
  });
  await waitForInjection(cluster);
}

/** Prepares a suite: loads the images, installs the chart with default values, and creates a namespace. */
export async function installedCluster(): Promise<{ cluster: TestCluster; namespace: string }> {
  const cluster = new TestCluster();
  await prepareImages();
  await installChart(cluster, {});
  return { cluster, namespace: await cluster.namespace() };
}

/** Waits until injection works, because the API server applies a new webhook configuration only after a short delay. */
export async function waitForInjection(cluster: TestCluster): Promise<void> {
  await waitInCluster('injection into pods', async () => {
    const pod = await cluster.createPod('default', requestingPod('probe'), { dryRun: true });
    return pod.spec?.initContainers?.some(({ name }) => name === 'pannier');
  });
  await waitInCluster('rejection of pods with invalid annotations', async () => {
    const pod = requestingPod('probe');
    pod.metadata.annotations['pannier.dev/inject'] = 'perhaps';
    return (await cluster.refusal('default', pod)) !== '';
  });
}

export interface RequestingPod {
  metadata: { name: string; annotations: Record<string, string>; labels?: Record<string, string> };
  spec: { containers: { name: string; image: string; command?: string[] }[] };
}

/** Returns a minimal pod that requests injection and runs until it is stopped. */
export function requestingPod(name: string, annotations: Record<string, string> = {}): RequestingPod {
  return {
    metadata: { name, annotations: { 'pannier.dev/inject': 'true', ...annotations } },
    spec: {
      containers: [{ ...WAITING_CONTAINER }],
    },
  };
}

/**
 * Returns the number of reviews that all replicas of the injector have answered. The keys have the form `webhook
 * outcome`.
 */
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

/** Returns the expiry of the certificate that each replica of the injector serves, as Unix time in seconds. */
export async function servedExpiries(cluster: TestCluster): Promise<number[]> {
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
