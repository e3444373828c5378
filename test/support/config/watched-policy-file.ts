/**
 * Watches a policy file in a temporary directory, for unit tests. An import registers the hooks that create and remove
 * the directory. The tests trigger each read of the file themselves.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPolicyParse } from '../../../src/config/policy-parse.ts';
import { type PolicyWatch, type PolicyWatchOptions, watchPolicyFile } from '../../../src/config/policy-watch.ts';
import type { Logger } from '../../../src/lib/logger.ts';
import { silentLogger } from '../lib/silent-logger.ts';

export const NEVER_MS = 2 ** 31 - 1;

export let directory: string;
export let path: string;
export let outcomes: string[];
export let logged: { level: string; fields: object; message: string }[];
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

export function start(options: Partial<PolicyWatchOptions> = {}): PolicyWatch {
  const onReload = (outcome: string): void => void outcomes.push(outcome);
  const log = { ...silentLogger, warn: record('warn'), error: record('error') };
  const result = watchPolicyFile({ path, log, onReload, intervalMs: NEVER_MS, ...options });
  if ('problems' in result) {
    throw new Error(JSON.stringify(result.problems));
  }
  watch = result.watch;
  return watch;
}

export function policy(name: string): string {
  return `policies:\n  ${name}:\n    limits: [{ algorithm: fixed_window, limit: 1, per: 1s }]\n`;
}

export async function reload(running: PolicyWatch, text: string): Promise<void> {
  writeFileSync(path, text);
  await running.check();
  await running.check();
}

/** Creates a parse function. Its first `times` calls fail as if the thread had exited. */
export function failing(times: number): {
  startParse: NonNullable<PolicyWatchOptions['startParse']>;
  count: () => number;
} {
  let count = 0;
  return {
    count: () => count,
    startParse: (text) => {
      count += 1;
      if (count > times) {
        return startPolicyParse(text);
      }
      return { result: Promise.reject(new Error('the parser thread exited')), cancel: () => undefined };
    },
  };
}

/** Returns the errors that /readyz shows. */
export function texts(running: PolicyWatch): readonly string[] {
  return running.problems().texts;
}

/** Makes the directory look like a mounted ConfigMap with these keys. */
export function mountKeys(...keys: readonly string[]): void {
  mkdirSync(join(directory, '..data'), { recursive: true });
  mkdirSync(join(directory, '..2026_01_01'), { recursive: true });
  for (const key of keys) {
    writeFileSync(join(directory, key), policy('mounted'));
  }
}
