/**
 * Tests that all sidecars share one count. On a Cluster, 64 callers of three sidecars use the same subject. Together
 * they receive exactly as many units as the limit allows.
 */
import { type Fleet, startFleet } from '../support/sidecar/fleet.ts';
import type { PannierClient } from '../support/sidecar/pannier-client.ts';

const LIMIT = 100;
const CALLERS = 64;
const CALLS_PER_CALLER = 8;

const ALGORITHMS = [
  'ALGORITHM_FIXED_WINDOW',
  'ALGORITHM_SLIDING_WINDOW_LOG',
  'ALGORITHM_SLIDING_WINDOW_COUNTER',
  'ALGORITHM_TOKEN_BUCKET',
  'ALGORITHM_LEAKY_BUCKET',
] as const;

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet();
});

afterAll(async () => {
  await fleet?.stop();
});

/** Returns the total number of units that `CALLERS` concurrent callers of all three sidecars have received. */
async function admittedUnits(check: (client: PannierClient) => Promise<number>): Promise<number> {
  let admitted = 0;
  async function caller(index: number): Promise<void> {
    for (let turn = 0; turn < CALLS_PER_CALLER; turn += 1) {
      const units = await check(fleet.clients[(index + turn) % 3] as PannierClient);
      admitted += units;
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, (_, index) => caller(index)));
  return admitted;
}

test.each(ALGORITHMS)('%s allows exactly the limit', async (algorithm) => {
  const admitted = await admittedUnits(async (client) => {
    const ended = await client.checkRateLimit({
      key: 'one-subject',
      limits: [{ name: 'hour', algorithm, limit: LIMIT, windowMs: 3_600_000 }],
    });
    if (!ended.ok) {
      throw new Error(`cannot check a rate limit: ${ended.details}`);
    }
    expect(ended.response.decidedBy).toBe(1);
    return ended.response.allowed ? 1 : 0;
  });
  expect(admitted).toBe(LIMIT);
});

test('a call with two limits consumes units of both or of neither', async () => {
  const limits = [
    { name: 'small', algorithm: 'ALGORITHM_FIXED_WINDOW', limit: 30, windowMs: 86_400_000 },
    { name: 'large', algorithm: 'ALGORITHM_FIXED_WINDOW', limit: LIMIT, windowMs: 86_400_000 },
  ] as const;
  const admitted = await admittedUnits(async (client) => {
    const ended = await client.checkRateLimit({ key: 'two-limits', limits: [...limits] });
    return ended.ok && ended.response.allowed ? 1 : 0;
  });
  expect(admitted).toBe(30);
  const look = await fleet.clients[0].checkRateLimit({ key: 'two-limits', cost: 0, limits: [limits[1]] });
  expect(look.ok && look.response.remaining).toBe(LIMIT - 30);
});

test('every key has a TTL', async () => {
  const immortal: string[] = [];
  for (const node of fleet.cluster.masters()) {
    const keys = (await node.command('KEYS', '*')) as unknown[];
    for (const key of keys) {
      const ttlMs = (await node.command('PTTL', String(key))) as number;
      if (ttlMs === -1) {
        immortal.push(String(key));
      }
    }
  }
  expect(immortal).toEqual([]);
});
