/**
 * Tests the names and annotations on which a second release, `pannier injection status` and AKS depend.
 * test/kubernetes/releases.test.ts tests the effects on a real cluster.
 */
import { resolveSidecar } from '../../src/injection/sidecar.ts';
import { parseSidecarConfig } from '../../src/injection/sidecar-config.ts';
import { configHash } from '../../src/injection/sidecar-container.ts';
import { at, find, type Manifest, render, type Values } from '../support/kubernetes/helm.ts';

/** Names of a release that derive its objects' names from the release, from nameOverride and from fullnameOverride. */
const RELEASES: readonly { release: string; values: Values; config: string }[] = [
  { release: 'pannier', values: {}, config: 'pannier-injector-config' },
  { release: 'rl', values: {}, config: 'rl-pannier-injector-config' },
  { release: 'rl', values: { nameOverride: 'limits' }, config: 'rl-limits-injector-config' },
  { release: 'rl', values: { fullnameOverride: 'bag' }, config: 'bag-injector-config' },
];
const MODES = ['webhook', 'mutating-policy'] as const;

/** Returns the cluster-scoped objects, except the namespace that `helm test` creates and deletes. */
function clusterScoped(manifests: readonly Manifest[]): string[] {
  return manifests
    .filter(({ kind, metadata }) => metadata.namespace === undefined && kind !== 'Namespace')
    .map(({ kind, metadata }) => `${kind}/${metadata.name}`)
    .toSorted();
}

test.each(MODES)(
  'the names of cluster-scoped objects do not depend on the release with injection mode %s',
  (injectionMode) => {
    const expected = clusterScoped(render({ injectionMode }));
    expect(expected).toContain('ClusterRole/pannier-injection-status');
    for (const { release, values } of RELEASES) {
      expect(clusterScoped(render({ injectionMode, ...values }, [], release))).toEqual(expected);
    }
  },
);

test('the injector uses the fixed name of its webhook configuration', () => {
  const manifests = render({}, [], 'rl');
  const container = at(find(manifests, 'Deployment', 'rl-pannier-injector'), 'spec.template.spec.containers.0.args');
  expect(container).toContain('--webhook-configuration=pannier-injector');
  const [rule] = find(manifests, 'ClusterRole', 'pannier-injector').rules as { resourceNames: string[] }[];
  expect(rule?.resourceNames).toEqual(['pannier-injector']);
});

describe.each(MODES)('with injection mode %s', (injectionMode) => {
  test.each(RELEASES)(
    'the ClusterRole of release $release with $values leads to the ConfigMap $config',
    ({ release, values, config }) => {
      const manifests = render({ injectionMode, ...values }, [], release);
      const role = find(manifests, 'ClusterRole', 'pannier-injection-status');
      expect(role.metadata.annotations).toEqual({ 'pannier.dev/injector-config': `pannier-system/${config}` });
      const names = (role.rules as { resources: string[]; resourceNames?: string[] }[]).find(({ resources }) =>
        resources.includes('configmaps'),
      )?.resourceNames;
      expect(names).toEqual([config]);
      const found = find(manifests, 'ConfigMap', config);
      expect(found.metadata.labels).toMatchObject({
        'app.kubernetes.io/part-of': 'pannier',
        'app.kubernetes.io/component': 'injector',
      });
    },
  );

  test('the ConfigMap describes the sidecar that pods get', () => {
    const values = { injectionMode, redis: { url: 'redis://one' }, sidecar: { logLevel: 'warn' } };
    const manifests = render(values);
    const text = at(find(manifests, 'ConfigMap', 'pannier-injector-config'), 'data') as Record<string, string>;
    const parsed = parseSidecarConfig(text['injector.yaml'] ?? '');
    if ('problems' in parsed) {
      throw new Error(`cannot read the configuration: ${JSON.stringify(parsed.problems)}`);
    }
    const sidecar = resolveSidecar({
      pod: {},
      annotations: {},
      config: parsed.config,
      kubelets: { oldestMinor: undefined },
      podLevel: new Set(),
    });
    expect(sidecar.logLevel).toBe('warn');
    if (injectionMode === 'mutating-policy') {
      expect(JSON.stringify(find(manifests, 'MutatingAdmissionPolicy', 'pannier-injected'))).toContain(
        configHash(sidecar),
      );
    }
  });
});

describe('the annotation for the admissions enforcer of AKS', () => {
  const annotationsOf = (values: Values): unknown =>
    find(render(values), 'MutatingWebhookConfiguration', 'pannier-injector').metadata.annotations;

  test('is set by default, and other annotations do not remove it', () => {
    expect(annotationsOf({})).toEqual({ 'admissions.enforcer/disabled': 'true' });
    expect(annotationsOf({ webhook: { annotations: { a: 'b' } } })).toEqual({
      a: 'b',
      'admissions.enforcer/disabled': 'true',
    });
  });

  test('can be removed', () => {
    expect(annotationsOf({ webhook: { annotations: { 'admissions.enforcer/disabled': null } } })).toBeUndefined();
  });
});
