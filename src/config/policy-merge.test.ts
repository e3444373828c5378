/**
 * Tests which policies take effect after a sequence of files with and without errors.
 */
import fc from 'fast-check';
import { parsePolicyFile } from './policies.ts';
import { namespaceProblem, type PolicyFile, policyProblem } from './policy-file.ts';
import { keylessParts, locateParts, mergeParts, unusableParts } from './policy-merge.ts';

function policy(limit: number | string): string {
  return `{ limits: [{ algorithm: fixed_window, limit: ${limit}, per: 1s }] }`;
}

/** Applies the files in order, as the watcher does. */
function afterFiles(...texts: readonly string[]): PolicyFile {
  let file: PolicyFile | undefined;
  for (const text of texts) {
    const result = parsePolicyFile(text);
    if ('file' in result) {
      file = result.file;
    } else {
      const message = result.problems[0].message;
      const parts = result.parts === undefined ? unusableParts(message) : locateParts('policies.yaml', result.parts);
      file = mergeParts(file, parts);
    }
  }
  return file as PolicyFile;
}

function limits(file: PolicyFile): Record<string, number | undefined> {
  return Object.fromEntries([...file.policies].map(([name, spec]) => [name, spec.limits[0]?.limit]));
}

test('a broken policy has no version at start, and its error names the file, the line and the column', () => {
  const file = afterFiles(`policies:\n  a: ${policy(1)}\n  b: ${policy('x')}\n`);
  expect(limits(file)).toEqual({ a: 1 });
  expect(policyProblem(file, 'b')).toBe(
    'policies.yaml:3:51: policies.b.limits[0].limit must be a positive integer, got "x"',
  );
  expect(policyProblem(file, 'c')).toBe(undefined);
});

test('a broken policy keeps its last valid version, and the valid ones change', () => {
  const before = `policies: { a: ${policy(1)}, b: ${policy(2)} }`;
  const file = afterFiles(before, `policies: { a: ${policy('x')}, b: ${policy(3)}, c: ${policy(4)}, d: ${policy(0)} }`);
  expect(limits(file)).toEqual({ a: 1, b: 3, c: 4 });
  expect([policyProblem(file, 'a'), policyProblem(file, 'd')]).toEqual([undefined, expect.stringContaining('got 0')]);
});

test('a file with errors removes nothing, and the next file without errors does', () => {
  const before = `policies: { a: ${policy(1)}, b: ${policy(2)} }\ncache: { users: { ttl: 1m } }\nsessions: { idle: 1m }`;
  const broken = `policies: { a: ${policy('x')} }`;
  const kept = afterFiles(before, broken);
  expect(limits(kept)).toEqual({ b: 2, a: 1 });
  expect(kept.cacheNamespaces.get('users')?.ttlMs).toBe(60_000);
  expect(kept.sessions.idleTtlMs).toBe(60_000);
  const removed = afterFiles(before, broken, `policies: { a: ${policy(5)} }`);
  expect(limits(removed)).toEqual({ a: 5 });
  expect([removed.cacheNamespaces.size, removed.sessions.idleTtlMs, removed.broken]).toEqual([0, 1_800_000, undefined]);
});

test('a file that cannot be parsed keeps everything, and affects the policies without a version', () => {
  const file = afterFiles(`policies: { a: ${policy(1)} }\nsessions: { idle: 1m }`, 'policies: {');
  expect(limits(file)).toEqual({ a: 1 });
  expect(file.sessions.idleTtlMs).toBe(60_000);
  expect([policyProblem(file, 'b'), file.broken?.sessions, namespaceProblem(file, 'users')]).toEqual([
    expect.stringContaining('cannot parse the file as YAML'),
    undefined,
    undefined,
  ]);
  const start = afterFiles('policies: {');
  expect([start.broken?.sessions, namespaceProblem(start, 'users')]).toEqual([
    expect.stringContaining('cannot parse'),
    expect.stringContaining('cannot parse'),
  ]);
});

test('defaults never replace a namespace or sessions with an error', () => {
  const file = afterFiles('cache: { users: { ttl: 5 }, carts: { ttl: 1m } }\nsessions: { idle: x }');
  expect(namespaceProblem(file, 'users')).toContain('cache.users.ttl must be ');
  expect([namespaceProblem(file, 'carts'), namespaceProblem(file, 'other')]).toEqual([undefined, undefined]);
  expect(file.broken?.sessions).toContain('sessions.idle must be ');
  const inherited = afterFiles('cache: { default: { near: 3 }, carts: { ttl: 1m } }');
  expect([namespaceProblem(inherited, 'carts'), namespaceProblem(inherited, 'other')]).toEqual([
    undefined,
    expect.stringContaining('cache.default.near must be '),
  ]);
  const corrected = afterFiles('sessions: { idle: x }', 'sessions: { idle: 5m }\npolicies: 3');
  expect([corrected.broken?.sessions, corrected.sessions.idleTtlMs]).toEqual([undefined, 300_000]);
});

test('a ConfigMap without the key affects only calls that name a policy', () => {
  const file = mergeParts(undefined, keylessParts('no key'));
  expect([policyProblem(file, 'a'), namespaceProblem(file, 'users'), file.broken?.sessions]).toEqual([
    'no key',
    undefined,
    undefined,
  ]);
});

test('keeps at most 1,000 policies, however often a file with errors has other names', () => {
  const texts = [0, 1, 2].map((round) => {
    const entries = Array.from({ length: 400 }, (_, index) => `  p${round}-${index}: ${policy(1)}\n`);
    return `policies:\n${entries.join('')}  broken: 1\n`;
  });
  const file = afterFiles(...texts);
  expect(file.policies.size).toBe(1_000);
  expect(file.policies.has('p2-399')).toBe(true);
});

/** A file in which each policy is absent, broken (0) or has a limit. */
const states = fc.record({
  policies: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.nat({ max: 3 })),
  idle: fc.option(fc.nat({ max: 3 }), { nil: undefined }),
});

test('each valid part of the last file is in effect, and every other part has its last valid version', () => {
  fc.assert(
    fc.property(fc.array(states, { minLength: 1, maxLength: 5 }), (files) => {
      const expected = new Map<string, number>();
      let idleMs: number | undefined;
      for (const { policies, idle } of files) {
        const isValid = ![...Object.values(policies), idle].includes(0);
        if (isValid) {
          expected.clear();
        }
        for (const [name, limit] of Object.entries(policies).filter(([, value]) => value !== 0)) {
          expected.set(name, limit);
        }
        idleMs = isValid || (idle ?? 0) > 0 ? (idle ?? 1_800) * 1_000 : idleMs;
        // A file without the section is a valid version with the defaults, if nothing was loaded before.
        idleMs ??= idle === undefined ? 1_800_000 : undefined;
      }
      const texts = files.map(({ policies, idle }) =>
        JSON.stringify({
          policies: Object.fromEntries(
            Object.entries(policies).map(([name, limit]) => [
              name,
              { limits: [{ algorithm: 'fixed_window', limit, per: '1s' }] },
            ]),
          ),
          ...(idle === undefined ? {} : { sessions: { idle: `${idle}s` } }),
        }),
      );
      const file = afterFiles(...texts);
      expect(limits(file)).toEqual(Object.fromEntries(expected));
      expect(file.broken?.sessions === undefined ? file.sessions.idleTtlMs : undefined).toBe(idleMs);
      for (const [name, limit] of Object.entries(files.at(-1)?.policies ?? {})) {
        const isBroken = limit === 0 && !expected.has(name);
        expect([name, policyProblem(file, name) !== undefined]).toEqual([name, isBroken]);
      }
    }),
  );
});
