/**
 * Tests properties of all objects that the chart can render: reproducible output, one object per file, labels, names,
 * namespaces, Pod Security, and `helm lint`.
 */
import { at, chartDirectory, helm, type Manifest, render, template, type Values } from '../support/kubernetes/helm.ts';

/** Values that together render every object of the chart. */
const COMBINATIONS: Readonly<Record<string, Values>> = {
  defaults: {},
  'everything enabled': {
    devRedis: { enabled: true },
    policies: { policies: { api: { limits: [{ algorithm: 'fixed_window', limit: 5, per: '1m' }] } } },
    policyNamespaces: ['shop', 'pay'],
    commonLabels: { team: 'platform' },
    networkPolicy: { enabled: true },
    serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
    podMonitor: { enabled: true },
    prometheusRule: { enabled: true },
    imagePullSecrets: [{ name: 'pull' }],
    injector: { podAnnotations: { a: 'b' }, podLabels: { c: 'd' }, priorityClassName: 'system-cluster-critical' },
  },
  'cert-manager': { certificates: { mode: 'cert-manager' } },
  'an own issuer': {
    certificates: { mode: 'cert-manager', certManager: { issuerRef: { name: 'mine', kind: 'ClusterIssuer' } } },
  },
  files: {
    certificates: { mode: 'files', files: { secretName: 'tls', caBundle: '-----BEGIN CERTIFICATE-----\nabc\n' } },
  },
  'injection mode mutating-policy': { injectionMode: 'mutating-policy', devRedis: { enabled: true } },
  'a Redis Secret': { redis: { url: 'redis://one', secretName: 'login' }, tests: { namespace: 'shop' } },
};

/** Kinds of cluster-scoped objects. */
const CLUSTER_KINDS = new Set([
  'ClusterRole',
  'ClusterRoleBinding',
  'MutatingWebhookConfiguration',
  'MutatingAdmissionPolicy',
  'MutatingAdmissionPolicyBinding',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'Namespace',
]);

describe.each(Object.entries(COMBINATIONS))('with %s', (_name, values) => {
  let manifests: Manifest[] = [];
  beforeAll(() => {
    manifests = render(values);
  });

  test('renders the same bytes twice', () => {
    const [first, second] = [template(values), template(values)];
    expect(first.status).toBe(0);
    expect(second.stdout).toBe(first.stdout);
  });

  test('renders no two objects with the same kind, name and namespace', () => {
    const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''} ${metadata.name}`);
    expect(names.length).toBeGreaterThan(5);
    expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
  });

  test('adds the common labels to every object', () => {
    for (const { kind, metadata } of manifests) {
      expect({ kind, labels: metadata.labels }).toEqual({
        kind,
        labels: expect.objectContaining({
          'helm.sh/chart': 'pannier-0.1.0',
          'app.kubernetes.io/name': 'pannier',
          'app.kubernetes.io/instance': 'pannier',
          'app.kubernetes.io/component': expect.any(String),
          'app.kubernetes.io/part-of': 'pannier',
          'app.kubernetes.io/version': '0.1.0',
          'app.kubernetes.io/managed-by': 'Helm',
        }),
      });
    }
  });

  test('sets the namespace of every namespaced object', () => {
    const wrong = manifests.filter(({ kind, metadata }) => CLUSTER_KINDS.has(kind) === 'namespace' in metadata);
    expect(wrong.map(({ kind, metadata }) => `${kind}/${metadata.name}`)).toEqual([]);
  });

  test('renders pods that comply with Pod Security restricted', () => {
    for (const pod of manifests.map(podSpecOf).filter((spec) => spec !== undefined)) {
      expect(at(pod, 'securityContext')).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      for (const container of [
        ...((at(pod, 'containers') as []) ?? []),
        ...((at(pod, 'initContainers') as []) ?? []),
      ]) {
        expect(at(container, 'securityContext')).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(at(container, 'resources.limits.memory')).toEqual(expect.any(String));
      }
      expect(at(pod, 'hostNetwork')).toBeUndefined();
    }
  });

  test('selects pods by stable labels that the pods have', () => {
    for (const deployment of manifests.filter(({ kind }) => kind === 'Deployment')) {
      const selector = at(deployment, 'spec.selector.matchLabels');
      expect(at(deployment, 'spec.template.metadata.labels')).toMatchObject(selector as object);
      expect(JSON.stringify(selector)).not.toMatch(/version|chart|team/);
    }
  });

  test('renders no private key and no Secret', () => {
    expect(JSON.stringify(manifests)).not.toMatch(/PRIVATE KEY|"kind":"Secret"/);
  });
});

function podSpecOf(manifest: Manifest): unknown {
  return manifest.kind === 'Pod' ? manifest.spec : at(manifest, 'spec.template.spec');
}

test('helm lint reports no problem', () => {
  const result = helm(['lint', '--strict', chartDirectory]);
  expect({ status: result.status, text: result.stdout + result.stderr }).toEqual({
    status: 0,
    text: expect.stringContaining('0 chart(s) failed'),
  });
  expect(result.stdout).not.toMatch(/\[(WARNING|ERROR)\]/);
});

test('renders one object per file', () => {
  const output = template({ ...COMBINATIONS['everything enabled'], certificates: { mode: 'cert-manager' } }).stdout;
  const sources = [...output.matchAll(/^# Source: (.*)$/gm)].map((match) => match[1]);
  // The chart renders the ConfigMaps of all namespaces from one file.
  const single = sources.filter((source) => source !== 'pannier/templates/policies-configmaps.yaml');
  expect(single.length).toBeGreaterThan(20);
  expect(single.toSorted()).toEqual([...new Set(single)].toSorted());
});

test('derives names from the release or from fullnameOverride', () => {
  const names = (release: string, values: Values = {}): string[] =>
    render(values, [], release)
      .filter(({ kind }) => kind === 'Deployment')
      .map(({ metadata }) => metadata.name);
  expect(names('pannier')).toEqual(['pannier-injector']);
  expect(names('edge')).toEqual(['edge-pannier-injector']);
  expect(names('pannier', { fullnameOverride: 'bag' })).toEqual(['bag-injector']);
});
