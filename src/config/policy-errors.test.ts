/**
 * Tests which parts of a policy file with errors are valid, and which calls the errors affect.
 */
import fc from 'fast-check';
import { type PolicyParts, parsePolicyFile } from './policies.ts';
import type { PolicyFile } from './policy-file.ts';

const VALID = '{ limits: [{ algorithm: fixed_window, limit: 5, per: 1s }] }';
const INVALID = '{ limits: [{ algorithm: fixed_window, limit: 5, per: 1minute }] }';

function partsOf(text: string): PolicyParts {
  const result = parsePolicyFile(text);
  if ('file' in result || result.parts === undefined) {
    throw new Error('the file must have errors and parts');
  }
  return result.parts;
}

/** Returns the broken parts as `part: line:column message`, and the names of the valid parts. */
function summaryOf(text: string): { valid: string[]; broken: string[] } {
  const { policies, cacheNamespaces, cacheDefault, sessions, broken } = partsOf(text);
  const problems = [
    ...[...broken.policies].map(([name, problem]) => [name, problem] as const),
    ['(other policies)', broken.otherPolicies] as const,
    ...[...broken.cacheNamespaces].map(([name, problem]) => [`cache ${name}`, problem] as const),
    ['cache default', broken.cacheDefault] as const,
    ['sessions', broken.sessions] as const,
  ];
  return {
    valid: [
      ...policies.keys(),
      ...[...cacheNamespaces.keys()].map((name) => `cache ${name}`),
      ...(cacheDefault === undefined ? [] : ['cache default']),
      ...(sessions === undefined ? [] : ['sessions']),
    ],
    broken: problems.flatMap(([part, problem]) =>
      problem === undefined ? [] : [`${part}: ${problem.line}:${problem.column} ${problem.message}`],
    ),
  };
}

const CASES: readonly { name: string; text: string; valid: string[]; broken: (string | RegExp)[] }[] = [
  {
    name: 'an invalid policy',
    text: `policies:\n  a: ${VALID}\n  b: ${INVALID}\nsessions: { idle: 1m }\n`,
    valid: ['a', 'sessions'],
    broken: [/^b: 3:\d+ policies\.b\.limits\[0\]\.per must be /],
  },
  {
    name: 'an unknown key in a policy',
    text: `policies:\n  a: { limit: 1, limits: [{ algorithm: token_bucket, limit: 5, per: 1s }] }\n  b: ${VALID}\n`,
    valid: ['b'],
    broken: [/^a: 2:8 unknown key "limit" in policies\.a/],
  },
  {
    name: 'an unknown key with the name of a property of every object',
    text: `policies:\n  a: { constructor: 1, limits: [{ algorithm: token_bucket, limit: 5, per: 1s }] }\n`,
    valid: [],
    broken: [/^a: 2:8 unknown key "constructor" in policies\.a; must be one of /],
  },
  {
    name: 'a policy that occurs twice',
    text: `policies:\n  a: ${VALID}\n  b: ${VALID}\n  a: ${VALID}\n`,
    valid: ['b'],
    broken: ['a: 4:3 policies.a must be set once, got a duplicate key'],
  },
  {
    name: 'a policy without a value',
    text: `policies: { a, b: ${VALID} }\n`,
    valid: ['b'],
    broken: ['a: 1:13 policies.a must have a value, got nothing'],
  },
  {
    name: 'a policy with an invalid name',
    text: `policies: { "a b": ${VALID}, b: ${VALID} }\n`,
    valid: ['b'],
    broken: [/^a b: 1:20 policies must have keys of /],
  },
  {
    name: 'a number as the policies',
    text: 'policies: 5\ncache: { users: { ttl: 1m } }\n',
    valid: ['cache users'],
    broken: ['(other policies): 1:11 policies must be a mapping, got 5'],
  },
  {
    name: 'an unrendered template as the policies',
    text: 'policies: {{ .Values.policies }}\n',
    valid: [],
    broken: ['(other policies): 1:12 policies must have names as keys, got a mapping'],
  },
  {
    name: 'a misspelt section',
    text: `polices:\n  a: ${VALID}\nsessions: { idle: 1m }\n`,
    valid: ['sessions'],
    broken: ['(other policies): 1:1 unknown key "polices"; did you mean "policies"?'],
  },
  {
    name: 'an unknown section',
    text: `quotas: {}\npolicies: { a: ${VALID} }\n`,
    valid: ['a'],
    broken: [],
  },
  {
    name: 'a section that occurs twice',
    text: `policies: { a: ${VALID} }\npolicies: { b: ${VALID} }\n`,
    valid: [],
    broken: ['(other policies): 2:1 policies must be set once, got a duplicate key'],
  },
  {
    name: 'invalid namespaces and sessions',
    text: `policies: { a: ${VALID} }\ncache:\n  users: { ttl: 5 }\n  default: { near: 3 }\n  carts: { ttl: 1m }\nsessions: { idle: x }\n`,
    valid: ['a', 'cache carts'],
    broken: [/^cache users: 3:17 /, /^cache default: 4:20 /, /^sessions: 6:19 sessions\.idle must be /],
  },
  {
    name: 'sessions that contradict each other',
    text: 'sessions: { idle: 2h, absolute: 1h }\n',
    valid: [],
    broken: [/^sessions: 1:19 sessions\.idle must be at most /],
  },
];

test.each(CASES)('keeps the valid parts of a file with $name', ({ text, valid, broken }) => {
  const summary = summaryOf(text);
  expect(summary.valid).toEqual(valid);
  expect(summary.broken).toEqual(broken.map((line) => (line instanceof RegExp ? expect.stringMatching(line) : line)));
});

test.each(['policies: {', 'text', '[]', 'a: 1\n---\nb: 2\n', '{{ .Values.policyFile }}\n', 'policies: {\u0000'])(
  'finds no parts in %j',
  (text) => {
    const result = parsePolicyFile(text);
    expect('problems' in result && result.parts).toBe(undefined);
  },
);

test('finds the error of every invalid policy, although the file reports at most 100', () => {
  const entries = Array.from({ length: 400 }, (_, index) => `  p${index}: ${index % 2 === 0 ? INVALID : VALID}\n`);
  const text = `policies:\n${entries.join('')}`;
  const parts = partsOf(text);
  expect([parts.policies.size, parts.broken.policies.size]).toEqual([200, 200]);
  expect(parts.broken.policies.get('p398')).toMatchObject({ line: 400 });
  const result = parsePolicyFile(text);
  expect('problems' in result && result.problems).toHaveLength(100);
});

test('uses the first 1,000 policies of a file with more, and reports the number', () => {
  const entries = Array.from({ length: 1_001 }, (_, index) => `  p${index}: ${VALID}\n`);
  const parts = partsOf(`policies:\n${entries.join('')}`);
  expect(parts.policies.size).toBe(1_000);
  expect(parts.broken.otherPolicies?.message).toBe('policies must have at most 1000 policies, got 1001');
});

test('limits the length of a message', () => {
  const parts = partsOf(`policies: { a: { "${'\\n'.repeat(10_000)}": 1, limits: [] } }\n`);
  const message = parts.broken.policies.get('a')?.message ?? '';
  expect(message.length).toBeLessThanOrEqual(500);
  expect(message).not.toMatch(/\p{Cc}/u);
});

const limit = fc.record({
  algorithm: fc.constantFrom('fixed_window', 'token_bucket', 'sliding_window_log'),
  limit: fc.integer({ min: 1, max: 9_000 }),
  per: fc.constantFrom('1s', '5m', '1h'),
});
const validPolicy = fc.record(
  { limits: fc.tuple(limit), on_failure: fc.constantFrom('allow', 'deny'), shared: fc.boolean() },
  { requiredKeys: ['limits'] },
);
const brokenPolicy = fc.oneof(
  fc.constantFrom<unknown>(null, 5, 'text', [], {}, { limits: [] }, { limits: 3 }, { limit: [], limits: [] }),
  fc
    .tuple(validPolicy, fc.constantFrom('shadow', 'onFailure', 'per'))
    .map(([policy, key]) => ({ ...policy, [key]: 1 })),
  fc
    .tuple(limit, fc.constantFrom({ per: '1minute' }, { limit: 0 }, { algorithm: 'gcra' }, { name: 'a b' }))
    .map(([one, change]) => ({ limits: [{ ...one, ...change }] })),
);
const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,12}$/).filter((text) => text !== '__proto__');
const entries = fc.uniqueArray(
  fc.tuple(
    name,
    fc.oneof(
      validPolicy.map((policy) => ({ policy, isValid: true })),
      brokenPolicy.map((policy) => ({ policy, isValid: false })),
    ),
  ),
  { selector: ([key]) => key, maxLength: 30 },
);

test('serves each valid policy exactly as in a file without the broken ones', () => {
  fc.assert(
    fc.property(entries, (list) => {
      const toText = (some: typeof list): string =>
        JSON.stringify({ policies: Object.fromEntries(some.map(([key, { policy }]) => [key, policy])) });
      const valid = list.filter(([, { isValid }]) => isValid);
      const alone = parsePolicyFile(toText(valid)) as { file: PolicyFile };
      const mixed = parsePolicyFile(toText(list));
      const policies = 'file' in mixed ? mixed.file.policies : mixed.parts?.policies;
      expect(new Map(policies)).toEqual(new Map(alone.file.policies));
      const broken = 'file' in mixed ? [] : [...(mixed.parts?.broken.policies.keys() ?? [])];
      expect(broken.toSorted()).toEqual(
        list
          .filter(([, { isValid }]) => !isValid)
          .map(([key]) => key)
          .toSorted(),
      );
    }),
  );
});
