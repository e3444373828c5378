/**
 * Tests a sidecar without Redis. The sidecar removes expired entries from its three stores even if it receives no
 * calls, and expired entries do not displace live entries.
 */
import { connectPannier, type PannierClient } from '../support/sidecar/pannier-client.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

const HOUR_MS = 3_600_000;
const MAX_ENTRIES = 1_000;
const PATIENCE_MS = 60_000;

let sidecar: Sidecar;
let client: PannierClient;

beforeEach(async () => {
  sidecar = await startSidecar({ PANNIER_MEMORY_STORE_MAX_ENTRIES: String(MAX_ENTRIES) });
  client = connectPannier(sidecar.address);
});

afterEach(async () => {
  client.close();
  await sidecar.stop();
});

async function check(key: string, windowMs: number): Promise<boolean> {
  const limits = [{ name: 'login', algorithm: 'ALGORITHM_FIXED_WINDOW' as const, limit: 1, windowMs }];
  const ended = await client.checkRateLimit({ key, limits }, { deadlineMs: PATIENCE_MS });
  if (!ended.ok) {
    throw new Error(`cannot check ${key}: ${ended.details}`);
  }
  return ended.response.allowed;
}

async function createSession(userId: string, ttlMs: number): Promise<string | undefined> {
  const lives = { idleTtlMs: ttlMs, absoluteTtlMs: ttlMs };
  const ended = await client.createSession({ userId, ...lives }, { deadlineMs: PATIENCE_MS });
  return ended.ok ? ended.response.session?.sessionId : undefined;
}

async function isCached(key: string): Promise<boolean> {
  const ended = await client.cacheGet({ namespace: 'n', key: Buffer.from(key) }, { deadlineMs: PATIENCE_MS });
  return ended.ok && ended.response.value !== undefined && ended.response.value.length > 0;
}

async function setCached(key: string, ttlMs: number): Promise<void> {
  const entry = { namespace: 'n', key: Buffer.from(key), value: Buffer.from('value'), ttlMs, tags: ['tag'] };
  const ended = await client.cacheSet(entry, { deadlineMs: PATIENCE_MS });
  expect(ended).toMatchObject({ ok: true });
}

/** Returns the values of a metric by store: rate_limit, session, cache. */
async function readMetric(name: string): Promise<Record<string, number>> {
  const text = await (await fetch(`${sidecar.adminUrl}/metrics`)).text();
  const rows = [...text.matchAll(new RegExp(`^${name}\\{store="(\\w+)"\\} (\\S+)$`, 'gm'))];
  return Object.fromEntries(rows.map(([, store = '', value]) => [store, Number(value)]));
}

test('removes expired entries from all stores and the metrics without a call (D1, D11)', async () => {
  for (let index = 0; index < 100; index += 1) {
    await check(`key-${index}`, 1_000);
    await createSession(`user-${index}`, 1_000);
    await setCached(`key-${index}`, 1_000);
  }
  const full = await readMetric('pannier_memory_store_bytes');
  expect(Object.keys(full).sort()).toEqual(['cache', 'rate_limit', 'session']);
  const entries = await waitFor(
    'the entries to expire',
    async () => {
      const sizes = await readMetric('pannier_memory_store_entries');
      return Object.values(sizes).every((size) => size === 0) ? sizes : undefined;
    },
    PATIENCE_MS,
  );
  expect(entries).toEqual({ rate_limit: 0, session: 0, cache: 0 });
  const bytes = await readMetric('pannier_memory_store_bytes');
  // The store keeps the version of a tag for a minute longer than the entries with this tag.
  expect(bytes).toMatchObject({ rate_limit: 0, session: 0 });
  expect(await readMetric('pannier_memory_store_evictions_total')).not.toMatchObject({
    rate_limit: expect.any(Number),
  });
}, 120_000);

test('warns at startup if the heap is too small for the bounds of three stores', async () => {
  const settings = { NODE_OPTIONS: '--max-old-space-size=96 --max-semi-space-size=4' };
  const large = await startSidecar({ ...settings, PANNIER_MEMORY_STORE_MAX_BYTES: '33554432' });
  const usual = await startSidecar(settings);
  const warningsOf = ({ logLines }: Sidecar) =>
    logLines().filter((line) => String(line.msg).includes('PANNIER_MEMORY_STORE_MAX_BYTES'));
  expect(warningsOf(large)).toMatchObject([{ maxBytes: 33_554_432 }]);
  expect(warningsOf(usual)).toEqual([]);
  await Promise.all([large.stop(), usual.stop()]);
});

test('evicts no live limit while there are expired ones, regardless of the last use (D2)', async () => {
  expect(await check('victim', HOUR_MS)).toBe(true);
  expect(await check('victim', HOUR_MS)).toBe(false);
  // The other limits expire while the test creates them, so that no sweep runs between the last expiry and the next
  // call.
  for (let index = 0; index < MAX_ENTRIES + 500; index += 1) {
    await check(`other-${index}`, 1);
  }
  expect(await check('one more', 1)).toBe(true);
  expect(await check('victim', HOUR_MS)).toBe(false);
}, 120_000);

test('evicts no live cache entry while there are expired ones, and neither ends nor rejects a session (D2)', async () => {
  await setCached('victim', HOUR_MS);
  const sessionId = await createSession('victim', HOUR_MS);
  for (let index = 0; index < MAX_ENTRIES + 500; index += 1) {
    await setCached(`other-${index}`, 1);
    expect(await createSession(`user-${index}`, 1)).toBeDefined();
  }
  expect(await isCached('victim')).toBe(true);
  const read = await client.getSession({ sessionId: sessionId ?? '' }, { deadlineMs: PATIENCE_MS });
  expect(read).toMatchObject({ ok: true });
}, 120_000);
