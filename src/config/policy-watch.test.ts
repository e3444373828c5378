/**
 * What the watch takes for a new file, look by look. Reloads of a running sidecar: test/integration/config-admin.test.ts.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../lib/logger.ts';
import { type PolicyWatch, watchPolicyFile } from './policy-watch.ts';

const NEVER_MS = 2 ** 31 - 1;

let directory: string;
let path: string;
let outcomes: string[];
let watch: PolicyWatch | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pannier-policies-'));
  path = join(directory, 'policies.yaml');
  outcomes = [];
});

afterEach(() => {
  watch?.close();
  rmSync(directory, { recursive: true, force: true });
});

function start(): PolicyWatch {
  const onReload = (outcome: string): void => void outcomes.push(outcome);
  const result = watchPolicyFile({ path, log: silentLogger, onReload, intervalMs: NEVER_MS });
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
