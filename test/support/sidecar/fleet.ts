/**
 * Starts the fleet of the fault tests: three sidecars with one client each, on a real Cluster of 3 masters and 3
 * replicas.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RedisCluster, startCluster } from '../redis/cluster.ts';
import { waitFor } from '../wait.ts';
import { connectPannier, type PannierClient } from './pannier-client.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

export interface Fleet {
  cluster: RedisCluster;
  sidecars: readonly [Sidecar, Sidecar, Sidecar];
  clients: readonly [PannierClient, PannierClient, PannierClient];
  stop(): Promise<void>;
}

export async function startFleet(
  options: { policyFile?: string; settings?: Record<string, string> } = {},
): Promise<Fleet> {
  const cluster = await startCluster({ masters: 3, replicas: 3, nodeTimeoutMs: 2_000 });
  const settings: Record<string, string> = { PANNIER_REDIS_URL: cluster.urls, ...options.settings };
  if (options.policyFile !== undefined) {
    settings.PANNIER_POLICY_FILE = writePolicyFile(options.policyFile);
  }
  const sidecars: Fleet['sidecars'] = [
    await startSidecar(settings),
    await startSidecar(settings),
    await startSidecar(settings),
  ];
  for (const sidecar of sidecars) {
    await waitUntilReady(sidecar);
  }
  const clients: Fleet['clients'] = [
    connectPannier(sidecars[0].address),
    connectPannier(sidecars[1].address),
    connectPannier(sidecars[2].address),
  ];
  return {
    cluster,
    sidecars,
    clients,
    stop: async () => {
      for (const client of clients) {
        client.close();
      }
      await Promise.all(sidecars.map((sidecar) => sidecar.stop()));
      await cluster.stop();
    },
  };
}

/** Writes a policy file into a new directory, as a ConfigMap mount does, and returns its path. */
export function writePolicyFile(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'pannier-policies-')), 'policies.yaml');
  writeFileSync(path, text);
  return path;
}

export async function waitUntilReady(sidecar: Sidecar): Promise<void> {
  await waitFor('the sidecar to be ready with its store', async () => {
    const response = await fetch(`${sidecar.adminUrl}/readyz`);
    return response.status === 200;
  });
}

/** Returns the sum of all series of a metric whose line contains `labels`, or 0 if there is no such series. */
export async function readMetric(sidecar: Sidecar, name: string, labels = ''): Promise<number> {
  const text = await (await fetch(`${sidecar.adminUrl}/metrics`)).text();
  let sum = 0;
  for (const line of text.split('\n')) {
    const isSeries = line.startsWith(`${name} `) || line.startsWith(`${name}{`);
    if (isSeries && line.includes(labels)) {
      sum += Number(line.slice(line.lastIndexOf(' ') + 1));
    }
  }
  return sum;
}
