/**
 * Tests reloads of a policy file on disk. The tests update the file through a symbolic link as Kubernetes does. Some
 * tests reload a file that is half written, invalid or missing, and then valid again.
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

/**
 * Updates the policy file as the kubelet updates a ConfigMap volume. The file is a symbolic link to
 * `..data/policies.yaml`, and a rename replaces the link `..data` with a link to a new directory.
 */
function publish(version: string, text: string): void {
  mkdirSync(join(directory, version));
  writeFileSync(join(directory, version, 'policies.yaml'), text);
  symlinkSync(version, join(directory, '..next'));
  renameSync(join(directory, '..next'), join(directory, '..data'));
}

function currentLimit(): number | undefined {
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
    throw new Error('cannot watch the policy file: the first file has errors');
  }
  watch = result.watch;
});

afterAll(() => {
  watch.close();
  rmSync(directory, { recursive: true });
});

test('reloads after a link swap, keeps the policies for a half-written or missing file, and reloads a valid one', async () => {
  expect(currentLimit()).toBe(1);
  publish('v2', policy(2));
  await waitFor('the reload', () => currentLimit() === 2);
  publish('v3', policy(3).slice(0, 40));
  await waitFor('the reload', () => outcomes.length === 2);
  expect(currentLimit()).toBe(2);
  rmSync(join(directory, 'v3', 'policies.yaml'));
  await waitFor('the reload', () => outcomes.length === 3);
  expect(currentLimit()).toBe(2);
  publish('v4', policy(4));
  await waitFor('the reload', () => currentLimit() === 4);
  expect(outcomes).toEqual(['reloaded', 'refused', 'refused', 'reloaded']);
});

test('reports the lines of errors in the file at start', () => {
  const path = join(directory, 'bad.yaml');
  writeFileSync(path, 'policies: 3\n');
  const result = watchPolicyFile({ path, log: silentLogger, onReload: () => undefined });
  expect('problems' in result && result.problems[0]?.line).toBe(1);
});

test('loads an optional file once it exists, and rejects a missing file that is not optional', async () => {
  const path = join(directory, 'later.yaml');
  const seen: string[] = [];
  const options = { path, log: silentLogger, onReload: (outcome: string) => seen.push(outcome), intervalMs: 10 };
  expect(() => watchPolicyFile(options)).toThrow('ENOENT');
  const result = watchPolicyFile({ ...options, isOptional: true });
  if ('problems' in result) {
    throw new Error('cannot watch the policy file: an optional file that is missing was rejected');
  }
  expect(result.watch.current().policies.size).toBe(0);
  writeFileSync(path, policy(7));
  await waitFor('the reload', () => result.watch.current().policies.size === 1);
  expect(seen).toEqual(['reloaded']);
  result.watch.close();
});
