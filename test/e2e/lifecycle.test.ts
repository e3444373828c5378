/**
 * Tests a sidecar from startup to shutdown. The sidecar starts without Redis and recovers, and it drains under load
 * without failing a call. The sidecar keeps its policies when a reload fails, and exports no additional series for
 * additional subjects.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedis } from '../support/redis/server.ts';
import { readMetric, waitUntilReady, writePolicyFile } from '../support/sidecar/fleet.ts';
import { startLoad } from '../support/sidecar/load.ts';
import { connectPannier } from '../support/sidecar/pannier-client.ts';
import { startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

const GOOD_POLICIES = 'policies:\n  api:\n    limits:\n      - { algorithm: fixed_window, limit: 3, per: 1h }\n';
const UNAVAILABLE = 14;
const inlineLimits = [{ name: 'a', algorithm: 'ALGORITHM_TOKEN_BUCKET', limit: 1_000, windowMs: 60_000 }] as const;

test('starts without Redis, lets failure modes decide, and recovers when Redis is available', async () => {
  const first = await startRedis();
  const { port } = first;
  await first.stop();
  const sidecar = await startSidecar({ PANNIER_REDIS_URL: `redis://127.0.0.1:${port}` });
  const client = connectPannier(sidecar.address);
  const without = await client.checkRateLimit({ key: 'a', limits: [...inlineLimits] });
  expect(without).toMatchObject({ ok: true, response: { allowed: true, decidedBy: 4 } });
  expect(await client.createSession({})).toMatchObject({ ok: false, code: UNAVAILABLE });
  expect(await client.cacheGet({ key: Buffer.from('a') })).toMatchObject({ ok: true, response: { outcome: 5 } });
  await waitUntilReady(sidecar);
  const redis = await startRedis({ port });
  await waitFor('a decision by the store', async () => {
    const ended = await client.checkRateLimit({ key: 'a', limits: [...inlineLimits] });
    return ended.ok && ended.response.decidedBy === 1;
  });
  expect(await client.createSession({})).toMatchObject({ ok: true });
  client.close();
  expect(await sidecar.stop()).toBe(0);
  await redis.stop();
}, 60_000);

test('drains under load after SIGTERM without a failed call, and exits with 0', async () => {
  const redis = await startRedis();
  const sidecar = await startSidecar({ PANNIER_REDIS_URL: redis.url });
  await waitUntilReady(sidecar);
  const client = connectPannier(sidecar.address);
  let isTerminated = false;
  const load = startLoad({
    callers: 32,
    pauseMs: 0,
    maxCalls: 200_000,
    call: async () => {
      // The sidecar may reject a call that starts after the signal, but must complete every call that was in flight at
      // the signal.
      const wasTerminated = isTerminated;
      const ended = await client.checkRateLimit({ key: 'a', limits: [...inlineLimits] });
      return { wasTerminated, failure: ended.ok ? '' : ended.details };
    },
  });
  await waitFor('the load to warm up', () => load.records().length > 500);
  isTerminated = true;
  sidecar.signal('SIGTERM');
  const code = await sidecar.ended;
  const records = await load.stop();
  expect(code).toBe(0);
  expect(records.filter(({ result }) => !result.wasTerminated && result.failure !== '')).toEqual([]);
  client.close();
  await redis.stop();
});

test('treats missing optional files as unset, and refuses to start without other files', async () => {
  const redis = await startRedis({});
  const missing = join(mkdtempSync(join(tmpdir(), 'pannier-missing-')), 'password');
  const settings = { PANNIER_REDIS_URL: redis.url, PANNIER_REDIS_PASSWORD_FILE: missing };
  const sidecar = await startSidecar({ ...settings, PANNIER_REDIS_FILES_OPTIONAL: 'true' });
  await waitUntilReady(sidecar);
  const client = connectPannier(sidecar.address);
  const ended = await client.checkRateLimit({ key: 'a', limits: [...inlineLimits] });
  expect(ended.ok && ended.response.decidedBy).toBe(1);
  client.close();
  await sidecar.stop();
  await expect(startSidecar({ ...settings, PANNIER_REDIS_TLS_CA_FILE: missing })).rejects.toThrow('ENOENT');
  await redis.stop();
});

test('uses a password that was rotated in its file for the next connection', async () => {
  const redis = await startRedis({ args: ['--requirepass', 'first'], password: 'first' });
  const passwordFile = join(mkdtempSync(join(tmpdir(), 'pannier-rotation-')), 'password');
  writeFileSync(passwordFile, 'first\n');
  const sidecar = await startSidecar({ PANNIER_REDIS_URL: redis.url, PANNIER_REDIS_PASSWORD_FILE: passwordFile });
  await waitUntilReady(sidecar);
  const client = connectPannier(sidecar.address);
  const decidedBy = async (): Promise<number> => {
    const ended = await client.checkRateLimit({ key: 'a', limits: [...inlineLimits] });
    return ended.ok ? ended.response.decidedBy : -1;
  };
  expect(await decidedBy()).toBe(1);
  await redis.command('CONFIG', 'SET', 'requirepass', 'second');
  await redis.command('CLIENT', 'KILL', 'TYPE', 'normal');
  await waitFor('the old password refused', async () => (await decidedBy()) === 4);
  await waitFor('the refusal on /readyz', async () => {
    const text = await (await fetch(`${sidecar.adminUrl}/readyz`)).text();
    return text.startsWith('ready') && text.includes('user name or password');
  });
  writeFileSync(passwordFile, 'second\n');
  await waitFor('the new password to be used', async () => (await decidedBy()) === 1);
  client.close();
  expect(await sidecar.stop()).toBe(0);
  await redis.stop();
});

test('keeps the policies and logs the errors of an invalid policy file, and loads a valid one', async () => {
  const path = writePolicyFile(GOOD_POLICIES);
  const sidecar = await startSidecar({ PANNIER_POLICY_FILE: path });
  const client = connectPannier(sidecar.address);
  const check = async (): Promise<unknown> => {
    const ended = await client.checkRateLimit({ policy: 'api', key: 'a', cost: 0 });
    return ended.ok ? ended.response.limit : ended.code;
  };
  expect(await check()).toBe(3);
  writeFileSync(path, 'policies:\n  api:\n    limits:\n      - { algorithm: fixed_window, limit: lots, per: 1h }\n');
  await waitFor('the error of the invalid file', () => sidecar.output().includes('lots'));
  expect(await check()).toBe(3);
  writeFileSync(path, GOOD_POLICIES.replace('limit: 3', 'limit: 7'));
  await waitFor('the valid file', async () => (await check()) === 7);
  client.close();
  expect(await sidecar.stop()).toBe(0);
});

test('exports the same series after 10,000 subjects', async () => {
  const redis = await startRedis();
  const sidecar = await startSidecar({ PANNIER_REDIS_URL: redis.url });
  await waitUntilReady(sidecar);
  const client = connectPannier(sidecar.address);
  /**
   * Returns the names and labels of the exported series. Omits the series that count lost connections and failed calls,
   * because a short pause of the machine can add these series.
   */
  const readSeries = async (): Promise<string[]> => {
    const text = await (await fetch(`${sidecar.adminUrl}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const series = lines.map((line) => line.slice(0, line.lastIndexOf(' ')));
    return series.filter((line) => !/^pannier_redis_(connections_lost|reconnects)|code="(?!OK)|failure_/.test(line));
  };
  const callAll = async (index: number): Promise<void> => {
    await client.checkRateLimit({ key: `subject-${index}`, limits: [...inlineLimits] });
    await client.cacheGet({ namespace: `namespace-${index}`, key: Buffer.from(`key-${index}`) });
    await client.getSession({ sessionId: `session-${index}` });
  };
  await callAll(0);
  const before = await readSeries();
  for (let start = 0; start < 10_000; start += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, offset) => callAll(start + offset)));
  }
  expect(await readSeries()).toEqual(before);
  expect(await readMetric(sidecar, 'pannier_grpc_calls_total', 'CheckRateLimit')).toBeGreaterThanOrEqual(10_000);
  client.close();
  await sidecar.stop();
  await redis.stop();
}, 120_000);
