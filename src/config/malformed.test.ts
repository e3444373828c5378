/**
 * Malformed policy files and settings, each with the exact texts that the operator reads.
 */
import { loadSettings } from './load.ts';
import { parsePolicyFile } from './policies.ts';
import { PREFIX, RENAMED_SETTINGS, SETTINGS } from './settings.ts';

const FILES: [string, string[]][] = [
  ['[]', ['1:1 cannot read the file: it is a list of 0 entries, wanted a mapping with policies, cache, sessions']],
  ['text', ['1:1 cannot read the file: it is "text", wanted a mapping with policies, cache, sessions']],
  ['policies: 3', ['1:11 cannot read policies: it is 3, wanted a mapping']],
  ['polices: {}', ['1:1 cannot read polices: there is no such key, wanted policies, perhaps']],
  [
    'policies: {1: {limits: [{algorithm: fixed_window, limit: 5, per: 1s}]}, "1": {limits: [{algorithm: fixed_window, limit: 6, per: 1s}]}}',
    ['1:73 cannot read policies.1: the key stands here twice, wanted it once'],
  ],
  ['sessions: {idle: 1h}\nsessions: {}', ['2:1 cannot read sessions: the key stands here twice, wanted it once']],
  ['sessions: {idle: 1h, idle: 2h}', ['1:22 cannot read sessions.idle: the key stands here twice, wanted it once']],
  ['a: 1\n---\nb: 2', ['2:1 cannot read the file: it holds 2 YAML documents, wanted one']],
  [
    'policies: {',
    ['1:12 cannot read the file as YAML: Flow map in block collection must be sufficiently indented and end with a }'],
  ],
  ['policies: {a: {}}', ['1:15 cannot read policies.a.limits: it is missing, wanted a list of 1 to 16 entries']],
  [
    'policies: {a: {limits: []}}',
    ['1:24 cannot read policies.a.limits: it is a list of 0 entries, wanted a list of 1 to 16 entries'],
  ],
  [
    'policies: {"a b": {limits: [{algorithm: fixed_window, limit: 5, per: 1s}]}}',
    ['1:19 cannot read policies.a b: its name is "a b", wanted 1 to 64 of [A-Za-z0-9._-]'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s}, {algorithm: fixed_window, limit: 5, per: 1s}]}}',
    ['1:71 cannot read policies.a.limits[1].name: "fixed_window" is taken by another limit, wanted a name of its own'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed, limit: 5, per: 1s}]}}',
    [
      '1:37 cannot read policies.a.limits[0].algorithm: it is "fixed", wanted one of fixed_window, sliding_window_log, sliding_window_counter, token_bucket, leaky_bucket; did you mean fixed_window?',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: sliding_window, limit: 5, per: 1s}]}}',
    [
      '1:37 cannot read policies.a.limits[0].algorithm: it is "sliding_window", wanted one of fixed_window, sliding_window_log, sliding_window_counter, token_bucket, leaky_bucket; did you mean sliding_window_log or sliding_window_counter?',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: token-bucket, limit: 5, per: 1s}]}}',
    [
      '1:37 cannot read policies.a.limits[0].algorithm: it is "token-bucket", wanted one of fixed_window, sliding_window_log, sliding_window_counter, token_bucket, leaky_bucket; did you mean token_bucket?',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: gcra, limit: 5, per: 1s}]}}',
    [
      '1:37 cannot read policies.a.limits[0].algorithm: it is "gcra", wanted one of fixed_window, sliding_window_log, sliding_window_counter, token_bucket, leaky_bucket',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, period: 1s}]}}',
    [
      '1:25 cannot read policies.a.limits[0].per: it is missing, wanted a duration such as 500ms, 1s, 5m, 1h or 2d',
      '1:61 cannot read policies.a.limits[0].period: there is no such key, wanted per, perhaps',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: concurrency, limit: 5, per: 1s}]}}',
    [
      '1:37 cannot read policies.a.limits[0].algorithm: it is "concurrency", wanted one of fixed_window, sliding_window_log, sliding_window_counter, token_bucket, leaky_bucket: this version does not serve concurrency limits',
    ],
  ],
  [
    'policies: {a: {limits: [{limit: 5, per: 1s}]}}',
    [
      '1:25 cannot read policies.a.limits[0].algorithm: it is missing, wanted one of fixed_window, sliding_window_log, sliding_window_counter, token_bucket, leaky_bucket',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 0, per: 1s}]}}',
    ['1:58 cannot read policies.a.limits[0].limit: it is 0, wanted an integer from 1 to 68719476736'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 1.5, per: 1s}]}}',
    ['1:58 cannot read policies.a.limits[0].limit: it is 1.5, wanted a positive integer'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: "5", per: 1s}]}}',
    ['1:58 cannot read policies.a.limits[0].limit: it is "5", wanted a positive integer'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 60}]}}',
    ['1:66 cannot read policies.a.limits[0].per: it is 60, wanted a duration such as 500ms, 1s, 5m, 1h or 2d'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 0s}]}}',
    ['1:66 cannot read policies.a.limits[0].per: it is "0s", wanted a duration such as 500ms, 1s, 5m, 1h or 2d'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 401d}]}}',
    ['1:66 cannot read policies.a.limits[0].per: it is "401d", wanted 1 to 34560000000 milliseconds (400 days)'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s, burst: 9}]}}',
    [
      '1:77 cannot read policies.a.limits[0].burst: it is 9, wanted no burst: fixed_window has none, token_bucket and leaky_bucket have',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s, bursts: 9}]}}',
    ['1:70 cannot read policies.a.limits[0].bursts: there is no such key, wanted burst, perhaps'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s, name: "x y"}]}}',
    ['1:76 cannot read policies.a.limits[0].name: it is "x y", wanted 1 to 64 of [A-Za-z0-9._-]'],
  ],
  [
    'policies: {a: {limits: [{algorithm: sliding_window_log, limit: 10001, per: 1s}]}}',
    ['1:64 cannot read policies.a.limits[0].limit: it is 10001, wanted an integer from 1 to 10000'],
  ],
  [
    'policies: {a: {limits: [{algorithm: token_bucket, limit: 1, per: 400d, burst: 68719476736}]}}',
    [
      '1:79 cannot read policies.a.limits[0].burst: it is 68719476736, wanted a bucket that drains within 4398046511104 milliseconds at this rate',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s}], on_failure: local}}',
    [
      '1:84 cannot read policies.a.on_failure: it is "local", wanted one of allow, deny: this version does not serve local',
    ],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s}], on_failure: open}}',
    ['1:84 cannot read policies.a.on_failure: it is "open", wanted one of allow, deny'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s}], shared: yes}}',
    ['1:80 cannot read policies.a.shared: it is "yes", wanted true or false'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s}], hash_subjects: hmac}}',
    ['1:87 cannot read policies.a.hash_subjects: it is "hmac", wanted true or false'],
  ],
  [
    'policies: {a: {limits: [{algorithm: fixed_window, limit: 5, per: 1s}], shadow: true}}',
    ['1:72 cannot read policies.a.shadow: this version does not serve it, leave it out'],
  ],
  [
    'cache: {default: {ttl: 31d}}',
    ['1:24 cannot read cache.default.ttl: it is "31d", wanted a duration such as 500ms, 1s, 5m, 1h or 2d, at most 30d'],
  ],
  ['cache: {u: {near: 1}}', ['1:19 cannot read cache.u.near: it is 1, wanted true or false']],
  ['cache: {u: }', ['1:12 cannot read cache.u: it is empty, wanted a mapping with ttl, near']],
  [
    'sessions: {idle: 2h, absolute: 1h}',
    ['1:18 cannot read sessions.idle: it is "2h", wanted at most sessions.absolute, which is 1h'],
  ],
  [
    'sessions: {idle: 31d}',
    ['1:18 cannot read sessions.idle: it is "31d", wanted a duration such as 500ms, 1s, 5m, 1h or 2d, at most 30d'],
  ],
  [
    'sessions: {max_per_user: 0}',
    ['1:26 cannot read sessions.max_per_user: it is 0, wanted an integer from 1 to 1000'],
  ],
  [
    'sessions: {max_per_user: 1001, at_max_per_user: refuse}',
    ['1:26 cannot read sessions.max_per_user: it is 1001, wanted an integer from 1 to 1000'],
  ],
  [
    'sessions: {max_per_user: "5", at_max_per_user: end}',
    [
      '1:26 cannot read sessions.max_per_user: it is "5", wanted an integer from 1 to 1000',
      '1:48 cannot read sessions.at_max_per_user: it is "end", wanted one of evict, refuse',
    ],
  ],
  [
    'sessions: {at_max_per_user: refuse}',
    ['1:29 cannot read sessions.at_max_per_user: it has no effect without sessions.max_per_user, set both'],
  ],
  ['sessions: {idel: 1h}', ['1:12 cannot read sessions.idel: there is no such key, wanted idle, perhaps']],
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
      'cannot use PANNIER_GRPC_PORT: there is no such setting, wanted a setting of docs/reference/settings.md',
      'cannot use PANNIER_PORT: there is no such setting, wanted a setting of docs/reference/settings.md',
    ],
  ],
  [
    { PANNIER_SERVICE_ACCOUNT: 'x' },
    ['cannot use PANNIER_SERVICE_ACCOUNT: there is no such setting, wanted a setting of docs/reference/settings.md'],
  ],
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
    ['cannot use PANNIER_CACHE_REDIS_URL: PANNIER_REDIS_URL is unset, wanted both or PANNIER_REDIS_URL alone'],
  ],
  [
    { PANNIER_GRPC_ADDRESS: '9470' },
    ['cannot use PANNIER_GRPC_ADDRESS: it is "9470", wanted HOST:PORT, :PORT for all interfaces, or none'],
  ],
  [
    { PANNIER_GRPC_ADDRESS: 'h:70000' },
    ['cannot use PANNIER_GRPC_ADDRESS: it is "h:70000", wanted HOST:PORT, :PORT for all interfaces, or none'],
  ],
  [
    { PANNIER_GRPC_ADDRESS: 'none' },
    ['cannot use PANNIER_GRPC_ADDRESS: it is "none" and there is no PANNIER_GRPC_SOCKET, wanted one of the two'],
  ],
  [
    { PANNIER_ADMIN_ADDRESS: 'a b:1' },
    ['cannot use PANNIER_ADMIN_ADDRESS: it is "a b:1", wanted HOST:PORT, :PORT for all interfaces, or none'],
  ],
  [
    { PANNIER_KEY_PREFIX: 'a{b}' },
    ['cannot use PANNIER_KEY_PREFIX: it is "a{b}", wanted at most 64 printable characters without blanks and braces'],
  ],
  [{ PANNIER_SCOPE: 'a b' }, ['cannot use PANNIER_SCOPE: it is "a b", wanted 1 to 64 of [A-Za-z0-9._-]']],
  [
    { PANNIER_DEFAULT_DEADLINE_MS: '0' },
    ['cannot use PANNIER_DEFAULT_DEADLINE_MS: it is "0", wanted an integer from 1 to 600000 ms'],
  ],
  [
    { PANNIER_DEFAULT_DEADLINE_MS: '1s' },
    ['cannot use PANNIER_DEFAULT_DEADLINE_MS: it is "1s", wanted an integer from 1 to 600000 ms'],
  ],
  [
    { PANNIER_LOG_LEVEL: 'loud' },
    ['cannot use PANNIER_LOG_LEVEL: it is "loud", wanted one of trace, debug, info, warn, error, fatal, silent'],
  ],
  [
    { PANNIER_REDIS_CONNECTIONS_PER_MASTER: '17' },
    ['cannot use PANNIER_REDIS_CONNECTIONS_PER_MASTER: it is "17", wanted an integer from 1 to 16'],
  ],
  [
    { PANNIER_CACHE_MAX_VALUE_BYTES: '3145729' },
    ['cannot use PANNIER_CACHE_MAX_VALUE_BYTES: it is "3145729", wanted an integer from 1 to 3145728 bytes'],
  ],
  [
    { PANNIER_POLICYFILE: 'x' },
    ['cannot use PANNIER_POLICYFILE: there is no such setting, wanted PANNIER_POLICY_FILE, perhaps'],
  ],
  [{ PANNIER_TRANSPORT: 'http2' }, ['cannot use PANNIER_TRANSPORT: it was renamed; use PANNIER_GRPC_TRANSPORT']],
  [
    { PANNIER_WHATEVER_THIS_IS: 'x' },
    ['cannot use PANNIER_WHATEVER_THIS_IS: there is no such setting, wanted a setting of docs/reference/settings.md'],
  ],
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

test.each(FILES)('policy file %j', (text, expected) => {
  const result = parsePolicyFile(text);
  const problems = 'problems' in result ? result.problems : [];
  expect(problems.map((problem) => `${problem.line}:${problem.column} ${problem.message}`)).toEqual(expected);
});

test.each(ENVIRONMENTS)('settings %j', (environment, expected) => {
  const result = loadSettings(environment);
  const problems = 'problems' in result ? result.problems : [];
  expect(problems.map((problem) => problem.message)).toEqual(expected);
});

test.each([...RENAMED_SETTINGS])(
  'the old name %s of a renamed setting is refused with the new one',
  (before, after) => {
    expect(SETTINGS.map(({ name }) => name)).toContain(after);
    const result = loadSettings({ [PREFIX + before]: '1' });
    const message = `cannot use PANNIER_${before}: it was renamed; use PANNIER_${after}`;
    expect(result).toEqual({ problems: [{ name: PREFIX + before, message }] });
  },
);

test('all mistakes of a file are told in one reading', () => {
  const result = parsePolicyFile(
    'sessions: { idle: x }\ncache: { default: { near: 3 } }\npolicies: { a: { limits: 1 } }\n',
  );
  expect('problems' in result ? result.problems.map((problem) => problem.line) : []).toEqual([1, 2, 3]);
});

test('an alias bomb is refused', () => {
  const levels = Array.from(
    { length: 9 },
    (_, index) => `l${index + 1}: &l${index + 1} [*l${index}, *l${index}, *l${index}, *l${index}]`,
  );
  const result = parsePolicyFile(`l0: &l0 [x]\n${levels.join('\n')}\n`);
  expect('problems' in result ? result.problems.map((problem) => problem.message) : []).toEqual([
    expect.stringMatching(/alias/i),
  ]);
});

test('a large file of mistakes is read in no time, and tells the first 100 of them', () => {
  // With keys compared with all others it took minutes, in which a sidecar that reloads answers nobody.
  const text = Array.from({ length: 40_000 }, (_, index) => `k${index}: 1`).join('\n');
  const result = parsePolicyFile(text);
  expect('problems' in result && result.problems).toHaveLength(100);
});

test('keys that are no texts, as a template that was not rendered has them, warn nobody but by their places', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on('warning', onWarning);
  const result = parsePolicyFile('policies: {{ .Values.policies }}\n');
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', onWarning);
  expect('problems' in result && result.problems).toEqual([
    { line: 1, column: 12, message: 'cannot read policies: a key is a mapping, wanted a name' },
  ]);
  expect(warnings).toEqual([]);
});
