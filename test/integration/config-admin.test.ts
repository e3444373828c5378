/**
 * Tests the admin server over real HTTP, and `pannier check` with real files.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCheck } from '../../src/commands/check.ts';
import { type AdminServer, startAdminServer } from '../../src/observability/admin-server.ts';
import { silentLogger } from '../support/lib/silent-logger.ts';
import { waitFor } from '../support/wait.ts';

let isReady = false;
let server: AdminServer;
const directory = mkdtempSync(join(tmpdir(), 'check-'));

beforeAll(async () => {
  server = await startAdminServer({
    host: '127.0.0.1',
    port: 0,
    isReady: () => isReady,
    describe: () => ['state: memory'],
    metricsText: async () => 'pannier_build_info 1\n',
    metricsContentType: 'text/plain',
    log: silentLogger,
  });
});

afterAll(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

async function fetchPage(path: string, method = 'GET'): Promise<[number, string]> {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
  return [response.status, await response.text()];
}

test('serves /livez, /metrics and an index, and rejects unknown paths and other methods', async () => {
  expect(await fetchPage('/livez')).toEqual([200, 'ok\n']);
  expect(await fetchPage('/livez', 'HEAD')).toEqual([200, '']);
  expect(await fetchPage('/metrics')).toEqual([200, 'pannier_build_info 1\n']);
  expect(await fetchPage('/')).toEqual([200, '/livez\n/readyz\n/metrics\n']);
  expect((await fetchPage('/else'))[0]).toBe(404);
  expect((await fetchPage('/livez', 'POST'))[0]).toBe(405);
});

test('returns 503 and then 200 from /readyz, with the state of the store', async () => {
  expect(await fetchPage('/readyz')).toEqual([503, 'not ready\nstate: memory\n']);
  isReady = true;
  expect(await fetchPage('/readyz')).toEqual([200, 'ready\nstate: memory\n']);
});

test('names the address if it is in use', async () => {
  const second = startAdminServer({
    host: '127.0.0.1',
    port: server.port,
    isReady: () => true,
    describe: () => [],
    metricsText: async () => '',
    metricsContentType: 'text/plain',
    log: silentLogger,
  });
  await expect(second).rejects.toThrow(`cannot listen on 127.0.0.1:${server.port}: EADDRINUSE; use a free address`);
});

test('closes the connection of a client that does not finish its request or does not read its responses', async () => {
  const strict = await startAdminServer({
    host: '127.0.0.1',
    port: 0,
    isReady: () => true,
    describe: () => [],
    metricsText: async () => 'x'.repeat(1_000_000),
    metricsContentType: 'text/plain',
    log: silentLogger,
    maxAnswerMs: 200,
  });
  const half = connect(strict.port, '127.0.0.1');
  half.write('GET /livez HT');
  const unread = connect(strict.port, '127.0.0.1').pause();
  unread.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(50));
  unread.on('error', () => undefined);
  await once(half.resume(), 'close');
  // A client that does not read detects that the server has closed the connection only when the client writes.
  await waitFor('the closed connection', () => {
    unread.write('\r\n');
    return unread.destroyed;
  });
  await strict.close();
});

interface CheckResult {
  readonly code: number;
  readonly out: string[];
  readonly error: string[];
}

function check(environment: Record<string, string>, file?: string): CheckResult {
  return checkFiles(file === undefined ? [] : [file], { environment });
}

function checkFiles(
  files: readonly string[],
  { environment = {}, input = '' }: { environment?: Record<string, string>; input?: string } = {},
): CheckResult {
  const out: string[] = [];
  const error: string[] = [];
  const io = {
    environment,
    readInput: () => input,
    out: (line: string) => void out.push(line),
    error: (line: string) => void error.push(line),
  };
  return { code: runCheck(files, io), out, error };
}

test('check prints all errors with FILE:LINE:COLUMN, or a summary', () => {
  const path = join(directory, 'policies.yaml');
  writeFileSync(path, 'policies:\n  a: { limits: [{ algorithm: fixed_window, limit: 5, per: 1s }] }\n');
  expect(check({}, path).code).toBe(0);
  expect(check({}, path).out).toEqual(['ok: settings, 1 policy, 1 limit, 0 cache namespaces']);
  writeFileSync(path, 'policies:\n  a: { limits: 3 }\nsessions: { idle: x }\n');
  const bad = check({ PANNIER_LOG_LEVEL: 'loud' }, path);
  expect(bad.code).toBe(1);
  expect(bad.error).toEqual([
    expect.stringContaining('PANNIER_LOG_LEVEL'),
    expect.stringMatching(/policies\.yaml:2:16: policies\.a\.limits must be /),
    expect.stringMatching(/policies\.yaml:3:19: sessions\.idle must be /),
    '3 errors',
  ]);
  expect(check({}, join(directory, 'gone.yaml')).code).toBe(1);
});

test('check accepts missing files only if they are optional, as serve does', () => {
  const gone = join(directory, 'gone.yaml');
  expect(check({ PANNIER_POLICY_FILE: gone }).error).toEqual([
    `cannot read the policy file ${gone}: ENOENT; use a readable file`,
    '1 error',
  ]);
  expect(check({ PANNIER_POLICY_FILE: gone, PANNIER_POLICY_FILE_OPTIONAL: 'true' })).toMatchObject({ code: 0 });
  expect(check({ PANNIER_POLICY_FILE_OPTIONAL: 'true' }, gone).code).toBe(1);
  const redis = { PANNIER_REDIS_URL: 'redis://h:1', PANNIER_REDIS_PASSWORD_FILE: gone };
  expect(check(redis).error).toEqual([
    `cannot use PANNIER_REDIS_PASSWORD_FILE "${gone}": ENOENT; use a readable file`,
    '1 error',
  ]);
  expect(check({ ...redis, PANNIER_REDIS_FILES_OPTIONAL: 'true' }).code).toBe(0);
});

const LIMIT = '{ algorithm: fixed_window, limit: 5, per: 1s }';
/** A manifest with an object of another kind and two ConfigMaps, of which the second one has an error in line 25. */
const MANIFEST = `# Source: pannier/templates/policies-configmaps.yaml
apiVersion: v1
kind: Service
metadata: { name: policies.yaml }
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: pannier-policies
  namespace: shop
data:
  policies.yaml: |
    policies:
      api: { limits: [${LIMIT}] }
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: team
data:
  other: x
  policies.yaml: |-
    # A comment

    policies:
      api: { limits: [${LIMIT.replace('1s', '1minute')}] }
`;

test('check finds the policy files in a manifest, with positions in the manifest', () => {
  const path = join(directory, 'configmap.yaml');
  writeFileSync(path, MANIFEST);
  expect(checkFiles([path])).toEqual({
    code: 1,
    out: [],
    error: [
      `${path}:26:65: policies.api.limits[0].per must be a duration such as 500ms, 1s, 5m, 1h or 2d, got "1minute"`,
      '1 error',
    ],
  });
  const input = MANIFEST.replace('1minute', '1m');
  expect(checkFiles(['-'], { input })).toEqual({
    code: 0,
    out: [
      'ok: settings, ConfigMap shop/pannier-policies: 1 policy, 1 limit, 0 cache namespaces, ConfigMap team: 1 policy, 1 limit, 0 cache namespaces',
    ],
    error: [],
  });
});

test('check accepts several files, also from the standard input', () => {
  const path = join(directory, 'first.yaml');
  writeFileSync(path, `policies: { a: { limits: [${LIMIT}] } }\n`);
  expect(checkFiles([path, '-'], { input: 'policies: 3\n' }).error).toEqual([
    '(standard input):1:11: policies must be a mapping, got 3',
    '1 error',
  ]);
  expect(checkFiles([path, path]).out).toEqual([
    'ok: settings, 1 policy, 1 limit, 0 cache namespaces, 1 policy, 1 limit, 0 cache namespaces',
  ]);
});

const configMap = (data: string): string => `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: team }\n${data}`;

test.each([
  [
    configMap('data:\n  policy.yml: |\n    policies: {}\n  notes: x\n'),
    '5:3: the ConfigMap team must have the key policies.yaml, got only policy.yml, notes',
  ],
  [configMap(''), '1:1: the ConfigMap team must have the key policies.yaml, got no keys'],
  [
    configMap('data:\n  policies.yaml:\n    policies: {}\n'),
    '6:5: data["policies.yaml"] must be a text, got another value; write "policies.yaml: |" above the policy file',
  ],
  [
    configMap('binaryData:\n  policies.yaml: cG9saWNpZXM6IHt9\n'),
    '5:18: binaryData["policies.yaml"] must be in data; save the policy file in UTF-8, because kubectl writes other encodings to binaryData',
  ],
  [
    configMap('data:\n  policies.yaml: "policies:\\n  api: 3\\n"\n'),
    '5:18: policies.api must be a mapping with limits, on_failure, shared, hash_subjects, got 3 (line 2, column 8 of policies.yaml)',
  ],
  [
    '{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"policies.yaml": "policies: 3"}}]}',
    '1:143: policies must be a mapping, got 3 (line 1, column 11 of policies.yaml)',
  ],
  [
    'apiVersion: v1\nkind: Secret\n',
    '1:1: the file must contain a policy file or a ConfigMap with the key policies.yaml, got neither',
  ],
  ['apiVersion: v1\nkind: ConfigMap\ndata: {\n', expect.stringContaining('cannot parse the file as YAML')],
])('check rejects the manifest %j', (input, expected) => {
  const { code, error } = checkFiles(['-'], { input });
  expect(code).toBe(1);
  expect(error).toHaveLength(2);
  const text = error[0]?.replace('(standard input):', '');
  expect(text).toEqual(expected);
});

test('check reads CRLF manifests and indentation indicators at the right position', () => {
  const lines = ['data:', '  policies.yaml: |2', '      policies:', '        api: 3', ''];
  for (const separator of ['\n', '\r\n']) {
    const input = configMap(lines.join('\n')).replaceAll('\n', separator);
    expect(checkFiles(['-'], { input }).error[0]).toContain('(standard input):7:14: policies.api must be a mapping');
  }
});
