/**
 * What the watch takes for a new file, look by look. Reloads of a running sidecar: test/integration/config-admin.test.ts.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../../test/support/wait.ts';
import { type Logger, silentLogger } from '../lib/logger.ts';
import { type PolicyWatch, watchPolicyFile } from './policy-watch.ts';

const NEVER_MS = 2 ** 31 - 1;

let directory: string;
let path: string;
let outcomes: string[];
let logged: { level: string; fields: object; message: string }[];
let watch: PolicyWatch | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pannier-policies-'));
  path = join(directory, 'policies.yaml');
  outcomes = [];
  logged = [];
});

function record(level: string): Logger['warn'] {
  return (fields, message) => void logged.push({ level, fields, message });
}

afterEach(() => {
  watch?.close();
  rmSync(directory, { recursive: true, force: true });
});

function start(): PolicyWatch {
  const onReload = (outcome: string): void => void outcomes.push(outcome);
  const log = { ...silentLogger, warn: record('warn'), error: record('error') };
  const result = watchPolicyFile({ path, log, onReload, intervalMs: NEVER_MS });
  if ('problems' in result) {
    throw new Error(JSON.stringify(result.problems));
  }
  watch = result.watch;
  return watch;
}

function policy(name: string): string {
  return `policies:\n  ${name}:\n    limits: [{ algorithm: fixed_window, limit: 1, per: 1s }]\n`;
}

test('a file that is written in place is taken when it is whole, and never while it is empty or cut', async () => {
  writeFileSync(path, policy('before'));
  const running = start();
  const steps = ['', policy('after').slice(0, 10), policy('after')];
  for (const text of steps) {
    writeFileSync(path, text);
    await running.look();
    expect([...running.current().policies.keys()]).toEqual(['before']);
  }
  expect(outcomes).toEqual([]);
  await running.look();
  expect([...running.current().policies.keys()]).toEqual(['after']);
  expect(outcomes).toEqual(['reloaded']);
});

test('a file that is gone for one look was never gone; one that stays away, or has mistakes, is told once', async () => {
  writeFileSync(path, policy('before'));
  const running = start();
  rmSync(path);
  await running.look();
  writeFileSync(path, policy('before'));
  await running.look();
  await running.look();
  expect(outcomes).toEqual([]);
  rmSync(path);
  for (let look = 0; look < 4; look += 1) {
    await running.look();
  }
  expect(outcomes).toEqual(['refused']);
  writeFileSync(path, 'policies: 5\n');
  for (let look = 0; look < 4; look += 1) {
    await running.look();
  }
  expect(outcomes).toEqual(['refused', 'refused']);
  expect([...running.current().policies.keys()]).toEqual(['before']);
});

/** Writes the file and takes it: the first look sees the change, the second one that it is whole. */
async function reload(running: PolicyWatch, text: string): Promise<void> {
  writeFileSync(path, text);
  await running.look();
  await running.look();
}

test.each(['', '\n', '{}', 'null', '# policies: {}\n', 'cache: { default: { ttl: 1m } }\n'])(
  'a reload of %j, which does not say that there are no policies, is refused and changes nothing',
  async (text) => {
    writeFileSync(path, policy('before'));
    const running = start();
    await reload(running, text);
    expect(outcomes).toEqual(['refused']);
    expect(logged.map(({ level }) => level)).toEqual(['error']);
    expect(logged[0]?.message).toContain('keeping the current policies');
    expect([...running.current().policies.keys()]).toEqual(['before']);
  },
);

test('a reload of "policies: {}" is taken, with a warning that names what it removes', async () => {
  writeFileSync(path, policy('before'));
  const running = start();
  await reload(running, 'policies: {}\n');
  expect(outcomes).toEqual(['reloaded']);
  expect(running.current().policies.size).toBe(0);
  expect(logged).toEqual([
    { level: 'warn', fields: { path, removed: ['before'], removedCount: 1 }, message: expect.any(String) },
  ]);
});

test('a reload that removes policies names 20 of them at most', async () => {
  const names = Array.from({ length: 25 }, (_, index) => `policy-${index}`);
  writeFileSync(path, ['policies:', ...names.map((name) => policy(name).split('\n').slice(1).join('\n'))].join('\n'));
  const running = start();
  await reload(running, policy('policy-0'));
  expect(logged).toEqual([
    {
      level: 'warn',
      fields: { path, removed: names.slice(1, 21), removedCount: 24 },
      message: expect.stringContaining('policies removed'),
    },
  ]);
});

test('a file without policies replaces one that had none', async () => {
  writeFileSync(path, '');
  const running = start();
  await reload(running, 'cache: { default: { ttl: 1m } }\n');
  expect(outcomes).toEqual(['reloaded']);
  expect(running.current().cacheDefault.ttlMs).toBe(60_000);
  expect(logged).toEqual([]);
});

test('the event loop turns while 1,000 policies are parsed, and takes them in over several turns', async () => {
  writeFileSync(path, policy('before'));
  const running = start();
  const policies = Array.from(
    { length: 1_000 },
    (_, index) => `  policy-${index}: { limits: [{ algorithm: token_bucket, limit: 5, per: 1m }] }\n`,
  );
  writeFileSync(path, `policies:\n${policies.join('')}`);
  await running.look();
  let turns = 0;
  let isCounting = true;
  function count(): void {
    turns += 1;
    if (isCounting) {
      setImmediate(count);
    }
  }
  setImmediate(count);
  await running.look();
  isCounting = false;
  expect(running.current().policies.size).toBe(1_000);
  // To read the file takes about ten turns; parsed on this thread, it would be taken in one of them.
  expect(turns).toBeGreaterThan(100);
});

test('a watch that is closed while a file is parsed neither takes the file nor logs', async () => {
  writeFileSync(path, policy('before'));
  const running = start();
  // Long enough for a thread.
  writeFileSync(path, `${policy('after')}# ${'x'.repeat(10_000)}\n`);
  await running.look();
  const looking = running.look();
  await waitFor('the parse to begin', () => running.isParsing);
  running.close();
  await looking;
  expect([...running.current().policies.keys()]).toEqual(['before']);
  expect([outcomes, logged]).toEqual([[], []]);
});
