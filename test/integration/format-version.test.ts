/**
 * Tests a sidecar whose Redis contains data in another format. Also tests the instance id of a sidecar.
 */

import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { readMetric } from '../support/sidecar/fleet.ts';
import { connectPannier, type PannierClient } from '../support/sidecar/pannier-client.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

const FAILED_PRECONDITION = 9;
const LIMITS = [{ name: 'a', algorithm: 'ALGORITHM_FIXED_WINDOW', limit: 5, windowMs: 60_000 }] as const;
const KEY = Buffer.from('key');

let redis: RedisNode;
let sidecar: Sidecar;
let client: PannierClient;

beforeEach(async () => {
  redis = await startRedis();
});

afterEach(async () => {
  client?.close();
  await sidecar?.stop();
  await redis?.stop();
});

async function start(): Promise<void> {
  sidecar = await startSidecar({ PANNIER_REDIS_URL: redis.url });
  client = connectPannier(sidecar.address);
}

async function readyz(): Promise<{ status: number; text: string }> {
  const response = await fetch(`${sidecar.adminUrl}/readyz`);
  return { status: response.status, text: await response.text() };
}

async function callState() {
  return [
    await client.checkRateLimit({ key: 'a', limits: [...LIMITS] }),
    await client.createSession({ userId: 'ann' }),
    await client.getSession({ sessionId: 'c2VsZWN0b3ItYWFhYWFhYQ.c2VjcmV0LWJiYmJiYmJiYg' }),
  ];
}

async function callCache() {
  return [await client.cacheSet({ key: KEY, value: KEY }), await client.cacheGet({ key: KEY })];
}

function codesOf(answers: readonly ({ ok: true } | { ok: false; code: number })[]): (number | 'ok')[] {
  return answers.map((answer) => (answer.ok ? 'ok' : answer.code));
}

test('does not become ready and rejects limits and sessions of a newer format, but serves the cache', async () => {
  await redis.command('SET', 'pannier:format:{state}', '3');
  await start();
  const page = await waitFor('the refusal', async () => {
    const seen = await readyz();
    return seen.text.includes('all calls are refused') ? seen : undefined;
  });
  expect(page.status).toBe(503);
  expect(page.text).toContain(
    'redis state: all calls are refused: the stored data has format 3, but this release reads formats 1 to 2; upgrade this sidecar',
  );
  const refused = await callState();
  expect(codesOf(refused)).toEqual([FAILED_PRECONDITION, FAILED_PRECONDITION, FAILED_PRECONDITION]);
  expect(refused.map((answer) => (answer.ok ? '' : answer.details)).join('\n')).toContain('format 3');
  expect(codesOf(await callCache())).toEqual(['ok', 'ok']);
  expect(await readMetric(sidecar, 'pannier_redis_format_refused', 'role="state"')).toBe(1);
  expect(await readMetric(sidecar, 'pannier_redis_format_refused', 'role="cache"')).toBe(0);
  const errors = sidecar.logLines().filter((line) => line.level === 'error');
  expect(errors).toEqual([expect.objectContaining({ role: 'state', detail: expect.stringContaining('format 3') })]);
  await redis.command('SET', 'pannier:format:{state}', '2');
  await waitFor('service', async () => (await readyz()).status === 200, 20_000);
  expect(codesOf([(await callState())[0]].filter((answer) => answer !== undefined))).toEqual(['ok']);
  expect(await readMetric(sidecar, 'pannier_redis_format_refused', 'role="state"')).toBe(0);
  expect(await redis.command('GET', 'pannier:format:{state}')).toBe('2');
});

test('stays ready and rejects the calls of a cache with a newer format from the next connect on', async () => {
  await start();
  await waitFor('readiness', async () => (await readyz()).status === 200);
  expect(codesOf(await callCache())).toEqual(['ok', 'ok']);
  await redis.command('SET', 'pannier:format:{cache}', '3');
  await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await waitFor('the refusal', async () => codesOf(await callCache()).every((code) => code === FAILED_PRECONDITION));
  await waitFor('limits', async () => codesOf(await callState())[0] === 'ok');
  expect(await readyz()).toMatchObject({
    status: 200,
    text: expect.stringContaining('redis cache: all calls are refused'),
  });
});

test('shows its instance id in the log, on /readyz and in the metrics, uses another one in each process, and stores it in no key', async () => {
  await start();
  await waitFor('readiness', async () => (await readyz()).status === 200);
  await callState();
  await callCache();
  const instance = String(sidecar.logLines().find((line) => line.msg === 'serving')?.instance);
  expect(instance).toMatch(/^[0-9a-f]{8}$/);
  expect((await readyz()).text).toContain(`\ninstance ${instance}\n`);
  expect(await readMetric(sidecar, 'pannier_instance_info', `instance="${instance}"`)).toBe(1);
  const keys = ((await redis.command('KEYS', '*')) as string[]).map(String);
  expect(keys.length).toBeGreaterThan(0);
  expect(keys.join('\n')).not.toContain(instance);
  const other = await startSidecar({});
  const otherInstance = String(other.logLines().find((line) => line.msg === 'serving')?.instance);
  await other.stop();
  expect(otherInstance).toMatch(/^[0-9a-f]{8}$/);
  expect(otherInstance).not.toBe(instance);
});
