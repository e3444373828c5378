/**
 * Tests that the chart renders the same sidecar in injection mode mutating-policy as the injector builds from the same
 * values: the container, the volumes and the configuration hash. The tests in test/kubernetes check that the API server
 * applies the policy.
 */
import { POD_LEVEL_NAMES, type PodLevelName } from '../../src/injection/pod-resources.ts';
import { resolveSidecar, type Sidecar } from '../../src/injection/sidecar.ts';
import { parseSidecarConfig, type SidecarConfig } from '../../src/injection/sidecar-config.ts';
import { configHash, sidecarContainer, sidecarVolumes } from '../../src/injection/sidecar-container.ts';
import { canonicalText, isObject } from '../../src/lib/json.ts';
import { at, find, render, type Values } from '../support/kubernetes/helm.ts';

/** Renders the chart with these values, and returns the configuration that the injector would read. */
function configOf(values: Values): SidecarConfig {
  const configMap = find(render(values), 'ConfigMap', 'pannier-injector-config');
  const text = String(at(configMap, 'data')?.['injector.yaml' as never]);
  const result = parseSidecarConfig(text);
  if ('problems' in result) {
    throw new Error(`cannot read the rendered configuration: ${JSON.stringify(result.problems)}`);
  }
  return result.config;
}

/** Returns the sidecar that the injector builds for a pod with these pod-level resources. */
function sidecarOf(config: SidecarConfig, podLevel: readonly PodLevelName[] = []): Sidecar {
  const kubelets = { oldestMinor: undefined };
  return resolveSidecar({ pod: {}, annotations: {}, config, kubelets, podLevel: new Set(podLevel) });
}

/** Converts JSON to a CEL literal with sorted keys, as the chart does. */
function celLiteral(value: unknown, type: string): string {
  if (Array.isArray(value)) {
    return `[${value.map((item) => celLiteral(item, type)).join(', ')}]`;
  }
  if (isObject(value)) {
    const fields = Object.entries(value)
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, inner]) => `${key}: ${celLiteral(inner, `${type}.${key}`)}`);
    return `${type}{${fields.join(', ')}}`;
  }
  return JSON.stringify(value);
}

const CASES: readonly Values[] = [
  {},
  { devRedis: { enabled: true } },
  { redis: { url: ['redis://one:6379', 'redis://two:6379'], secretName: 'login' } },
  { redis: { url: 'redis+sentinel://one,two,three/shop-main', secretName: 'login' } },
  { redis: { secretName: 'login' } },
  { redis: { url: 'rediss://one:6379', tlsSecretName: 'client-tls' } },
  { redis: { secretName: 'login', tlsSecretName: 'client-tls' }, sidecar: { socket: false }, policiesConfigMap: '' },
  { redis: { url: 'redis://user:pa$(x)$$y@one' } },
  {
    sidecar: {
      socket: false,
      logLevel: 'debug',
      env: { PANNIER_KEY_PREFIX: 'a<b>&$(c)', PANNIER_REDIS_COMMAND_TIMEOUT_MS: 500 },
    },
  },
  { sidecar: { resources: { requests: { cpu: 1, memory: '1.5Gi' }, limits: { cpu: '2', memory: '2Gi' } } } },
  { sidecar: { resources: { limits: { memory: null } } } },
  {
    sidecar: { resources: { requests: { 'ephemeral-storage': '64Mi' }, limits: { 'ephemeral-storage': 2147483648 } } },
  },
  { sidecar: { resources: { requests: null, limits: null } } },
  { policiesConfigMap: '' },
  { policiesConfigMap: '', sidecar: { socket: false } },
  { openshift: { enabled: true } },
  { sidecar: { imagePullSecrets: [{ name: 'regcred' }, { name: 'team.registry' }] } },
  { sidecar: { securityContext: { runAsUser: null } } },
  { sidecar: { after: ['istio-proxy', 'linkerd-proxy'] } },
  { sidecar: { securityContext: null } },
  {
    sidecar: {
      securityContext: {
        runAsUser: 1_000_650_000,
        runAsGroup: 0,
        seccompProfile: { type: 'Localhost', localhostProfile: 'profiles/pannier.json' },
        appArmorProfile: { type: 'RuntimeDefault' },
        seLinuxOptions: { type: 'container_t', level: 's0:c1,c2' },
      },
    },
  },
  { image: { repository: 'host:5000/pannier', tag: 7, pullPolicy: 'Always' }, policiesConfigMap: 'team' },
];

test.each(CASES)('%j: renders the same container, volumes and hash', (values) => {
  const config = configOf(values);
  const sidecar = sidecarOf(config);
  const policy = find(
    render({ ...values, injectionMode: 'mutating-policy' }),
    'MutatingAdmissionPolicy',
    'pannier-injected',
  );
  const mutations = (at(policy, 'spec.mutations') as { jsonPatch: { expression: string } }[]).map(
    (mutation) => mutation.jsonPatch.expression,
  );
  expect(mutations).toHaveLength(4);
  const literal = celLiteral({ ...sidecarContainer(sidecar), resources: 'VARIANT' }, 'Object.spec.initContainers');
  const lists = '{limits: variables.sidecarLimits, requests: variables.sidecarRequests}';
  expect(mutations[3]).toContain(literal.replace('"VARIANT"', `Object.spec.initContainers.resources${lists}`));
  const variables = at(policy, 'spec.variables') as { name: string; expression: string }[];
  const variable = (name: string): unknown => variables.find((candidate) => candidate.name === name)?.expression;
  const choice = (show: (made: Sidecar) => string): string => {
    const variant = (...podLevel: PodLevelName[]): string => show(sidecarOf(config, podLevel));
    const both = `variables.hasPodCpu && variables.hasPodMemory ? ${variant(...POD_LEVEL_NAMES)}`;
    const one = `variables.hasPodCpu ? ${variant('cpu')} : variables.hasPodMemory ? ${variant('memory')}`;
    return `${both} : ${one} : ${variant()}`;
  };
  expect(variable('sidecarRequests')).toBe(choice(({ resources }) => canonicalText(resources.requests)));
  expect(variable('sidecarLimits')).toBe(choice(({ resources }) => canonicalText(resources.limits)));
  expect(variable('sidecarHash')).toBe(choice((made) => JSON.stringify(configHash(made))));
  for (const volume of sidecarVolumes(sidecar)) {
    expect(mutations[3]).toContain(celLiteral(volume, 'Object.spec.volumes'));
  }
  expect(mutations[3]?.split('"/spec/volumes/-"')).toHaveLength(sidecarVolumes(sidecar).length + 1);
  expect(mutations[0]).toContain('pannier.dev~1config-hash", value: variables.sidecarHash}');
  for (const name of [...sidecar.imagePullSecrets, ...sidecar.after]) {
    expect(JSON.stringify(policy.spec)).toContain(`\\"${name}\\"`);
  }
  // If the annotation exists, the policy appends to its value, even to an empty value, so that `pannier uninject` can
  // restore the original annotation.
  const extended =
    'safe-to-evict-local-volumes" in variables.annotations ? variables.evictable + "," : "") + "pannier-socket"';
  expect(mutations[0]?.includes(extended)).toBe(sidecar.hasSocket);
});

test('the default values of the chart produce the default sidecar of the program', () => {
  const sidecar = sidecarOf(configOf({ image: { repository: 'pannier', tag: '1' } }));
  const result = parseSidecarConfig('sidecar: {image: "pannier:1"}\n');
  expect('config' in result ? result.config : result).toEqual(expect.anything());
  if ('config' in result) {
    expect(sidecar).toEqual(sidecarOf(result.config));
  }
});
