/**
 * Tests a real sidecar whose optional policy file has errors: at start, after a correction, and after the next error.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectPannier, type PannierClient } from '../support/sidecar/pannier-client.ts';
import { AS_IN_A_CONTAINER, type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

const NOT_FOUND = 5;
const FAILED_PRECONDITION = 9;

let directory: string;
let path: string;
let sidecar: Sidecar | undefined;
let client: PannierClient;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pannier-policy-errors-'));
  path = join(directory, 'policies.yaml');
});

afterEach(async () => {
  client?.close();
  await sidecar?.stop();
  sidecar = undefined;
  rmSync(directory, { recursive: true, force: true });
});

async function start(): Promise<Sidecar> {
  sidecar = await startSidecar({ PANNIER_POLICY_FILE: path, PANNIER_POLICY_FILE_OPTIONAL: 'true' });
  client = connectPannier(sidecar.address);
  return sidecar;
}

/** Replaces the file as a whole, so that the sidecar never reads a part of it. */
function publish(text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

async function ready(): Promise<string> {
  const response = await fetch(`${sidecar?.adminUrl}/readyz`);
  expect(response.status).toBe(200);
  return await response.text();
}

async function problemCount(): Promise<number> {
  const text = await (await fetch(`${sidecar?.adminUrl}/metrics`)).text();
  return Number(/^pannier_policy_file_problems (\d+)$/m.exec(text)?.[1]);
}

function errorLines(): Record<string, unknown>[] {
  return (sidecar?.logLines() ?? []).filter((line) => JSON.stringify(line).includes('policy file has errors'));
}

/** Returns `allowed`, or the code and the text of the error. */
async function check(policy: string): Promise<string> {
  const ended = await client.checkRateLimit({ policy, key: 'ada' });
  return ended.ok ? `allowed ${ended.response.allowed}` : `${ended.code} ${ended.details}`;
}

const limitsOf = (per: string): string => `{ limits: [{ algorithm: fixed_window, limit: 1000, per: ${per} }] }`;
const MIXED = `policies:
  good: ${limitsOf('1h')}
  bad: ${limitsOf('1minute')}
cache:
  users: { ttl: 5 }
  carts: { ttl: 1m }
sessions: { idle: x }
`;
const VALID = `policies:\n  good: ${limitsOf('1h')}\n  bad: ${limitsOf('1m')}\n`;
const PER = 'policies.bad.limits[0].per must be a duration such as 500ms, 1s, 5m, 1h or 2d, got "1minute"';

test('serves the valid parts of a file with errors, and names the error in every other place', async () => {
  publish(MIXED);
  await start();
  const problem = `${path}:3:64: ${PER}`;
  expect(await check('good')).toBe('allowed true');
  const text = `the policy "bad" cannot be used: ${problem}; correct the policy file`;
  expect(await check('bad')).toBe(`${FAILED_PRECONDITION} cannot check rate limit: ${text}`);
  expect(await client.checkRateLimit({ policy: 'bad', key: 'ada', cost: 0 })).toMatchObject({
    code: FAILED_PRECONDITION,
  });
  expect(await client.resetRateLimit({ policy: 'bad', key: 'ada' })).toMatchObject({
    code: FAILED_PRECONDITION,
    details: `cannot reset rate limit: ${text}`,
  });
  expect(await check('other')).toContain(`${NOT_FOUND} cannot check rate limit: the policy file has no policy "other"`);
  const inline = { name: 'm', algorithm: 'ALGORITHM_FIXED_WINDOW', limit: 5, windowMs: 60_000 } as const;
  expect(await client.checkRateLimit({ key: 'ada', limits: [inline] })).toMatchObject({ ok: true });

  const key = Buffer.from('a');
  const value = Buffer.from('b');
  expect(await client.cacheSet({ namespace: 'users', key, value })).toMatchObject({
    code: FAILED_PRECONDITION,
    details: expect.stringContaining('the cache namespace "users" cannot be used: '),
  });
  expect(await client.cacheSet({ namespace: 'users', key, value, ttlMs: 60_000 })).toMatchObject({ ok: true });
  expect(await client.cacheGet({ namespace: 'users', key })).toMatchObject({ ok: true, response: { value } });
  expect(await client.cacheSet({ namespace: 'carts', key, value })).toMatchObject({ ok: true });
  expect(await client.createSession({ userId: 'ada' })).toMatchObject({
    code: FAILED_PRECONDITION,
    details: expect.stringMatching(
      /^cannot create session: the section sessions cannot be used: .*:7:19: sessions\.idle /,
    ),
  });

  const lines = (await ready()).split('\n');
  expect(lines[0]).toBe('ready');
  expect(lines).toContain(`policy file: ${problem}`);
  expect(await problemCount()).toBe(3);
  expect(errorLines()).toEqual([expect.objectContaining({ errorCount: 3, errors: expect.arrayContaining([problem]) })]);
});

test('loads a corrected file without a restart, and keeps its policies when it has errors again', async () => {
  publish(MIXED);
  await start();
  publish(VALID);
  await waitFor('the corrected file', async () => (await check('bad')) === 'allowed true');
  expect(await client.createSession({ userId: 'ada' })).toMatchObject({ ok: true });
  expect([await problemCount(), (await ready()).includes('policy file')]).toEqual([0, false]);

  publish(MIXED.replace('good:', 'added:'));
  await waitFor('the new policy', async () => (await check('added')) === 'allowed true');
  expect([await check('bad'), await check('good')]).toEqual(['allowed true', 'allowed true']);
  expect(await client.createSession({ userId: 'ada' })).toMatchObject({ ok: true });
  expect(await problemCount()).toBe(3);
  expect(await ready()).toContain(`policy file: ${path}:3:64: ${PER}\n`);
  expect(errorLines()).toHaveLength(2);

  publish('policies: {');
  await waitFor('the metric', async () => (await problemCount()) === 1);
  expect([await check('bad'), await check('added')]).toEqual(['allowed true', 'allowed true']);
  expect(await check('other')).toContain(
    `${FAILED_PRECONDITION} cannot check rate limit: the policy "other" cannot be used`,
  );
});

test('starts with a file that cannot be parsed, and every call that needs the file fails', async () => {
  publish('policies:\n  good: [\n');
  await start();
  expect(await check('good')).toMatch(
    /^9 .*policies\.yaml:3:1: cannot parse the file as YAML: .*; correct the policy file$/,
  );
  const inline = { name: 'm', algorithm: 'ALGORITHM_FIXED_WINDOW', limit: 5, windowMs: 60_000 } as const;
  expect(await client.checkRateLimit({ key: 'ada', limits: [inline] })).toMatchObject({ ok: true });
  expect(await client.cacheSet({ key: Buffer.from('a'), value: Buffer.from('b') })).toMatchObject({
    code: FAILED_PRECONDITION,
  });
  expect(await ready()).toMatch(/^policy file: .*:3:1: cannot parse the file as YAML/m);
  expect(await problemCount()).toBe(1);
});

test('names the missing key of a mounted ConfigMap, and loads the file once the key exists', async () => {
  const mount = (version: string, key: string): void => {
    mkdirSync(join(directory, version));
    writeFileSync(join(directory, version, key), VALID);
    symlinkSync(version, join(directory, '..next'));
    renameSync(join(directory, '..next'), join(directory, '..data'));
    symlinkSync(`..data/${key}`, join(directory, key));
  };
  mount('..v1', 'policy.yml');
  await start();
  expect(await ready()).toContain(
    'the ConfigMap has no key policies.yaml, only policy.yml; rename the key to policies.yaml',
  );
  expect(await problemCount()).toBe(1);
  expect(await check('good')).toContain(
    `${FAILED_PRECONDITION} cannot check rate limit: the policy "good" cannot be used`,
  );
  expect(await client.createSession({ userId: 'ada' })).toMatchObject({ ok: true });
  mount('..v2', 'policies.yaml');
  await waitFor('the policies', async () => (await check('good')) === 'allowed true');
  expect(await problemCount()).toBe(0);
  const warnings = sidecar?.logLines().filter(({ msg }) => String(msg).startsWith('the ConfigMap has no key')) ?? [];
  expect(warnings).toEqual([expect.objectContaining({ key: 'policies.yaml', found: ['policy.yml'] })]);
});

test('is silent about an optional file that is missing', async () => {
  await start();
  expect(await check('good')).toContain(`${NOT_FOUND} `);
  expect([await problemCount(), (await ready()).includes('policy file')]).toEqual([0, false]);
});

test('starts with the heap of a container although the file would exhaust the heap, and serves other calls', async () => {
  publish('['.repeat(500_000));
  const heap = '--max-semi-space-size=4 --max-old-space-size=96';
  const settings = { PANNIER_POLICY_FILE: path, PANNIER_POLICY_FILE_OPTIONAL: 'true', NODE_OPTIONS: heap };
  sidecar = await startSidecar(settings, AS_IN_A_CONTAINER);
  client = connectPannier(sidecar.address);
  expect(await check('good')).toContain(
    `${FAILED_PRECONDITION} cannot check rate limit: the policy "good" cannot be used`,
  );
  const inline = { name: 'm', algorithm: 'ALGORITHM_FIXED_WINDOW', limit: 5, windowMs: 60_000 } as const;
  expect(await client.checkRateLimit({ key: 'ada', limits: [inline] })).toMatchObject({ ok: true });
  publish(VALID);
  await waitFor('the policies', async () => (await check('good')) === 'allowed true');
});
