/**
 * Tests a sidecar on a TLS Cluster that announces IP addresses and has certificates for a host name. The connections
 * use the TLS settings, and /readyz and the metrics show each node with the address to which the sidecar connects.
 */

import { type RedisCluster, startCluster } from '../support/redis/cluster.ts';
import { makeTls, type TestTls } from '../support/redis/tls.ts';
import { waitUntilReady } from '../support/sidecar/fleet.ts';
import { connectPannier } from '../support/sidecar/pannier-client.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

let tls: TestTls;
let cluster: RedisCluster;
let sidecar: Sidecar | undefined;

beforeAll(async () => {
  tls = await makeTls({ names: ['localhost'] });
  cluster = await startCluster({ tls, replicas: 0 });
});

afterEach(async () => {
  await sidecar?.stop();
});

afterAll(async () => {
  await cluster.stop();
  tls.remove();
});

async function start(settings: Record<string, string>): Promise<Sidecar> {
  sidecar = await startSidecar({
    PANNIER_REDIS_URL: cluster.nodes.map(({ port }) => `rediss://localhost:${port}`).join(','),
    PANNIER_REDIS_TLS_CA_FILE: tls.authorityFile,
    PANNIER_REDIS_COMMAND_TIMEOUT_MS: '2000',
    PANNIER_REDIS_CONNECT_TIMEOUT_MS: '5000',
    ...settings,
  });
  return sidecar;
}

async function readyText({ adminUrl }: Sidecar): Promise<string> {
  return await (await fetch(`${adminUrl}/readyz`)).text();
}

test.each([
  ['the server name', { PANNIER_REDIS_TLS_SERVER_NAME: 'localhost' }, '127.0.0.1'],
  ['the address map', { PANNIER_REDIS_ADDRESS_MAP: '127.0.0.1=localhost' }, 'localhost'],
])('with %s, decides limits in Redis', async (_, settings, host) => {
  const running = await start(settings);
  await waitUntilReady(running);
  const limits = [{ name: 'a', algorithm: 'ALGORITHM_TOKEN_BUCKET', limit: 1_000, windowMs: 60_000 }] as const;
  const client = connectPannier(running.address);
  for (let index = 0; index < 30; index += 1) {
    const ended = await client.checkRateLimit({ key: `subject-${index}`, limits: [...limits] });
    expect(ended).toMatchObject({ ok: true, response: { decidedBy: 1 } });
  }
  client.close();
  const text = await readyText(running);
  const metrics = await (await fetch(`${running.adminUrl}/metrics`)).text();
  const counted = new Set(metrics.match(/(?<=pannier_redis_\S*node=")[^"]+/g));
  const names = cluster.nodes.map(({ port }) => `${host}:${port}`).sort();
  expect([...counted].sort()).toEqual(names);
  expect(names.filter((name) => !text.includes(`redis state ${name}: connected`))).toEqual([]);
});

test('without them, does not reach Redis, and logs the settings that help', async () => {
  const { logLines } = await start({});
  const hint = await waitFor('the hint', () => logLines().find((line) => line.hint !== undefined)?.hint);
  expect(hint).toContain('PANNIER_REDIS_TLS_SERVER_NAME');
  expect(hint).toContain('PANNIER_REDIS_ADDRESS_MAP');
});
