/**
 * Tests that malformed policy files and settings are rejected, each with the exact error texts.
 */
import { loadSettings } from './load.ts';
import { parsePolicyFile } from './policies.ts';
import { PREFIX, RENAMED_SETTINGS, SETTINGS } from './settings.ts';

const FILES: [string, string[]][] = [
  ['[]', ['1:1 the file must be a mapping with policies, cache, sessions, got an empty list']],
  ['text', ['1:1 the file must be a mapping with policies, cache, sessions, got "text"']],
  ['policies: 3', ['1:11 policies must be a mapping, got 3']],
  ['polices: {}', ['1:1 unknown key "polices"; did you mean "policies"?']],
  [
    'policies: {1: {limits: [{algorithm: fixed_window, limit: 5, per: 1s}]}, "1": {limits: [{algorithm: fixed_window, limit: 6, per: 1s}]}}',
    ['1:73 policies.1 must be set once, got a duplicate key'],
  ],
  ['sessions: {idle: 1h}\nsessions: {}', ['2:1 sessions must be set once, got a duplicate key']],
  ['sessions: {idle: 1h, idle: 2h}', ['1:22 sessions.idle must be set once, got a duplicate key']],
  ['a: 1\n---\nb: 2', ['2:1 the file must be one YAML document, got 2 documents']],
  [
    'policies: {',
    ['1:12 cannot parse the file as YAML: Flow map in block collection must be sufficiently indented and end with a }'],
  ],
  ['policies: {a: {}}', ['1:15 policies.a.limits must be a list of 1 to 16 entries, got nothing']],
  ['policies: {a: {limits: []}}', ['1:24 policies.a.limits must be a list of 1 to 16 entries, got an empty list']],
  [
    'policies: {"a b": {limits: [{algorithm: fixed_window, limit: 5, per: 1s}]}}',
    ['1:19 policies must have keys of 1 to 64 characters of [A-Za-z0-9._-], got "a b"'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s}, {algorithm: fixed_window, limit: 5, per: 1s}]}}',
    ['1:71 policies.a.limits[1].name must be unique in the policy, got "fixed_window" again'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed, limit: 5, per: 1s}]}}',
    [
      '1:37 policies.a.limits[0].algorithm must be one of fixed_window, sliding_window_log, sliding_window_counter, token_bucket, leaky_bucket, got "fixed"; did you mean "fixed_window"?',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: sliding_window, limit: 5, per: 1s}]}}',
    [
      '1:37 policies.a.limits[0].algorithm must be one of fixed_window, sliding_window_log, sliding_window_counter, token_bucket, leaky_bucket, got "sliding_window"; did you mean "sliding_window_log" or "sliding_window_counter"?',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: token-bucket, limit: 5, per: 1s}]}}',
    [
      '1:37 policies.a.limits[0].algorithm must be one of fixed_window, sliding_window_log, sliding_window_counter, token_bucket, leaky_bucket, got "token-bucket"; did you mean "token_bucket"?',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: gcra, limit: 5, per: 1s}]}}',
    [
      '1:37 policies.a.limits[0].algorithm must be one of fixed_window, sliding_window_log, sliding_window_counter, token_bucket, leaky_bucket, got "gcra"',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, period: 1s}]}}',
    [
      '1:25 policies.a.limits[0].per must be a duration such as 500ms, 1s, 5m, 1h or 2d, got nothing',
      '1:61 unknown key "period" in policies.a.limits[0]; did you mean "per"?',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: concurrency, limit: 5, per: 1s}]}}',
    [
      '1:37 policies.a.limits[0].algorithm must be one of fixed_window, sliding_window_log, sliding_window_counter, token_bucket, leaky_bucket, got "concurrency"; this version does not support concurrency limits',
    ],
  ],
  [
    'policies: {a: {limits: [{limit: 5, per: 1s}]}}',
    [
      '1:25 policies.a.limits[0].algorithm must be one of fixed_window, sliding_window_log, sliding_window_counter, token_bucket, leaky_bucket, got nothing',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 0, per: 1s}]}}',
    ['1:58 policies.a.limits[0].limit must be an integer from 1 to 68719476736, got 0'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 1.5, per: 1s}]}}',
    ['1:58 policies.a.limits[0].limit must be a positive integer, got 1.5'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: "5", per: 1s}]}}',
    ['1:58 policies.a.limits[0].limit must be a positive integer, got "5"'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 60}]}}',
    ['1:66 policies.a.limits[0].per must be a duration such as 500ms, 1s, 5m, 1h or 2d, got 60'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 0s}]}}',
    ['1:66 policies.a.limits[0].per must be a duration such as 500ms, 1s, 5m, 1h or 2d, got "0s"'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 401d}]}}',
    ['1:66 policies.a.limits[0].per must be between 1 and 34560000000 milliseconds (400 days), got "401d"'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s, burst: 9}]}}',
    [
      '1:77 policies.a.limits[0].burst must be absent for fixed_window: only token_bucket and leaky_bucket have a burst',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s, bursts: 9}]}}',
    ['1:70 unknown key "bursts" in policies.a.limits[0]; did you mean "burst"?'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s, name: "x y"}]}}',
    ['1:76 policies.a.limits[0].name must be 1 to 64 characters of [A-Za-z0-9._-], got "x y"'],
  ],
  [
    'policies: {a: {limits: [{algorithm: sliding_window_log, limit: 10001, per: 1s}]}}',
    ['1:64 policies.a.limits[0].limit must be an integer from 1 to 10000, got 10001'],
  ],
  [
    'policies: {a: {limits: [{algorithm: token_bucket, limit: 1, per: 400d, burst: 68719476736}]}}',
    [
      '1:79 policies.a.limits[0].burst must be small enough to drain within 4398046511104 milliseconds at this rate, got 68719476736',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s}], on_failure: local}}',
    ['1:84 policies.a.on_failure must be one of allow, deny, got "local"; this version does not support local'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s}], on_failure: open}}',
    ['1:84 policies.a.on_failure must be one of allow, deny, got "open"'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s}], shared: yes}}',
    ['1:80 policies.a.shared must be true or false, got "yes"'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s}], hash_subjects: hmac}}',
    ['1:87 policies.a.hash_subjects must be true or false, got "hmac"'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s}], shadow: true}}',
    ['1:72 policies.a.shadow must be absent because this version does not support it'],
  ],
  [
    'cache: {default: {ttl: 31d}}',
    ['1:24 cache.default.ttl must be a duration such as 500ms, 1s, 5m, 1h or 2d and at most 30d, got "31d"'],
  ],
  ['cache: {u: {near: 1}}', ['1:19 cache.u.near must be true or false, got 1']],
  ['cache: {u: }', ['1:12 cache.u must be a mapping with ttl, near, got an empty value']],
  ['sessions: {idle: 2h, absolute: 1h}', ['1:18 sessions.idle must be at most sessions.absolute (1h), got 2h']],
  [
    'sessions: {idle: 31d}',
    ['1:18 sessions.idle must be a duration such as 500ms, 1s, 5m, 1h or 2d and at most 30d, got "31d"'],
  ],
  ['sessions: {max_per_user: 0}', ['1:26 sessions.max_per_user must be an integer from 1 to 1000, got 0']],
  [
    'sessions: {max_per_user: 1001, at_max_per_user: refuse}',
    ['1:26 sessions.max_per_user must be an integer from 1 to 1000, got 1001'],
  ],
  [
    'sessions: {max_per_user: "5", at_max_per_user: end}',
    [
      '1:26 sessions.max_per_user must be an integer from 1 to 1000, got "5"',
      '1:48 sessions.at_max_per_user must be one of evict, refuse, got "end"',
    ],
  ],
  [
    'sessions: {at_max_per_user: refuse}',
    ['1:29 sessions.at_max_per_user has no effect without sessions.max_per_user; set both'],
  ],
  ['sessions: {idel: 1h}', ['1:12 unknown key "idel" in sessions; did you mean "idle"?']],
];

const ENVIRONMENTS: [Record<string, string>, string[]][] = [
  [{ PANNIER_REDIS_URL: 'redis://h:1?db=3' }, ['PANNIER_REDIS_URL: the query must be absent: nothing may follow a ?']],
  [
    { PANNIER_REDIS_URL: 'redis://user:12#rest@h:1' },
    ['PANNIER_REDIS_URL: the user and the password must be percent-encoded: write / as %2F, ? as %3F and # as %23'],
  ],
  [
    { PANNIER_REDIS_URL: 'redis://:100%zz@h:1' },
    ['PANNIER_REDIS_URL: the user and the password must be percent-encoded: write % as %25'],
  ],
  [{ PANNIER_REDIS_URL: 'redis://h:0' }, ['PANNIER_REDIS_URL: the port must be a number from 1 to 65535, got 0']],
  [{ PANNIER_REDIS_URL: 'redis://u%40x:p%2F@h:1/0, redis://[::1]' }, []],
  [
    { PANNIER_GRPC_PORT: '9470', PANNIER_PORT: '9470' },
    [
      'unknown setting PANNIER_GRPC_PORT; see docs/reference/settings.md',
      'unknown setting PANNIER_PORT; see docs/reference/settings.md',
    ],
  ],
  [{ PANNIER_SERVICE_ACCOUNT: 'x' }, ['unknown setting PANNIER_SERVICE_ACCOUNT; see docs/reference/settings.md']],
  [
    {
      PANNIER_REDIS_SERVICE_HOST: '10.0.0.1',
      PANNIER_REDIS_SERVICE_PORT: '6379',
      PANNIER_REDIS_SERVICE_PORT_REDIS_TLS: '6379',
      PANNIER_REDIS_PORT: 'tcp://10.0.0.1:6379',
      PANNIER_REDIS_PORT_6379_TCP: 'tcp://10.0.0.1:6379',
      PANNIER_REDIS_PORT_6379_TCP_PROTO: 'tcp',
      PANNIER_REDIS_PORT_6379_TCP_PORT: '6379',
      PANNIER_REDIS_PORT_6379_TCP_ADDR: '10.0.0.1',
      PANNIER_PORT: 'tcp://10.0.0.1:443',
    },
    [],
  ],
  [
    { PANNIER_REDIS_URL: 'redis:/x' },
    ['PANNIER_REDIS_URL: the scheme must be redis://, rediss://, redis+sentinel:// or rediss+sentinel://'],
  ],
  [
    { PANNIER_REDIS_URL: 'http://u:canary@h:1' },
    ['PANNIER_REDIS_URL: the scheme must be redis://, rediss://, redis+sentinel:// or rediss+sentinel://, got http://'],
  ],
  [
    { PANNIER_REDIS_URL: 'redis://a:1/3' },
    ['PANNIER_REDIS_URL: the database number must be 0 or absent (a Cluster has only database 0), got 3'],
  ],
  [
    { PANNIER_REDIS_URL: 'redis://a:1,rediss://b:1' },
    ['PANNIER_REDIS_URL: the scheme must be the same in all URLs, redis:// or rediss://'],
  ],
  [
    { PANNIER_CACHE_REDIS_URL: 'redis://a:1' },
    ['cannot use PANNIER_CACHE_REDIS_URL: PANNIER_REDIS_URL is not set; set both or only PANNIER_REDIS_URL'],
  ],
  [
    { PANNIER_GRPC_ADDRESS: '9470' },
    ['PANNIER_GRPC_ADDRESS must be HOST:PORT, :PORT for all interfaces, or none, got "9470"'],
  ],
  [
    { PANNIER_GRPC_ADDRESS: 'h:70000' },
    ['PANNIER_GRPC_ADDRESS must be HOST:PORT, :PORT for all interfaces, or none, got "h:70000"'],
  ],
  [
    { PANNIER_GRPC_ADDRESS: 'none' },
    ['PANNIER_GRPC_ADDRESS must be HOST:PORT when PANNIER_GRPC_SOCKET is unset, got "none"'],
  ],
  [
    { PANNIER_ADMIN_ADDRESS: 'a b:1' },
    ['PANNIER_ADMIN_ADDRESS must be HOST:PORT, :PORT for all interfaces, or none, got "a b:1"'],
  ],
  [
    { PANNIER_KEY_PREFIX: 'a{b}' },
    ['PANNIER_KEY_PREFIX must be at most 64 printable ASCII characters without spaces and braces, got "a{b}"'],
  ],
  [{ PANNIER_SCOPE: 'a b' }, ['PANNIER_SCOPE must be 1 to 64 characters of [A-Za-z0-9._-], got "a b"']],
  [
    { PANNIER_DEFAULT_DEADLINE_MS: '0' },
    ['PANNIER_DEFAULT_DEADLINE_MS must be an integer from 1 to 600000 ms, got "0"'],
  ],
  [
    { PANNIER_DEFAULT_DEADLINE_MS: '1s' },
    ['PANNIER_DEFAULT_DEADLINE_MS must be an integer from 1 to 600000 ms, got "1s"'],
  ],
  [
    { PANNIER_LOG_LEVEL: 'loud' },
    ['PANNIER_LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent, got "loud"'],
  ],
  [
    { PANNIER_REDIS_CONNECTIONS_PER_MASTER: '17' },
    ['PANNIER_REDIS_CONNECTIONS_PER_MASTER must be an integer from 1 to 16, got "17"'],
  ],
  [
    { PANNIER_CACHE_MAX_VALUE_BYTES: '3145729' },
    ['PANNIER_CACHE_MAX_VALUE_BYTES must be an integer from 1 to 3145728 bytes, got "3145729"'],
  ],
  [{ PANNIER_POLICYFILE: 'x' }, ['unknown setting PANNIER_POLICYFILE; did you mean PANNIER_POLICY_FILE?']],
  [{ PANNIER_TRANSPORT: 'http2' }, ['cannot use PANNIER_TRANSPORT: it was renamed; use PANNIER_GRPC_TRANSPORT']],
  [{ PANNIER_WHATEVER_THIS_IS: 'x' }, ['unknown setting PANNIER_WHATEVER_THIS_IS; see docs/reference/settings.md']],
  [
    {
      PANNIER_SERVICE_HOST: 'x',
      PANNIER_SERVICE_PORT_GRPC: '1',
      PANNIER_PORT_9470_TCP_ADDR: 'x',
      PANNIER_TEST_REDIS: 'x',
      PANNIER_MIXED_REF: 'x',
      PANNIER_INSTALL: 'never',
    },
    [],
  ],
];

test.each(FILES)('reports every error of the policy file %j', (text, expected) => {
  const result = parsePolicyFile(text);
  const problems = 'problems' in result ? result.problems : [];
  expect(problems.map((problem) => `${problem.line}:${problem.column} ${problem.message}`)).toEqual(expected);
});

test.each(ENVIRONMENTS)('reports every error of the settings %j', (environment, expected) => {
  const result = loadSettings(environment);
  const problems = 'problems' in result ? result.problems : [];
  expect(problems.map((problem) => problem.message)).toEqual(expected);
});

test.each([...RENAMED_SETTINGS])(
  'rejects the old name %s of a renamed setting and suggests the new one',
  (before, after) => {
    expect(SETTINGS.map(({ name }) => name)).toContain(after);
    const result = loadSettings({ [PREFIX + before]: '1' });
    const message = `cannot use PANNIER_${before}: it was renamed; use PANNIER_${after}`;
    expect(result).toEqual({ problems: [{ name: PREFIX + before, message }] });
  },
);

test('reports all errors of a file at once', () => {
  const result = parsePolicyFile(
    'sessions: { idle: x }\ncache: { default: { near: 3 } }\npolicies: { a: { limits: 1 } }\n',
  );
  expect('problems' in result ? result.problems.map((problem) => problem.line) : []).toEqual([1, 2, 3]);
});

test('rejects an alias bomb', () => {
  const levels = Array.from(
    { length: 9 },
    (_, index) => `l${index + 1}: &l${index + 1} [*l${index}, *l${index}, *l${index}, *l${index}]`,
  );
  const result = parsePolicyFile(`l0: &l0 [x]\n${levels.join('\n')}\n`);
  expect('problems' in result ? result.problems.map((problem) => problem.message) : []).toEqual([
    expect.stringMatching(/alias/i),
  ]);
});

test.each(['[', '{a: ', '- '])('reports one error for 20,000 levels of %j', (opening) => {
  const result = parsePolicyFile(opening.repeat(20_000));
  expect('problems' in result ? result.problems.map((problem) => problem.message) : []).toEqual([
    'the file has too many nested levels',
  ]);
});

test('reports the first 100 errors of a file with 40,000 unknown keys quickly', () => {
  // A reader that compares each key with all others would take minutes for this file.
  const text = Array.from({ length: 40_000 }, (_, index) => `k${index}: 1`).join('\n');
  const result = parsePolicyFile(text);
  expect('problems' in result && result.problems).toHaveLength(100);
});

test('rejects a key that is a mapping, as in an unrendered template, without a process warning', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on('warning', onWarning);
  const result = parsePolicyFile('policies: {{ .Values.policies }}\n');
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', onWarning);
  expect('problems' in result && result.problems).toEqual([
    { line: 1, column: 12, message: 'policies must have names as keys, got a mapping' },
  ]);
  expect(warnings).toEqual([]);
});
