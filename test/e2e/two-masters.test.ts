/**
 * Tests sidecars whose seeds are two different masters. The responses, the log, the metrics and /readyz report the
 * conflict. The sidecars write nothing until the conflict is resolved.
 */

import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { connectPannier, type PannierClient } from '../support/sidecar/pannier-client.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

const UNAVAILABLE = 14;

let a: RedisNode;
let b: RedisNode;
let sidecars: Sidecar[];
let clients: PannierClient[];

beforeAll(async () => {
  [a, b] = await Promise.all([startRedis(), startRedis()]);
  const settings = { PANNIER_REDIS_URL: `${a.url},${b.url}` };
  sidecars = await Promise.all([startSidecar(settings), startSidecar(settings)]);
  clients = sidecars.map(({ address }) => connectPannier(address));
});

afterAll(async () => {
  for (const client of clients) {
    client.close();
  }
  await Promise.all(sidecars.map((sidecar) => sidecar.stop()));
  await Promise.all([a.stop(), b.stop()]);
});

async function page(sidecar: Sidecar, path: string): Promise<string> {
  return await (await fetch(`${sidecar.adminUrl}${path}`)).text();
}

test('every sidecar rejects two masters among the seeds, and reports them in /readyz, in a metric and once in the log', async () => {
  const conflict = `127.0.0.1:${a.port}, 127.0.0.1:${b.port} are all masters`;
  for (const [index, sidecar] of sidecars.entries()) {
    await waitFor('the conflict in /readyz', async () => {
      const text = await page(sidecar, '/readyz');
      return ['state', 'cache'].every((role) =>
        text.includes(`redis ${role}: cannot choose a Redis master: ${conflict}`),
      );
    });
    const created = await clients[index]?.createSession({ userId: 'u' });
    expect(created).toMatchObject({ ok: false, code: UNAVAILABLE, details: expect.stringContaining(conflict) });
    const metrics = await page(sidecar, '/metrics');
    expect(metrics).toContain('pannier_redis_conflicting_masters{role="state"} 2\n');
    expect(metrics).toContain('pannier_redis_conflicting_masters{role="cache"} 2\n');
    // Both roles share one topology refresh, so a single log line names both roles.
    const reports = sidecar.logLines().filter(({ msg }) => String(msg).includes(conflict));
    expect(reports.map(({ role, level }) => [role, level])).toEqual([['state and cache', 'error']]);
  }
  expect([await a.command('DBSIZE'), await b.command('DBSIZE')]).toEqual([0, 0]);
  await a.command('REPLICAOF', b.host, String(b.port));
  for (const [index, sidecar] of sidecars.entries()) {
    const created = await waitFor(
      'a session',
      async () => {
        const ended = await clients[index]?.createSession({ userId: 'u' });
        return ended?.ok ? ended.response : undefined;
      },
      20_000,
    );
    const sessionId = created.session?.sessionId ?? '';
    // The other sidecar may need more time to find the master. Until then, its calls fail with UNAVAILABLE.
    const outcome = await waitFor('a response of the other sidecar', async () => {
      const ended = await clients[1 - index]?.getSession({ sessionId });
      return ended?.ok ? 'found' : ended?.code === UNAVAILABLE ? undefined : ended?.code;
    });
    expect(outcome).toBe('found');
    const metrics = await page(sidecar, '/metrics');
    expect(metrics).toContain('pannier_redis_conflicting_masters{role="state"} 0\n');
    expect(metrics).toContain('pannier_redis_master_changes_total{role="state"} 0\n');
    expect(await page(sidecar, '/readyz')).not.toContain('cannot choose');
  }
}, 90_000);
