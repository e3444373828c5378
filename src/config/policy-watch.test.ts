/**
 * Tests which content of the policy file is loaded. The tests trigger each read of the file themselves;
 * test/integration/config-policy-watch.test.ts tests reloads in a running sidecar.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  directory,
  failing,
  logged,
  mountKeys,
  NEVER_MS,
  outcomes,
  path,
  policy,
  reload,
  start,
  texts,
} from '../../test/support/config/watched-policy-file.ts';
import { waitFor } from '../../test/support/wait.ts';
import { parsePolicyFile } from './policies.ts';

test('loads a file that is written in place only once it is complete', async () => {
  writeFileSync(path, policy('before'));
  const running = start();
  const steps = ['', policy('after').slice(0, 10), policy('after')];
  for (const text of steps) {
    writeFileSync(path, text);
    await running.check();
    expect([...running.current().policies.keys()]).toEqual(['before']);
  }
  expect(outcomes).toEqual([]);
  await running.check();
  expect([...running.current().policies.keys()]).toEqual(['after']);
  expect(outcomes).toEqual(['reloaded']);
});

test('ignores a file that is missing for one read, and reports a missing or invalid file once', async () => {
  writeFileSync(path, policy('before'));
  const running = start();
  rmSync(path);
  await running.check();
  writeFileSync(path, policy('before'));
  await running.check();
  await running.check();
  expect(outcomes).toEqual([]);
  rmSync(path);
  for (let check = 0; check < 4; check += 1) {
    await running.check();
  }
  expect(outcomes).toEqual(['refused']);
  writeFileSync(path, 'policies: 5\n');
  for (let check = 0; check < 4; check += 1) {
    await running.check();
  }
  expect(outcomes).toEqual(['refused', 'refused']);
  expect([...running.current().policies.keys()]).toEqual(['before']);
});

/** Writes the file and loads it: the first check detects the change, and the second check confirms it. */
test.each(['', '\n', '{}', 'null', '# policies: {}\n', 'cache: { default: { ttl: 1m } }\n'])(
  'refuses to reload %j, which lacks an explicit "policies: {}", and keeps the policies',
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

test('loads "policies: {}" and warns with the names of the removed policies', async () => {
  writeFileSync(path, policy('before'));
  const running = start();
  await reload(running, 'policies: {}\n');
  expect(outcomes).toEqual(['reloaded']);
  expect(running.current().policies.size).toBe(0);
  expect(logged).toEqual([
    { level: 'warn', fields: { path, removed: ['before'], removedCount: 1 }, message: expect.any(String) },
  ]);
});

test('logs at most 20 names of removed policies', async () => {
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

test('loads a file without policies if the previous one had none either', async () => {
  writeFileSync(path, '');
  const running = start();
  await reload(running, 'cache: { default: { ttl: 1m } }\n');
  expect(outcomes).toEqual(['reloaded']);
  expect(running.current().cacheDefault.ttlMs).toBe(60_000);
  expect(logged).toEqual([]);
});

/** Returns the CPU time of this thread, which other processes do not affect. */
function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

test('parses 1,000 policies in another thread and receives the result in small parts', async () => {
  writeFileSync(path, policy('before'));
  const running = start();
  const policies = Array.from(
    { length: 1_000 },
    (_, index) => `  policy-${index}: { limits: [{ algorithm: token_bucket, limit: 5, per: 1m }] }\n`,
  );
  const text = `policies:\n${policies.join('')}`;
  const startMs = threadCpuMs();
  parsePolicyFile(text);
  const parseMs = threadCpuMs() - startMs;
  writeFileSync(path, text);
  await running.check();
  let longestTurnMs = 0;
  let lastMs = threadCpuMs();
  let isCounting = true;
  function count(): void {
    const nowMs = threadCpuMs();
    longestTurnMs = Math.max(longestTurnMs, nowMs - lastMs);
    lastMs = nowMs;
    if (isCounting) {
      setTimeout(count, 1);
    }
  }
  setTimeout(count, 1);
  await running.check();
  isCounting = false;
  count();
  expect(running.current().policies.size).toBe(1_000);
  expect(longestTurnMs).toBeLessThan(parseMs / 3);
});

test('neither loads the file nor logs if it is closed during a parse', async () => {
  writeFileSync(path, policy('before'));
  const running = start();
  // The text is long enough to be parsed in a worker thread.
  writeFileSync(path, `${policy('after')}# ${'x'.repeat(10_000)}\n`);
  await running.check();
  const checking = running.check();
  await waitFor('the parse to begin', () => running.isParsing);
  running.close();
  await checking;
  expect([...running.current().policies.keys()]).toEqual(['before']);
  expect([outcomes, logged]).toEqual([[], []]);
});

test('parses an unchanged file again after its thread failed', async () => {
  writeFileSync(path, policy('before'));
  const { startParse, count } = failing(2);
  const running = start({ startParse, parseRetry: { firstMs: 0, maxMs: 0 } });
  writeFileSync(path, policy('after'));
  for (let take = 1; take <= 3; take += 1) {
    await running.check();
    await running.check();
    expect(count()).toBe(take);
  }
  expect([...running.current().policies.keys()]).toEqual(['after']);
  expect(outcomes).toEqual(['refused', 'refused', 'reloaded']);
  await running.check();
  await running.check();
  expect(count()).toBe(3);
});

test('waits before it parses a file again whose thread failed, unless the file changes', async () => {
  writeFileSync(path, policy('before'));
  const { startParse, count } = failing(1);
  const running = start({ startParse, parseRetry: { firstMs: NEVER_MS, maxMs: NEVER_MS } });
  writeFileSync(path, policy('after'));
  for (let check = 0; check < 4; check += 1) {
    await running.check();
  }
  expect(count()).toBe(1);
  writeFileSync(path, policy('changed'));
  await running.check();
  await running.check();
  expect([...running.current().policies.keys()]).toEqual(['changed']);
  expect(outcomes).toEqual(['refused', 'reloaded']);
});

function broken(name: string): string {
  return policy(name).replace('per: 1s', 'per: 1minute');
}

test('starts with the valid parts of an optional file, logs the errors once, and names them until they are corrected', async () => {
  writeFileSync(path, `${policy('good')}${broken('bad').replace('policies:\n', '')}`);
  const running = start({ isOptional: true });
  for (let check = 0; check < 4; check += 1) {
    await running.check();
  }
  const problem = `${path}:5:56: policies.bad.limits[0].per must be a duration such as 500ms, 1s, 5m, 1h or 2d, got "1minute"`;
  expect(running.problems()).toEqual({ count: 1, texts: [problem] });
  expect(logged).toEqual([
    {
      level: 'error',
      fields: { path, errors: [problem], errorCount: 1, policies: 1 },
      message: 'policy file has errors, its valid parts take effect',
    },
  ]);
  await reload(running, policy('good'));
  expect([running.problems().count, running.current().broken]).toEqual([0, undefined]);
  await reload(running, broken('good'));
  expect([running.problems().count, [...running.current().policies.keys()]]).toEqual([1, ['good']]);
  expect(outcomes).toEqual(['reloaded', 'refused']);
});

test('applies the valid parts of a changed file, also of a file that is not optional', async () => {
  writeFileSync(path, policy('before'));
  const running = start();
  const kept = running.current().policies.get('before');
  await reload(running, `${broken('before')}${policy('after').replace('policies:\n', '')}`);
  expect([...running.current().policies.keys()].toSorted()).toEqual(['after', 'before']);
  expect(running.current().policies.get('before')).toBe(kept);
  expect(outcomes).toEqual(['refused']);
});

test('rejects a file with errors at start that is not optional', () => {
  writeFileSync(path, broken('bad'));
  expect(() => start()).toThrow('1minute');
});

test('starts with an optional file that cannot be parsed or read, and loads it once it is valid', async () => {
  writeFileSync(path, 'policies: {');
  const running = start({ isOptional: true });
  expect(texts(running)).toEqual([expect.stringMatching(/policies\.yaml:1:\d+: cannot parse the file as YAML/)]);
  expect(running.current().broken?.otherPolicies).toBe(texts(running)[0]);
  rmSync(path);
  mkdirSync(path);
  await running.check();
  await running.check();
  expect(texts(running)).toEqual([`cannot read the policy file ${path}: EISDIR; use a readable file`]);
  rmSync(path, { recursive: true });
  await reload(running, policy('after'));
  expect([texts(running), running.current().broken]).toEqual([[], undefined]);
  expect(logged.map(({ level, message }) => `${level} ${message}`)).toEqual([
    'error policy file has errors, calls that name a policy fail',
    'error cannot read the policy file, calls that name a policy fail',
  ]);
});

test('reports no error for an optional file that is missing, before and after other content', async () => {
  const running = start({ isOptional: true });
  await running.check();
  expect([texts(running), logged, outcomes]).toEqual([[], [], []]);
  await reload(running, 'policies: {');
  expect(texts(running)).toHaveLength(1);
  rmSync(path);
  await running.check();
  await running.check();
  expect([texts(running), running.current().broken]).toEqual([[], undefined]);
});

test('warns once that a mounted ConfigMap lacks the key, and names the keys that exist', async () => {
  mountKeys('policy.yml', 'notes');
  const running = start({ isOptional: true });
  for (let check = 0; check < 4; check += 1) {
    await running.check();
  }
  const text = `cannot read the policy file ${path}: the ConfigMap has no key policies.yaml, only notes, policy.yml; rename the key to policies.yaml`;
  expect(running.problems()).toEqual({ count: 1, texts: [text] });
  expect(running.current().broken).toMatchObject({ otherPolicies: text, sessions: undefined, cacheDefault: undefined });
  expect(logged).toEqual([
    {
      level: 'warn',
      fields: { path, key: 'policies.yaml', found: ['notes', 'policy.yml'] },
      message: 'the ConfigMap has no key with the policy file, calls that name a policy fail',
    },
  ]);
  renameSync(join(directory, 'policy.yml'), path);
  await running.check();
  await running.check();
  expect([texts(running), [...running.current().policies.keys()]]).toEqual([[], ['mounted']]);
});

test('keeps the policies if the ConfigMap loses its key or all keys, and reports it', async () => {
  mountKeys('policies.yaml');
  const running = start({ isOptional: true });
  renameSync(path, join(directory, 'policy.yml'));
  await running.check();
  await running.check();
  expect(texts(running)).toEqual([expect.stringContaining('has no key policies.yaml, only policy.yml')]);
  rmSync(join(directory, 'policy.yml'));
  await running.check();
  await running.check();
  expect(texts(running)).toEqual([`cannot read the policy file ${path}: ENOENT; use a readable file`]);
  expect([...running.current().policies.keys()]).toEqual(['mounted']);
  expect(outcomes).toEqual(['refused', 'refused']);
});

test.each([
  ['an empty mount', () => mountKeys()],
  ['a directory that is not a ConfigMap', () => writeFileSync(join(directory, 'other.yaml'), '')],
])('ignores a missing optional file in %s', async (_, prepare) => {
  prepare();
  const running = start({ isOptional: true });
  await running.check();
  await running.check();
  expect([texts(running), logged, outcomes]).toEqual([[], [], []]);
});

test('reports refused content until the content changes', async () => {
  writeFileSync(path, policy('before'));
  const running = start({ ...failing(1), parseRetry: { firstMs: NEVER_MS, maxMs: NEVER_MS } });
  await reload(running, '# nothing\n');
  expect(texts(running)).toEqual([expect.stringContaining('the parser thread exited')]);
  await reload(running, '\n');
  expect(texts(running)).toEqual([expect.stringContaining('write "policies: {}" to remove all policies')]);
  await reload(running, policy('before'));
  expect(texts(running)).toEqual([]);
});
