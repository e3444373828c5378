/**
 * Tests that `helm install` rejects the same policy files as the parser, and that `pannier check` finds the other errors
 * in the rendered ConfigMaps.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { withPoliciesSchema } from '../../scripts/chart-policies-schema.ts';
import { runCheck } from '../../src/commands/check.ts';
import { parsePolicyFile } from '../../src/config/policies.ts';
import { chartDirectory, template } from '../support/kubernetes/helm.ts';

const LIMIT = { algorithm: 'token_bucket', limit: 5, per: '1m' };

function limit(change: object): object {
  return { policies: { api: { limits: [{ ...LIMIT, ...change }] } } };
}

function policy(change: object): object {
  return { policies: { api: { limits: [LIMIT], ...change } } };
}

const VALID: readonly object[] = [
  { policies: {} },
  limit({}),
  limit({ name: 'a.b-c_1', burst: 1_000 }),
  limit({ algorithm: 'sliding_window_log', limit: 10_000 }),
  limit({ limit: 68_719_476_736, per: '400d' }),
  limit({ per: '010ms' }),
  policy({ on_failure: 'deny', shared: true, hash_subjects: true }),
  { cache: { default: { ttl: '30d', near: true }, users: {} }, sessions: {} },
  { sessions: { idle: '1m', absolute: '30d', max_per_user: 1_000, at_max_per_user: 'refuse' } },
];

/** Invalid policy files, each with a word that the error of Helm must contain. */
const INVALID: readonly (readonly [string, object])[] = [
  ['polices', { polices: {} }],
  ['policies', { policies: [] }],
  ['a b', { policies: { 'a b': { limits: [LIMIT] } } }],
  ['api', { policies: { api: 3 } }],
  ['limits', { policies: { api: {} } }],
  ['limits', policy({ limits: [] })],
  ['limits', policy({ limits: Array.from({ length: 17 }, (_, index) => ({ ...LIMIT, name: `l${index}` })) })],
  ['shadow', policy({ shadow: true })],
  ['durability', policy({ durability: 'x' })],
  ['leases', policy({ leases: 1 })],
  ['on_failure', policy({ on_failure: 'local' })],
  ['shared', policy({ shared: 'yes' })],
  ['hash_subjects', policy({ hash_subjects: 'hmac' })],
  ['hold', limit({ hold: '1s' })],
  ['algorithm', limit({ algorithm: 'concurrency' })],
  ['limit', limit({ limit: 0 })],
  ['limit', limit({ limit: 68_719_476_737 })],
  ['limit', limit({ limit: 1.5 })],
  ['limit', limit({ limit: '5' })],
  ['per', limit({ per: 60 })],
  ['per', limit({ per: '1minute' })],
  ['per', limit({ per: '0s' })],
  ['per', limit({ per: '-1s' })],
  ['name', limit({ name: 'x y' })],
  ['name', limit({ name: 5 })],
  ['burst', limit({ burst: 0 })],
  ['a b', { cache: { 'a b': {} } }],
  ['ttl', { cache: { users: { ttl: 60 } } }],
  ['near', { cache: { users: { near: 'yes' } } }],
  ['stale', { cache: { users: { stale: '1m' } } }],
  ['negative_ttl', { cache: { users: { negative_ttl: '1m' } } }],
  ['idle', { sessions: { idle: 'x' } }],
  ['idel', { sessions: { idel: '1m' } }],
  ['max_per_user', { sessions: { max_per_user: 1_001 } }],
  ['at_max_per_user', { sessions: { max_per_user: 5, at_max_per_user: 'end' } }],
  ['max_per_user', { sessions: { at_max_per_user: 'evict' } }],
];

/** Rules that the schema does not express. `pannier check` reports these errors. */
const BEYOND_SCHEMA: readonly (readonly [string, object])[] = [
  ['a duration of a limit is at most 400 days', limit({ per: '401d' })],
  ['a duration has at most 12 digits', limit({ per: '0000000000001s' })],
  ['a sliding log counts at most 10,000', limit({ algorithm: 'sliding_window_log', limit: 10_001 })],
  ['only buckets have a burst', limit({ algorithm: 'fixed_window', burst: 5 })],
  ['a bucket drains within 2^42 ms', limit({ limit: 1, per: '400d', burst: 68_719_476_736 })],
  ['names of limits are unique in the policy', policy({ limits: [LIMIT, LIMIT] })],
  ['the lifetime of a cache entry is at most 30 days', { cache: { users: { ttl: '31d' } } }],
  ['a session lives at most 30 days', { sessions: { absolute: '31d' } }],
  ['the idle timeout is at most the absolute timeout', { sessions: { idle: '2h', absolute: '1h' } }],
];

function parserAccepts(file: object): boolean {
  return 'file' in parsePolicyFile(JSON.stringify(file));
}

function helmErrors(file: object): string {
  return template({ policies: file }).stderr;
}

test('the schema of policies matches the tables in the code (make docs)', () => {
  const text = readFileSync(join(chartDirectory, 'values.schema.json'), 'utf8');
  expect(text).toBe(withPoliciesSchema(text));
});

test.each(VALID)('Helm and the parser accept %j', (file) => {
  expect({ helm: helmErrors(file), parser: parserAccepts(file) }).toEqual({ helm: '', parser: true });
});

test.each(INVALID)('Helm and the parser reject an invalid %s: %j', (word, file) => {
  expect(parserAccepts(file)).toBe(false);
  const errors = helmErrors(file);
  expect(errors).toContain(word);
  expect(errors).toMatch(/schema/);
});

test.each(BEYOND_SCHEMA)('Helm accepts a violation of the rule that %s, and pannier check rejects it', (_, file) => {
  const rendered = template({ policies: file, policyNamespaces: ['shop'] }, [
    '-s',
    'templates/policies-configmaps.yaml',
  ]);
  expect(rendered.status).toBe(0);
  const errors: string[] = [];
  const io = {
    environment: {},
    readInput: () => rendered.stdout,
    out: () => undefined,
    error: (line: string) => void errors.push(line),
  };
  expect(runCheck(['-'], io)).toBe(1);
  // The chart renders the same file for each of two namespaces.
  expect(errors).toHaveLength(3);
  const [place, line] = /^\(standard input\):(\d+):\d+: /.exec(errors[0] ?? '') ?? [];
  expect([place, Number(line)]).toEqual([expect.any(String), expect.any(Number)]);
  expect(rendered.stdout.split('\n')[Number(line) - 1]).toMatch(/: |^ +- /);
});
