/**
 * Tests that the injector accepts every configuration that Helm accepts. If the injector rejected a configuration, the
 * error would appear only after the installation.
 */
import { parseSidecarConfig } from '../../src/injection/sidecar-config.ts';
import { at, find, render, template, type Values } from '../support/kubernetes/helm.ts';

const cpu = (value: unknown): Values => ({ sidecar: { resources: { limits: { cpu: value } } } });
const memory = (value: unknown): Values => ({
  sidecar: { resources: { requests: { memory: value }, limits: { memory: null } } },
});
const storage = (request: unknown, limit: unknown = '16Ti'): Values => ({
  sidecar: {
    resources: { requests: { 'ephemeral-storage': request }, limits: { 'ephemeral-storage': limit } },
  },
});
const repository = (value: string): Values => ({ image: { repository: value } });
const urls = (...value: string[]): Values => ({ redis: { url: value } });

const REFUSED: readonly (readonly [Values, string])[] = [
  [cpu(0), 'cpu'],
  [cpu('0m'), 'limits.cpu must be between 1m and 64, got 0m'],
  [cpu('64001m'), 'limits.cpu must be between 1m and 64, got 64001m'],
  [cpu(65), 'cpu'],
  [memory('1023Ki'), 'requests.memory must be between 1Mi and 64Gi, got 1023Ki'],
  [memory('65Gi'), 'requests.memory must be between 1Mi and 64Gi, got 65Gi'],
  [memory('1Ti'), 'memory'],
  [storage('1023Ki'), 'requests.ephemeral-storage must be between 1Mi and 16Ti, got 1023Ki'],
  [storage('1Gi', '17Ti'), 'limits.ephemeral-storage must be between 1Mi and 16Ti, got 17Ti'],
  [storage('1Gi', '1023Mi'), 'requests.ephemeral-storage must be at most the limit (1023Mi), got 1Gi'],
  [storage('100m'), 'ephemeral-storage'],
  [memory('1.1234567890Gi'), 'memory'],
  [{ redis: { secretName: 'a..b' } }, 'secretName'],
  [{ redis: { tlsSecretName: 'a..b' } }, 'tlsSecretName'],
  [{ policiesConfigMap: 'a-.b' }, 'policiesConfigMap'],
  [repository('a//b'), 'repository'],
  [repository('host:123456/a'), 'repository'],
  [repository('host:/a'), 'repository'],
  [repository('x'.repeat(256)), 'repository'],
  [{ image: { tag: 1e21 } }, 'tag'],
  [{ image: { pullPolicy: null } }, 'pullPolicy'],
  [urls('redis://one:65536'), 'url'],
  [{ redis: { url: 'redis://one:99999' } }, 'url'],
  [urls('redis://[zz]'), 'url'],
  [urls('redis+sentinel://one'), 'url'],
  [{ redis: { url: 'redis+sentinel://one,two' } }, 'url'],
  [urls(...Array.from({ length: 65 }, (_, index) => `redis://h${index}`)), 'url'],
  [
    { redis: { url: Array.from({ length: 65 }, (_, index) => `redis://h${index}`).join(',') } },
    'redis.url must list at most 64 servers, got 65',
  ],
  [{ sidecar: { logLevel: null } }, 'logLevel'],
  [{ sidecar: { resources: null } }, 'resources'],
  [{ sidecar: null }, 'sidecar'],
  [
    { injectionMode: 'mutating-policy', sidecar: { env: { PANNIER_CACHE_REDIS_URL: 'redis://one' } } },
    'PANNIER_CACHE_REDIS_URL must be unset when redis.url and redis.secretName are unset, got a URL',
  ],
];

test.each(REFUSED)('Helm rejects %j', (values, text) => {
  const result = template(values);
  expect(result.status).not.toBe(0);
  expect(result.stderr).toContain(text);
  expect(result.stderr).toMatch(/schema|[\w.]+ must .+, got .+/);
});

const ACCEPTED: readonly Values[] = [
  cpu('10m'),
  cpu(0.5),
  cpu('64'),
  memory('1Mi'),
  memory('64Gi'),
  memory('1.5Gi'),
  memory(134_217_728),
  storage('64Mi', '16Ti'),
  storage(67_108_864),
  { redis: { secretName: 'a.b-c' }, policiesConfigMap: 'x'.repeat(253) },
  { redis: { secretName: null }, policiesConfigMap: null },
  repository('registry.example:65535/team-a/pannier__x'),
  repository('localhost:5000/pannier'),
  { image: { tag: '1e3' } },
  urls('redis://one:65535', 'redis://[fd00::1]:1', 'redis://user:pa:ss@one'),
  { redis: { url: ' rediss://one:6379/0 , rediss://two/ ' } },
  { redis: { url: 'redis+sentinel://one,two:26380,[fd00::1]:26379/shop-main' } },
  urls('rediss+sentinel://user:pa,ss@one,two/shop-main'),
  { sidecar: { env: null } },
  { openshift: { enabled: true } },
  { sidecar: { imagePullSecrets: [{ name: 'regcred' }, { name: `a.${'x'.repeat(251)}` }] } },
  { sidecar: { imagePullSecrets: null } },
  { sidecar: { after: ['istio-proxy', 'x'.repeat(63)] } },
  { sidecar: { after: null } },
  { sidecar: { securityContext: { runAsUser: 2_147_483_647, runAsGroup: 0, appArmorProfile: null } } },
  { sidecar: { securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'a/b-c_d.e' } } } },
  { sidecar: { securityContext: { seLinuxOptions: { type: 'container_init_t', level: 's0:c1,c2' } } } },
  { sidecar: { resources: { limits: null, requests: null } } },
];

test.each(ACCEPTED)('Helm and the injector accept %j', (values) => {
  const configMap = find(render(values), 'ConfigMap', 'pannier-injector-config');
  const read = parseSidecarConfig(String(at(configMap, 'data')?.['injector.yaml' as never]));
  expect('problems' in read ? read.problems : []).toEqual([]);
});
