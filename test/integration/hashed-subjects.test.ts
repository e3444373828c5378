/**
 * Tests hashed subjects: what Redis stores, what MONITOR and SLOWLOG show, and which sidecars share a count.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DecidedBy } from '../../src/grpc/generated/pannier/v1/DecidedBy.ts';
import { monitored } from '../support/redis/monitor.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitUntilReady } from '../support/sidecar/fleet.ts';
import { connectPannier, type PannierClient } from '../support/sidecar/pannier-client.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';

const SECRET = 'sk-live-1';
const HOUR_MS = 3_600_000;
const INLINE = [{ name: 'hour', algorithm: 'ALGORITHM_FIXED_WINDOW', limit: 100, windowMs: HOUR_MS }] as const;
const POLICIES = `policies:
  hashed: { limits: [{ algorithm: fixed_window, limit: 100, per: 1h }], hash_subjects: true }
  clear: { limits: [{ algorithm: fixed_window, limit: 100, per: 1h }] }
`;

const directory = mkdtempSync(join(tmpdir(), 'pannier-hashed-'));
const policyFile = join(directory, 'policies.yaml');
const keyFile = join(directory, 'key');
const otherKeyFile = join(directory, 'other-key');
const opened: { sidecar: Sidecar; client: PannierClient }[] = [];
let server: RedisNode;

beforeAll(async () => {
  writeFileSync(policyFile, POLICIES);
  writeFileSync(keyFile, 'a key of more than 16 bytes\n');
  writeFileSync(otherKeyFile, 'another key of more than 16 bytes\n');
  server = await startRedis({ args: ['--slowlog-log-slower-than', '0', '--slowlog-max-len', '10000'] });
}, 60_000);

beforeEach(async () => {
  await server.command('FLUSHALL');
  await server.command('SLOWLOG', 'RESET');
});

afterEach(async () => {
  for (const { sidecar, client } of opened.splice(0)) {
    client.close();
    await sidecar.stop();
  }
});

afterAll(async () => {
  await server?.stop();
  rmSync(directory, { recursive: true });
});

async function open(settings: Record<string, string>): Promise<{ sidecar: Sidecar; client: PannierClient }> {
  const sidecar = await startSidecar({
    PANNIER_REDIS_URL: server.url,
    PANNIER_POLICY_FILE: policyFile,
    PANNIER_REDIS_COMMAND_TIMEOUT_MS: '5000',
    ...settings,
  });
  await waitUntilReady(sidecar);
  const client = connectPannier(sidecar.address);
  opened.push({ sidecar, client });
  return { sidecar, client };
}

/** Checks a limit of 100 units and returns the remaining units. Uses inline limits if `policy` is empty. */
async function take(client: PannierClient, policy: string): Promise<number> {
  const target = policy === '' ? { limits: [...INLINE] } : { policy };
  const ended = await client.checkRateLimit({ key: SECRET, ...target }, { deadlineMs: 20_000 });
  expect(ended).toMatchObject({ ok: true, response: { decidedBy: DecidedBy.DECIDED_BY_STORE } });
  return ended.ok ? Number(ended.response.remaining) : Number.NaN;
}

async function everythingInRedis(): Promise<string> {
  const keys = (await server.command('KEYS', '*')) as string[];
  const slow = await server.command('SLOWLOG', 'GET', '-1');
  return JSON.stringify([keys, slow]);
}

test.each([
  { name: 'with a key', settings: { PANNIER_SUBJECT_KEY_FILE: keyFile }, form: '|h:k:' },
  { name: 'without a key', settings: {}, form: '|h:s:' },
])(
  '$name, no key, no MONITOR output and no SLOWLOG contains a short secret, with hashing by policy or for all limits',
  async (one) => {
    const byPolicy = await open(one.settings);
    const forAll = await open({ ...one.settings, PANNIER_HASH_SUBJECTS: 'true' });
    const text = await monitored(server, async () => {
      expect(await take(byPolicy.client, 'hashed')).toBe(99);
      expect(await take(forAll.client, 'hashed')).toBe(98);
      expect(await take(forAll.client, 'clear')).toBe(99);
      expect(await take(forAll.client, '')).toBe(99);
      await forAll.client.checkRateLimit({ key: SECRET, policy: 'clear', cost: 0 });
      const reset = await forAll.client.resetRateLimit({ key: SECRET, limits: [...INLINE] });
      expect(reset).toMatchObject({ ok: true, response: { existed: true } });
      const resetPolicy = await byPolicy.client.resetRateLimit({ key: SECRET, policy: 'hashed' });
      expect(resetPolicy).toMatchObject({ ok: true, response: { existed: true } });
      expect(await take(byPolicy.client, 'hashed')).toBe(99);
    });
    expect(text).toContain(one.form);
    expect(`${text}${await everythingInRedis()}`).not.toContain(SECRET);
    const outputs = [byPolicy, forAll].map(({ sidecar }) => sidecar.output()).join('');
    expect(outputs).not.toContain('more than 16 bytes');
    expect(outputs.includes('hashed without a key')).toBe(one.form === '|h:s:');
  },
  60_000,
);

test('stores subjects in plain text without the option, so that the previous test would find them', async () => {
  const { client } = await open({});
  const text = await monitored(server, async () => void (await take(client, 'clear')));
  expect(text).toContain(SECRET);
  expect(await everythingInRedis()).toContain(SECRET);
}, 60_000);

test('sidecars with the same key share a count, and sidecars with another key, no key or no hashing do not', async () => {
  const all = { PANNIER_HASH_SUBJECTS: 'true' };
  const one = await open({ ...all, PANNIER_SUBJECT_KEY_FILE: keyFile });
  const same = await open({ ...all, PANNIER_SUBJECT_KEY_FILE: keyFile });
  const other = await open({ ...all, PANNIER_SUBJECT_KEY_FILE: otherKeyFile });
  const unkeyed = await open(all);
  const clear = await open({});
  const remaining: number[] = [];
  for (const { client } of [one, same, other, unkeyed, clear]) {
    remaining.push(await take(client, ''));
  }
  expect(remaining).toEqual([99, 98, 99, 99, 99]);
}, 60_000);
