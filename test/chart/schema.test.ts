/**
 * What values.schema.json refuses: a misspelt key, a value of the wrong form, each named; and what it must not refuse.
 */
import { template, type Values } from '../support/kubernetes/helm.ts';

interface Wrong {
  readonly field: string;
  readonly values: Values;
}

const policy = (limit: Values): Values => ({ policies: { policies: { api: { limits: [limit] } } } });
const LIMIT = { algorithm: 'fixed_window', limit: 5, per: '1m' };

const WRONG: readonly Wrong[] = [
  { field: 'replicas', values: { replicas: 3 } },
  { field: 'repo', values: { image: { repo: 'pannier' } } },
  { field: 'repository', values: { image: { repository: 'Pannier:1' } } },
  { field: 'tag', values: { image: { tag: true } } },
  { field: 'tag', values: { image: { tag: 'a b' } } },
  { field: 'digest', values: { image: { digest: 'sha256:12' } } },
  { field: 'pullPolicy', values: { image: { pullPolicy: 'Sometimes' } } },
  { field: 'injectionMode', values: { injectionMode: 'both' } },
  { field: 'url', values: { redis: { url: 'localhost:6379' } } },
  { field: 'url', values: { redis: { url: ['redis://one:6379', 'http://two'] } } },
  { field: 'url', values: { redis: { url: 'redis://one:6379/3' } } },
  { field: 'url', values: { redis: { url: 6379 } } },
  { field: 'url', values: { redis: { url: 'redis+sentinel://one:26379' } } },
  { field: 'url', values: { redis: { url: 'redis+sentinel://one,two:70000/main' } } },
  { field: 'secretName', values: { redis: { secretName: 'My_Secret' } } },
  { field: 'tlsSecretName', values: { redis: { tlsSecretName: 'My_Secret' } } },
  { field: 'enabled', values: { devRedis: { enabled: 'yes' } } },
  { field: 'maxMemory', values: { devRedis: { maxMemory: '64 megabytes' } } },
  { field: 'native', values: { sidecar: { native: 'maybe' } } },
  { field: 'memory', values: { sidecar: { resources: { limits: { memory: '192MB' } } } } },
  { field: 'gpu', values: { sidecar: { resources: { limits: { gpu: '1' } } } } },
  { field: 'logLevel', values: { sidecar: { logLevel: 'verbose' } } },
  { field: 'socket', values: { sidecar: { socket: 'true' } } },
  { field: 'PANNIER_REDIS_TIMEOUT', values: { sidecar: { env: { PANNIER_REDIS_TIMEOUT: '1' } } } },
  { field: 'PANNIER_GRPC_ADDRESS', values: { sidecar: { env: { PANNIER_GRPC_ADDRESS: '0.0.0.0:1' } } } },
  { field: 'polices', values: { policies: { polices: {} } } },
  { field: 'limits', values: { policies: { policies: { api: {} } } } },
  { field: 'algorithm', values: policy({ ...LIMIT, algorithm: 'leaky' }) },
  { field: 'per', values: policy({ ...LIMIT, per: '1 minute' }) },
  { field: 'limit', values: policy({ ...LIMIT, limit: 0 }) },
  { field: 'hold', values: policy({ ...LIMIT, hold: '1s' }) },
  { field: 'ttl', values: { policies: { cache: { users: { ttl: 60 } } } } },
  { field: 'policyNamespaces', values: { policyNamespaces: ['Shop'] } },
  { field: 'failurePolicy', values: { webhook: { failurePolicy: 'ignore' } } },
  { field: 'timeoutSeconds', values: { webhook: { timeoutSeconds: 31 } } },
  { field: 'port', values: { webhook: { port: 443 } } },
  { field: 'validationActions', values: { admissionPolicy: { validationActions: ['Refuse'] } } },
  { field: 'mode', values: { certificates: { mode: 'certmanager' } } },
  { field: 'caLifetimeMs', values: { certificates: { self: { caLifetimeMs: '10y' } } } },
  { field: 'caBundle', values: { certificates: { files: { caBundle: 'LS0tLS1CRUdJTg==' } } } },
  { field: 'replicaCount', values: { injector: { replicaCount: '2' } } },
  { field: 'affinity', values: { injector: { affinity: { podAntiAfinity: {} } } } },
  { field: 'tolerations', values: { injector: { tolerations: [{ key: 'a', operater: 'Exists' }] } } },
  { field: 'interval', values: { podMonitor: { interval: 30 } } },
  { field: 'namespace', values: { tests: { namespace: 'a/b' } } },
];

test.each(WRONG)('$values is refused, naming $field', ({ field, values }) => {
  const result = template(values);
  expect(result.status).not.toBe(0);
  expect(result.stderr).toContain(field);
  // By the schema, not by a template that broke later.
  expect(result.stderr).toMatch(/schema/);
});

const RIGHT: readonly Values[] = [
  { image: { repository: 'registry:5000/team/pannier', tag: 1 } },
  { sidecar: { resources: { limits: null } } },
  { redis: { url: [] }, devRedis: { enabled: true } },
  {},
  { image: { tag: 7 } },
  { image: { tag: 1.5 } },
  { redis: { url: 'redis://one:6379' } },
  { redis: { url: 'redis://one:6379,redis://two:6379' } },
  { redis: { url: ['rediss://one.example:6380', 'rediss://two.example:6380/0'] } },
  { redis: { url: 'redis://user:word@one' } },
  { redis: { url: ['redis://[fd00::1]:6379'] } },
  { redis: { url: ' redis+sentinel://one, two:26380,[fd00::1]:26379/shop-main ' } },
  { redis: { url: ['rediss+sentinel://one,two/shop.main'] } },
  { sidecar: { native: true } },
  { sidecar: { env: { PANNIER_REDIS_COMMAND_TIMEOUT_MS: 500, PANNIER_GRPC_TRANSPORT: 'grpc-js' } } },
  { global: { anything: { of: 'a parent chart' } } },
  { injector: { tolerations: [{ operator: 'Exists' }], affinity: { nodeAffinity: {} } } },
  { policies: { cache: { default: { ttl: '1h' } }, sessions: { idle: '5m', absolute: '1d' } } },
  { policies: { sessions: { max_per_user: 5, at_max_per_user: 'refuse' } } },
];

test.each(RIGHT)('%j is accepted', (values) => {
  const result = template(values);
  expect({ status: result.status, stderr: result.stderr }).toEqual({ status: 0, stderr: '' });
});

interface Contradiction {
  readonly values: Values;
  readonly text: string;
  readonly kubeVersion?: string;
}

const CONTRADICTIONS: readonly Contradiction[] = [
  { values: { certificates: { mode: 'files' } }, text: 'certificates.files.secretName is empty' },
  {
    values: { certificates: { mode: 'files', files: { secretName: 'tls' } } },
    text: 'certificates.files.caBundle is empty',
  },
  {
    values: { sidecar: { resources: { requests: { memory: '256Mi' } } } },
    text: 'requests.memory is 256Mi, wanted at most the limit, 192Mi',
  },
  {
    values: { sidecar: { resources: { requests: { cpu: 2 }, limits: { cpu: '500m' } } } },
    text: 'requests.cpu is 2, wanted at most the limit, 500m',
  },
  { values: { image: { repository: 'registry:5000/pannier:dev' } }, text: 'wanted it without its tag' },
  { values: { redis: { url: ['redis://one', 'rediss://two'] } }, text: 'redis.url mixes redis:// and rediss://' },
  {
    values: { redis: { url: ['redis+sentinel://one/main', 'redis+sentinel://two/main'] } },
    text: 'redis.url has more than one redis+sentinel:// URL',
  },
  {
    values: { certificates: { self: { caLifetimeMs: 60_000 } } },
    text: 'certificates.self.servingCertificateLifetimeMs is 86400000, wanted at most caLifetimeMs, 60000',
  },
  { values: { policies: { sessions: { idle: '5m' } }, policiesConfigMap: '' }, text: 'policiesConfigMap is empty' },
  { values: { injectionMode: 'mutating-policy', sidecar: { native: 'false' } }, text: 'sidecar.native is false' },
  { values: { injectionMode: 'mutating-policy' }, text: 'Kubernetes is v1.33.0, wanted 1.34', kubeVersion: '1.33.0' },
  {
    values: { sidecar: { resources: { limits: { memory: '64Mi' } } } },
    text: 'sidecar.resources.limits.memory is 64Mi, wanted 96Mi or more',
  },
];

test.each(CONTRADICTIONS)('$values: $text', ({ values, text, kubeVersion }) => {
  const result = template(values, kubeVersion === undefined ? [] : ['--kube-version', kubeVersion]);
  expect(result.status).not.toBe(0);
  expect(result.stderr).toContain(text);
});

test('a Kubernetes before 1.30 is refused', () => {
  const result = template({}, ['--kube-version', '1.29.4']);
  expect(result.status).not.toBe(0);
  expect(result.stderr).toContain('1.30.0');
});
