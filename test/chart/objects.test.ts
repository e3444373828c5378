/**
 * Tests each object of the chart with the values that affect it. The tests cover every property on which the API
 * server, the injector or an operator depends.
 */
import { parse } from 'yaml';
import { at, find, type Manifest, render, type Values } from '../support/kubernetes/helm.ts';

const NAME = 'pannier-injector';
const FILES_MODE = {
  mode: 'files',
  files: { secretName: 'tls', caBundle: '-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n' },
};
const container = (manifests: readonly Manifest[]): unknown =>
  at(find(manifests, 'Deployment', NAME), 'spec.template.spec.containers.0');
const configOf = (values: Values): unknown =>
  parse(String(at(find(render(values), 'ConfigMap', `${NAME}-config`), 'data')?.['injector.yaml' as never]));

describe('the Deployment', () => {
  test('runs the webhook with all its flags', () => {
    expect(at(container(render()), 'args')).toEqual([
      'webhook',
      '--config=/etc/pannier/injector.yaml',
      '--port=9443',
      '--admin-address=:9471',
      '--namespace=$(POD_NAMESPACE)',
      '--service-name=pannier-injector',
      '--webhook-configuration=pannier-injector',
      '--drain-delay-ms=5000',
      '--certificates=self',
      '--ca-secret=pannier-injector-ca',
      '--ca-lifetime-ms=7776000000',
      '--serving-certificate-lifetime-ms=86400000',
    ]);
  });

  test('passes the lifetimes and files of certificates to the webhook', () => {
    const short = render({ certificates: { self: { caLifetimeMs: 60_000, servingCertificateLifetimeMs: 20_000 } } });
    expect(at(container(short), 'args')).toEqual(
      expect.arrayContaining(['--ca-lifetime-ms=60000', '--serving-certificate-lifetime-ms=20000']),
    );
    const files = render({ certificates: { mode: 'cert-manager' } });
    expect(at(container(files), 'args')).toEqual(
      expect.arrayContaining([
        '--certificates=files',
        '--certificate-file=/etc/pannier/certificates/tls.crt',
        '--key-file=/etc/pannier/certificates/tls.key',
        '--ca-file=/etc/pannier/certificates/ca.crt',
      ]),
    );
    expect(JSON.stringify(at(container(render({ certificates: FILES_MODE })), 'args'))).not.toContain('ca-file');
    expect(at(find(files, 'Deployment', NAME), 'spec.template.spec.volumes')).toContainEqual({
      name: 'certificates',
      secret: { secretName: 'pannier-injector-tls', defaultMode: 0o440 },
    });
  });

  test('has two replicas that prefer different nodes, and stops none before its successor is ready', () => {
    const spec = at(find(render(), 'Deployment', NAME), 'spec');
    expect(at(spec, 'replicas')).toBe(2);
    expect(at(spec, 'strategy.rollingUpdate')).toEqual({ maxUnavailable: 0, maxSurge: 1 });
    const pod = at(spec, 'template.spec');
    expect(at(pod, 'affinity.podAntiAffinity')).toEqual({
      preferredDuringSchedulingIgnoredDuringExecution: [expect.objectContaining({ weight: 100 })],
    });
    expect(at(pod, 'topologySpreadConstraints')).toEqual([
      expect.objectContaining({ topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway' }),
      expect.objectContaining({ topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' }),
    ]);
    expect(at(pod, 'terminationGracePeriodSeconds')).toBe(30);
  });

  test('is replaced only when the configuration of sidecars changes', () => {
    const checksum = (values: Values): unknown =>
      at(find(render(values), 'Deployment', NAME), 'spec.template.metadata.annotations')?.['checksum/config' as never];
    expect(checksum({ redis: { url: 'redis://one' } })).not.toBe(checksum({}));
    expect(checksum({ podMonitor: { enabled: true } })).toBe(checksum({}));
    expect(checksum({})).toMatch(/^[0-9a-f]{64}$/);
  });

  test('limits its heap to half of its memory limit', () => {
    const options = (values: Values): unknown => {
      const env = at(container(render(values)), 'env') as { name: string; value?: string }[];
      return env.find((entry) => entry.name === 'NODE_OPTIONS')?.value;
    };
    expect(options({})).toBe('--max-semi-space-size=2 --max-old-space-size=128');
    expect(options({ injector: { resources: { limits: { memory: '1Gi' } } } })).toMatch(/=512$/);
    expect(options({ injector: { resources: { limits: { memory: '300M' } } } })).toMatch(/=143$/);
    expect(options({ injector: { resources: { limits: { memory: null } } } })).toBeUndefined();
  });
});

test.each([
  [{ image: { tag: 7 } }, 'pannier:7'],
  [{ image: { tag: 20_261_125 } }, 'pannier:20261125'],
  [{ image: { tag: '0123' } }, 'pannier:0123'],
  [{ image: { tag: 1.5 } }, 'pannier:1.5'],
  [{ image: { repository: 'host:5000/a/b', tag: 'x' } }, 'host:5000/a/b:x'],
  [{ image: { digest: `sha256:${'a'.repeat(64)}`, tag: 'x' } }, `pannier@sha256:${'a'.repeat(64)}`],
  [{}, 'pannier:0.1.0'],
])('values %j set image %s for injector, sidecar and test', (values, image) => {
  const manifests = render(values);
  expect(at(container(manifests), 'image')).toBe(image);
  expect(at(configOf(values), 'sidecar.image')).toBe(image);
  expect(at(find(manifests, 'Pod', 'pannier-test'), 'spec.containers.0.image')).toBe(image);
});

test('a sidecar image of its own does not inherit the digest of the injector', () => {
  const digest = `sha256:${'b'.repeat(64)}`;
  expect(at(configOf({ image: { digest }, sidecar: { image: { tag: '0.2.0' } } }), 'sidecar.image')).toBe(
    'pannier:0.2.0',
  );
  expect(at(configOf({ sidecar: { image: { repository: 'side', digest } } }), 'sidecar.image')).toBe(`side@${digest}`);
});

test.each([
  [{ redis: { url: 'redis://one:6379' } }, ['redis://one:6379']],
  [{ redis: { url: 'redis://one:6379, redis://two:6379' } }, ['redis://one:6379', 'redis://two:6379']],
  [{ redis: { url: ['redis://one', 'redis://two'] } }, ['redis://one', 'redis://two']],
  [{ devRedis: { enabled: true } }, ['redis://pannier-dev-redis.pannier-system.svc:6379']],
  [{ devRedis: { enabled: true }, redis: { url: 'redis://one' } }, ['redis://one']],
  [{}, []],
])('values %j set Redis URLs %j', (values, urls) => {
  expect(at(configOf(values), 'sidecar.redis.urls')).toEqual(urls);
});

test('the injector has exactly these permissions', () => {
  const rules = (values: Values): unknown =>
    render(values)
      .filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole')
      .filter(({ metadata }) => metadata.name !== 'pannier-injection-status')
      .map(({ kind, rules: list }) => [kind, list]);
  const configuration = (verbs: readonly string[]): unknown => ({
    apiGroups: ['admissionregistration.k8s.io'],
    resources: ['mutatingwebhookconfigurations'],
    resourceNames: ['pannier-injector'],
    verbs,
  });
  const nodes = { apiGroups: [''], resources: ['nodes'], verbs: ['list'] };
  const secret = {
    apiGroups: [''],
    resources: ['secrets'],
    resourceNames: ['pannier-injector-ca'],
    verbs: ['get', 'patch'],
  };
  const create = { apiGroups: [''], resources: ['secrets'], verbs: ['create'] };
  expect(rules({})).toEqual([
    ['ClusterRole', [configuration(['get', 'patch']), nodes]],
    ['Role', [secret, create]],
  ]);
  expect(rules({ sidecar: { native: true }, certificates: { mode: 'cert-manager' } })).toEqual([
    ['ClusterRole', [configuration(['get', 'patch'])]],
  ]);
  expect(rules({ sidecar: { native: true }, certificates: FILES_MODE })).toEqual([
    ['ClusterRole', [configuration(['get'])]],
  ]);
  expect(rules({ injectionMode: 'mutating-policy' })).toEqual([]);
});

test('a PodDisruptionBudget exists only with more than one replica', () => {
  const budgets = (values: Values): Manifest[] => render(values).filter(({ kind }) => kind === 'PodDisruptionBudget');
  expect(at(budgets({})[0], 'spec.maxUnavailable')).toBe(1);
  expect(budgets({ injector: { replicaCount: 1 } })).toEqual([]);
  expect(budgets({ injector: { podDisruptionBudget: { enabled: false } } })).toEqual([]);
});

test('the Service forwards port 443 to the webhook', () => {
  expect(at(find(render(), 'Service', NAME), 'spec.ports')).toEqual([
    { name: 'https', port: 443, targetPort: 'https', protocol: 'TCP' },
    { name: 'admin', port: 9471, targetPort: 'admin', protocol: 'TCP' },
  ]);
});

test('policies become one ConfigMap in each listed namespace and in that of the release', () => {
  const policies = { sessions: { idle: '5m' } };
  const maps = render({ policies, policyNamespaces: ['shop', 'pannier-system'] }).filter(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'pannier-policies',
  );
  expect(maps.map(({ metadata }) => metadata.namespace)).toEqual(['pannier-system', 'shop']);
  for (const map of maps) {
    expect(parse(String(at(map, 'data')?.['policies.yaml' as never]))).toEqual(policies);
  }
  expect(render({ policyNamespaces: ['shop'] }).filter(({ metadata }) => metadata.namespace === 'shop')).toEqual([]);
});

test('large integers in policies stay integers', () => {
  const limit = { algorithm: 'fixed_window', limit: 68_719_476_736, per: '1d' };
  const manifests = render({ policies: { policies: { api: { limits: [limit] } } } });
  const text = String(at(find(manifests, 'ConfigMap', 'pannier-policies'), 'data')?.['policies.yaml' as never]);
  expect(text).toContain('limit: 68719476736');
});

test('the test pod requests injection in a namespace that is not excluded', () => {
  const manifests = render();
  const pod = find(manifests, 'Pod', 'pannier-test');
  expect(pod.metadata.namespace).toBe('pannier-system-test');
  expect(pod.metadata.annotations).toMatchObject({ 'pannier.dev/inject': 'true', 'helm.sh/hook': 'test' });
  expect(find(manifests, 'Namespace', 'pannier-system-test').metadata.annotations).toMatchObject({
    'helm.sh/hook': 'test',
  });
  const own = render({ tests: { namespace: 'shop' } });
  expect(own.filter(({ kind }) => kind === 'Namespace')).toEqual([]);
  expect(find(own, 'Pod', 'pannier-test').metadata.namespace).toBe('shop');
  // The namespace that `helm test` creates has no Secret with the Redis login, so the chart renders no test Pod.
  expect(render({ redis: { secretName: 'login' } }).filter(({ kind }) => kind === 'Pod')).toEqual([]);
});

test.each([58, 59, 62, 63])(
  'helm test does not create, and then delete, the namespace of a release whose name has %d characters',
  (length) => {
    const namespace = 'n'.repeat(length);
    const manifests = render({}, ['-n', namespace]);
    const created = manifests.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => metadata.name);
    expect(created).toEqual([expect.stringMatching(/^[a-z0-9-]{1,58}-test$/)]);
    expect(created).not.toContain(namespace);
    expect(find(manifests, 'Deployment', NAME).metadata.namespace).toBe(namespace);
  },
);

test('cert-manager signs with a CA of the chart, and the injector writes the caBundle', () => {
  const manifests = render({ certificates: { mode: 'cert-manager' } });
  expect(find(manifests, 'MutatingWebhookConfiguration', NAME).metadata.annotations).toEqual({
    'admissions.enforcer/disabled': 'true',
  });
  // Certificate mode `self` stores its CA in the Secret `pannier-injector-ca`. The names differ, because both Secrets
  // exist while an operator switches between the modes.
  expect(at(find(manifests, 'Certificate', `${NAME}-ca`), 'spec.secretName')).toBe('pannier-injector-issuer-ca');
  expect(at(find(manifests, 'Issuer', `${NAME}-ca`), 'spec.ca.secretName')).toBe('pannier-injector-issuer-ca');
  for (const name of [NAME, `${NAME}-ca`]) {
    expect(at(find(manifests, 'Certificate', name), 'spec.privateKey.rotationPolicy')).toBe('Always');
  }
  expect(at(find(manifests, 'Certificate', NAME), 'spec')).toMatchObject({
    secretName: 'pannier-injector-tls',
    dnsNames: ['pannier-injector.pannier-system.svc', 'pannier-injector.pannier-system.svc.cluster.local'],
    issuerRef: { kind: 'Issuer', name: 'pannier-injector-ca' },
  });
  expect(at(find(manifests, 'Certificate', `${NAME}-ca`), 'spec.isCA')).toBe(true);
  const issuerRef = { name: 'mine', kind: 'ClusterIssuer' };
  const own = render({ certificates: { mode: 'cert-manager', certManager: { issuerRef } } });
  expect(at(find(own, 'Certificate', NAME), 'spec.issuerRef')).toEqual(issuerRef);
  expect(own.filter(({ kind }) => kind === 'Issuer')).toEqual([]);
});
