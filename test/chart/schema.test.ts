/**
 * Tests values.schema.json: the schema accepts valid values, and rejects misspelt keys and invalid values with an error
 * that names the key.
 */
import { template, type Values } from '../support/kubernetes/helm.ts';

interface Invalid {
  readonly field: string;
  readonly values: Values;
}

const policy = (limit: Values): Values => ({ policies: { policies: { api: { limits: [limit] } } } });
const LIMIT = { algorithm: 'fixed_window', limit: 5, per: '1m' };

const localhost = (localhostProfile: string): Values => ({ type: 'Localhost', localhostProfile });

const INVALID: readonly Invalid[] = [
  { field: 'replicas', values: { replicas: 3 } },
  { field: 'repo', values: { image: { repo: 'pannier' } } },
  { field: 'tag', values: { image: { tag: true } } },
  { field: 'tag', values: { image: { tag: 'a b' } } },
  { field: 'digest', values: { image: { digest: 'sha256:12' } } },
  { field: 'pullPolicy', values: { image: { pullPolicy: 'Sometimes' } } },
  { field: 'injectionMode', values: { injectionMode: 'both' } },
  { field: 'url', values: { redis: { url: 6379 } } },
  { field: 'secretName', values: { redis: { secretName: 'My_Secret' } } },
  { field: 'tlsSecretName', values: { redis: { tlsSecretName: 'My_Secret' } } },
  { field: 'enabled', values: { devRedis: { enabled: 'yes' } } },
  { field: 'maxMemory', values: { devRedis: { maxMemory: true } } },
  { field: 'maxMemory', values: { devRedis: { maxMemory: '64 megabytes' } } },
  { field: 'native', values: { sidecar: { native: 'maybe' } } },
  { field: 'memory', values: { sidecar: { resources: { limits: { memory: '192MB' } } } } },
  { field: 'gpu', values: { sidecar: { resources: { limits: { gpu: '1' } } } } },
  { field: 'logLevel', values: { sidecar: { logLevel: 'verbose' } } },
  { field: 'socket', values: { sidecar: { socket: 'true' } } },
  { field: 'name', values: { sidecar: { imagePullSecrets: [{ name: 'Reg_Cred' }] } } },
  { field: 'imagePullSecrets', values: { sidecar: { imagePullSecrets: [{ name: 'a' }, { name: 'a' }] } } },
  { field: 'imagePullSecrets', values: { sidecar: { imagePullSecrets: ['regcred'] } } },
  { field: 'after', values: { sidecar: { after: ['Istio'] } } },
  { field: 'after', values: { sidecar: { after: 'istio-proxy' } } },
  { field: 'runAsUser', values: { sidecar: { securityContext: { runAsUser: 0 } } } },
  { field: 'runAsUser', values: { sidecar: { securityContext: { runAsUser: '65532' } } } },
  { field: 'runAsUsr', values: { sidecar: { securityContext: { runAsUsr: 1 } } } },
  { field: 'type', values: { sidecar: { securityContext: { seccompProfile: { type: 'Unconfined' } } } } },
  { field: 'localhostProfile', values: { sidecar: { securityContext: { seccompProfile: localhost('../x') } } } },
  { field: 'type', values: { sidecar: { securityContext: { seLinuxOptions: { type: 'spc_t' } } } } },
  { field: 'user', values: { sidecar: { securityContext: { seLinuxOptions: { user: 'a' } } } } },
  { field: 'runAsUsr', values: { injector: { podSecurityContext: { runAsUsr: 1 } } } },
  { field: 'fsGroup', values: { injector: { securityContext: { fsGroup: 1 } } } },
  { field: 'enabled', values: { openshift: { enabled: 'yes' } } },
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

test.each(INVALID)('rejects $values and names $field', ({ field, values }) => {
  const result = template(values);
  expect(result.status).not.toBe(0);
  expect(result.stderr).toContain(field);
  // The schema must reject the value before Helm renders a template that fails because of the value.
  expect(result.stderr).toMatch(/schema/);
});

const VALID: readonly Values[] = [
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

test.each(VALID)('accepts %j', (values) => {
  const result = template(values);
  expect({ status: result.status, stderr: result.stderr }).toEqual({ status: 0, stderr: '' });
});

interface Contradiction {
  readonly values: Values;
  readonly text: string;
  readonly kubeVersion?: string;
}

const CONTRADICTIONS: readonly Contradiction[] = [
  {
    values: { certificates: { mode: 'files' } },
    text: 'certificates.files.secretName must name a Secret with tls.crt and tls.key when certificates.mode is files, got',
  },
  {
    values: { certificates: { mode: 'files', files: { secretName: 'tls' } } },
    text: 'certificates.files.caBundle must contain the PEM certificates of the CA when certificates.mode is files, got',
  },
  {
    values: { sidecar: { resources: { requests: { memory: '256Mi' } } } },
    text: 'requests.memory must be at most the limit (192Mi), got 256Mi',
  },
  {
    values: { sidecar: { resources: { requests: { cpu: 2 }, limits: { cpu: '500m' } } } },
    text: 'requests.cpu must be at most the limit (500m), got 2',
  },
  {
    values: { image: { repository: 'registry:5000/pannier:dev' } },
    text: 'image.repository must be a repository without a tag, got "registry:5000/pannier:dev"; set image.tag instead',
  },
  {
    values: { sidecar: { image: { repository: 'registry:5000/pannier:dev' } } },
    text: 'sidecar.image.repository must be a repository without a tag',
  },
  {
    values: { redis: { url: ['redis://one', 'rediss://two'] } },
    text: 'redis.url must use one scheme, got redis:// and rediss://',
  },
  {
    values: { redis: { url: ['redis+sentinel://one/main', 'redis+sentinel://two/main'] } },
    text: 'redis.url must be one URL that lists all Sentinels (redis+sentinel://HOST:26379,HOST:26379/NAME), got several',
  },
  {
    values: { certificates: { self: { caLifetimeMs: 60_000 } } },
    text: 'servingCertificateLifetimeMs must be at most certificates.self.caLifetimeMs (60000), got 86400000',
  },
  {
    values: { policies: { sessions: { idle: '5m' } }, policiesConfigMap: '' },
    text: 'policiesConfigMap must be the name of a ConfigMap when policies is set, got an empty string',
  },
  {
    values: { injectionMode: 'mutating-policy', sidecar: { native: 'false' } },
    text: 'sidecar.native must be auto or true with injection mode mutating-policy, got false',
  },
  {
    values: { injectionMode: 'mutating-policy' },
    text: 'injection mode mutating-policy requires Kubernetes 1.34 or later, got v1.33.0; use injectionMode=webhook',
    kubeVersion: '1.33.0',
  },
  {
    values: { sidecar: { securityContext: { privileged: true } } },
    text: 'sidecar.securityContext.privileged must be unset, because every sidecar has privileged false, got true',
  },
  {
    values: { sidecar: { securityContext: { capabilities: { add: ['NET_ADMIN'] } } } },
    text: 'sidecar.securityContext.capabilities must be unset, because every sidecar has capabilities {"drop":["ALL"]}',
  },
  {
    values: { sidecar: { securityContext: { appArmorProfile: { type: 'Localhost' } } } },
    text: 'sidecar.securityContext.appArmorProfile.localhostProfile must be a path when type is Localhost, got nothing',
  },
  {
    values: { sidecar: { securityContext: { seccompProfile: { type: 'RuntimeDefault', localhostProfile: 'a' } } } },
    text: 'sidecar.securityContext.seccompProfile.localhostProfile must be unset unless type is Localhost, got "a"',
  },
  {
    values: { sidecar: { resources: { limits: { memory: '64Mi' } } } },
    text: 'sidecar.resources.limits.memory must be at least 96Mi, got 64Mi',
  },
];

test.each(CONTRADICTIONS)('rejects $values: $text', ({ values, text, kubeVersion }) => {
  const result = template(values, kubeVersion === undefined ? [] : ['--kube-version', kubeVersion]);
  expect(result.status).not.toBe(0);
  expect(result.stderr).toContain(text);
});

const URL_FORMS =
  'redis.url must be redis://HOST:PORT or rediss://HOST:PORT without a database number (several as a list or separated by commas), or redis+sentinel://HOST:PORT,HOST:PORT/NAME or rediss+sentinel://HOST:PORT,HOST:PORT/NAME';

test.each<[unknown, string]>([
  ['localhost:6379', 'localhost:6379'],
  ['redis://one:6379/3', 'redis://one:6379/3'],
  ['redis+sentinel://one:26379', 'redis+sentinel://one:26379'],
  ['redis+sentinel://one,two:70000/main', 'redis+sentinel://one,two:70000/main'],
  ['redis://one:99999', 'redis://one:99999'],
  ['redis://one:6379,', ''],
  [['redis://one:6379', 'http://two'], 'http://two'],
  ['http://user:canary@one:6379', 'http://***@one:6379'],
  ['http://user:canary,canary@one:6379', 'http://***@one:6379'],
  ['user:can@ary@one:6379', '***@one:6379'],
  ['redis://user:canary', 'redis://user:***'],
  ['redis://user:1canary', 'redis://user:***'],
  ['redis://one:6379?password=canary', 'redis://one:***'],
  ['redis://a:canary@one:6379,http://b:canary@two:6379', 'redis://***@two:6379'],
  ['redis://one?password=canary', 'redis://one?***'],
  [['redis://:canary@one:6379/1'], 'redis://***@one:6379/1'],
])('rejects redis.url %j with its accepted forms and without its password', (url, shown) => {
  for (const injectionMode of ['webhook', 'mutating-policy']) {
    const { status, stderr } = template({ redis: { url }, injectionMode });
    expect(status).not.toBe(0);
    expect(stderr).toContain(`${URL_FORMS}, got ${JSON.stringify(shown)}`);
    expect(stderr).not.toMatch(/canary|want array|pattern/);
  }
});

test.each<[Values, string]>([
  [
    { image: { repository: 'Pannier:1' } },
    'image.repository must be an image repository in lower case without a tag and a digest, such as registry.example:5000/team/pannier, got "Pannier:1"',
  ],
  [{ devRedis: { image: { repository: 'redis@sha256:1' } } }, 'devRedis.image.repository must be an image repository'],
  [
    { sidecar: { env: { PANNIER_CACHE_REDIS_URL: 'http://user:canary@one' } } },
    'PANNIER_CACHE_REDIS_URL must be redis://HOST:PORT or rediss://HOST:PORT (several of one scheme separated by commas, without a database number), or redis+sentinel://HOST:PORT,HOST:PORT/NAME or rediss+sentinel:// for Sentinels, got "http://***@one"',
  ],
  [
    { sidecar: { env: { PANNIER_GRPC_MAX_CONNECTION_AGE_MS: '2147483648' } } },
    'sidecar.env.PANNIER_GRPC_MAX_CONNECTION_AGE_MS must be 0 to 2147483647 ms, got "2147483648"',
  ],
])('rejects %j: %s', (values, text) => {
  const { status, stderr } = template(values);
  expect(status).not.toBe(0);
  expect(stderr).toContain(text);
  expect(stderr).not.toMatch(/canary|pattern/);
});

test('rejects Kubernetes before 1.30', () => {
  const result = template({}, ['--kube-version', '1.29.4']);
  expect(result.status).not.toBe(0);
  expect(result.stderr).toContain('1.30.0');
});
