/**
 * The policy file on a real disk: swapped by a link as Kubernetes does it, half written, bad, gone and good again.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PolicyWatch, watchPolicyFile } from '../../src/config/policy-watch.ts';
import { silentLogger } from '../support/lib/silent-logger.ts';
import { waitFor } from '../support/wait.ts';

const policy = (limit: number) =>
  `policies: { api: { limits: [{ algorithm: fixed_window, limit: ${limit}, per: 1s }] } }\n`;
const directory = mkdtempSync(join(tmpdir(), 'policies-'));
const outcomes: string[] = [];
let watch: PolicyWatch;

/** A ConfigMap volume: file -> ..data/file, and ..data -> a directory of that version, replaced by a rename. */
function publish(version: string, text: string): void {
  mkdirSync(join(directory, version));
  writeFileSync(join(directory, version, 'policies.yaml'), text);
  symlinkSync(version, join(directory, '..next'));
  renameSync(join(directory, '..next'), join(directory, '..data'));
}

function limitInForce(): number | undefined {
  return watch.current().policies.get('api')?.limits[0]?.limit;
}

beforeAll(() => {
  publish('v1', policy(1));
  symlinkSync('..data/policies.yaml', join(directory, 'policies.yaml'));
  const result = watchPolicyFile({
    path: join(directory, 'policies.yaml'),
    log: silentLogger,
    onReload: (outcome) => outcomes.push(outcome),
    intervalMs: 10,
  });
  if ('problems' in result) {
    throw new Error('the first file has mistakes');
  }
  watch = result.watch;
});

afterAll(() => {
  watch.close();
  rmSync(directory, { recursive: true });
});

test('a link swap reloads; a half-written and a vanished file change nothing; a good one reloads again', async () => {
  expect(limitInForce()).toBe(1);
  publish('v2', policy(2));
  await waitFor('the reload', () => limitInForce() === 2);
  publish('v3', policy(3).slice(0, 40));
  await waitFor('the reload', () => outcomes.length === 2);
  expect(limitInForce()).toBe(2);
  rmSync(join(directory, 'v3', 'policies.yaml'));
  await waitFor('the reload', () => outcomes.length === 3);
  expect(limitInForce()).toBe(2);
  publish('v4', policy(4));
  await waitFor('the reload', () => limitInForce() === 4);
  expect(outcomes).toEqual(['reloaded', 'refused', 'refused', 'reloaded']);
});

test('a bad file at start is told with its places', () => {
  const path = join(directory, 'bad.yaml');
  writeFileSync(path, 'policies: 3\n');
  const result = watchPolicyFile({ path, log: silentLogger, onReload: () => undefined });
  expect('problems' in result && result.problems[0]?.line).toBe(1);
});

test('a file that may be missing is taken when it comes; one that may not be is an error', async () => {
  const path = join(directory, 'later.yaml');
  const seen: string[] = [];
  const options = { path, log: silentLogger, onReload: (outcome: string) => seen.push(outcome), intervalMs: 10 };
  expect(() => watchPolicyFile(options)).toThrow('ENOENT');
  const result = watchPolicyFile({ ...options, isOptional: true });
  if ('problems' in result) {
    throw new Error('a missing file has mistakes');
  }
  expect(result.watch.current().policies.size).toBe(0);
  writeFileSync(path, policy(7));
  await waitFor('the file is taken', () => result.watch.current().policies.size === 1);
  expect(seen).toEqual(['reloaded']);
  result.watch.close();
});
