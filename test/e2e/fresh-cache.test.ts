/**
 * Tests cache freshness: after an invalidation through one sidecar, no sidecar serves the old value from Redis or from
 * the near cache for longer than the staleness bound.
 */
import { type Fleet, startFleet } from '../support/sidecar/fleet.ts';
import { startLoad } from '../support/sidecar/load.ts';
import type { PannierClient } from '../support/sidecar/pannier-client.ts';
import { waitFor } from '../support/wait.ts';

/**
 * Staleness bound without leases. A near-cache entry expires 1 s after the sidecar has sent the read of the entry to
 * Redis.
 */
const BOUND_MS = 1_000;
const SOURCE_NEAR = 1;
const OUTCOME_HIT = 1;
const ROUNDS = 20;

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet({ policyFile: 'cache:\n  users: { ttl: 10m, near: true }\n' });
});

afterAll(async () => {
  await fleet?.stop();
});

async function set(client: PannierClient, key: string, value: string): Promise<void> {
  const ended = await client.cacheSet({ namespace: 'users', key: Buffer.from(key), value: Buffer.from(value) });
  if (!ended.ok) {
    throw new Error(`cannot set a cache value: ${ended.details}`);
  }
}

async function get(client: PannierClient, key: string): Promise<{ value: string | undefined; isNear: boolean }> {
  const ended = await client.cacheGet({ namespace: 'users', key: Buffer.from(key) });
  if (!ended.ok || ended.response.outcome !== OUTCOME_HIT) {
    return { value: undefined, isNear: false };
  }
  return { value: ended.response.value.toString(), isNear: ended.response.source === SOURCE_NEAR };
}

async function waitUntilNear(key: string): Promise<void> {
  for (const client of fleet.clients) {
    await waitFor('a near-cache entry', async () => (await get(client, key)).isNear);
  }
}

/**
 * Reads the key continuously through all three sidecars while `change` runs. Returns the reads that began after the end
 * of the change but received the old value.
 */
async function staleReads(key: string, change: () => Promise<void>): Promise<{ afterMs: number; lagMs: number }[]> {
  const load = startLoad({
    callers: 6,
    pauseMs: 2,
    maxCalls: 20_000,
    call: (caller) => get(fleet.clients[caller % 3] as PannierClient, key),
  });
  await waitFor('reads', () => load.records().length > 30);
  await change();
  const changedMs = performance.now();
  await waitFor('reads after the bound', () => performance.now() > changedMs + BOUND_MS + 200);
  const records = await load.stop();
  return records
    .filter((record) => record.startMs > changedMs && record.result.value === 'old')
    .map((record) => ({ afterMs: record.startMs - changedMs, lagMs: load.lagMs() }));
}

test('an invalidation through one sidecar reaches the near caches of all', async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const key = `user-${round}`;
    await set(fleet.clients[0], key, 'old');
    await waitUntilNear(key);
    const stale = await staleReads(key, async () => {
      await fleet.clients[round % 3]?.cacheInvalidate({ namespace: 'users', keys: [Buffer.from(key)] });
    });
    const late = stale.filter(({ afterMs, lagMs }) => afterMs > BOUND_MS + lagMs);
    expect(late).toEqual([]);
  }
}, 180_000);

test('a new value written through one sidecar replaces the near-cache entries of all', async () => {
  await set(fleet.clients[0], 'renamed', 'old');
  await waitUntilNear('renamed');
  const stale = await staleReads('renamed', () => set(fleet.clients[1], 'renamed', 'new'));
  expect(stale.filter(({ afterMs, lagMs }) => afterMs > BOUND_MS + lagMs)).toEqual([]);
  for (const client of fleet.clients) {
    expect((await get(client, 'renamed')).value).toBe('new');
  }
});

test('tags and whole namespaces are invalidated on all sidecars', async () => {
  const [first, second, third] = fleet.clients;
  await first.cacheSet({ namespace: 'users', key: Buffer.from('tagged'), value: Buffer.from('old'), tags: ['team'] });
  await set(first, 'plain', 'old');
  await waitUntilNear('plain');
  await second.cacheInvalidate({ namespace: 'users', tags: ['team'] });
  await waitFor('the tagged value to disappear', async () => {
    const reads = await Promise.all(fleet.clients.map((client) => get(client, 'tagged')));
    return reads.every((read) => read.value === undefined);
  });
  expect((await get(third, 'plain')).value).toBe('old');
  await third.cacheInvalidate({ namespace: 'users', all: true });
  await waitFor('the namespace to be empty', async () => {
    const reads = await Promise.all(fleet.clients.map((client) => get(client, 'plain')));
    return reads.every((read) => read.value === undefined);
  });
});

test('no near-cache entry outlives the bound when every subscriber connection is killed', async () => {
  await set(fleet.clients[0], 'cut', 'old');
  await waitUntilNear('cut');
  const stale = await staleReads('cut', async () => {
    for (const node of fleet.cluster.nodes) {
      await node.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    }
    await fleet.clients[1].cacheInvalidate({ namespace: 'users', keys: [Buffer.from('cut')] });
  });
  expect(stale.filter(({ afterMs, lagMs }) => afterMs > BOUND_MS + lagMs)).toEqual([]);
});
