/**
 * Tests the position of the sidecar relative to the containers that `after` names, also when another injector adds such
 * a container after the first injection.
 */
import { type Injection, injectPod } from './inject-pod.ts';
import type { Container, Pod } from './pod.ts';
import { defaultSidecarConfig } from './sidecar-config.ts';
import { uninjectPod } from './uninject-pod.ts';

const config = defaultSidecarConfig('pannier:1');

interface Shape {
  readonly after?: string;
  readonly inits?: readonly string[];
  readonly containers?: readonly string[];
  readonly native?: string;
}

function podWith({ after, inits, containers = ['app'], native = 'true' }: Shape): Pod {
  const named = (names: readonly string[]): Container[] => names.map((name) => ({ name, image: 'a:1' }));
  return {
    metadata: {
      annotations: {
        'pannier.dev/inject': 'true',
        'pannier.dev/native': native,
        ...(after === undefined ? {} : { 'pannier.dev/after': after }),
      },
    },
    spec: { ...(inits === undefined ? {} : { initContainers: named(inits) }), containers: named(containers) },
  };
}

function inject(pod: Pod, after: readonly string[] = []): Extract<Injection, { kind: 'inject' }> {
  const injection = injectPod({
    pod,
    namespaceLabels: {},
    namespaceAnnotations: {},
    config: { ...config, after },
    kubelets: { oldestMinor: 34 },
  });
  if (injection.kind !== 'inject') {
    throw new Error(JSON.stringify(injection));
  }
  return injection;
}

const initsOf = (pod: Pod): string[] | undefined => pod.spec?.initContainers?.map(({ name }) => name);
const containersOf = (pod: Pod): string[] | undefined => pod.spec?.containers?.map(({ name }) => name);

/** Adds an init container as the injector of a service mesh does. */
function withInit(pod: Pod, name: string, index: number): Pod {
  const initContainers = (pod.spec?.initContainers ?? []).toSpliced(index, 0, { name, image: 'mesh:1' });
  return { ...pod, spec: { ...pod.spec, initContainers } };
}

test.each<readonly [string, Shape, readonly string[]]>([
  ['first without the annotation', { inits: ['istio-init', 'istio-proxy'] }, ['pannier', 'istio-init', 'istio-proxy']],
  [
    'right after the named container',
    { after: 'istio-proxy', inits: ['istio-init', 'istio-proxy', 'migrate'] },
    ['istio-init', 'istio-proxy', 'pannier', 'migrate'],
  ],
  [
    'after the last of several named containers',
    { after: 'b, a', inits: ['a', 'x', 'b', 'y'] },
    ['a', 'x', 'b', 'pannier', 'y'],
  ],
  ['first if the pod has none of the containers', { after: 'istio-proxy', inits: ['migrate'] }, ['pannier', 'migrate']],
  ['first if the named container is a plain container', { after: 'app' }, ['pannier']],
])('a native sidecar comes %s', (_name, shape, expected) => {
  const pod = podWith(shape);
  const once = inject(pod);
  expect(initsOf(once.pod)).toEqual(expected);
  expect(inject(once.pod)).toMatchObject({ pod: once.pod, patch: [] });
  expect(uninjectPod(once.pod)).toEqual(pod);
  const isMissing = shape.after !== undefined && expected[0] === 'pannier';
  expect(once.notes).toEqual(
    isMissing
      ? [
          `the sidecar comes first, because the pod has no init container named ${shape.after}; the webhook moves the sidecar if another injector adds one`,
        ]
      : [],
  );
});

test('a plain sidecar is placed among the containers', () => {
  const pod = podWith({ after: 'mesh', inits: ['mesh'], containers: ['app', 'mesh', 'log'], native: 'false' });
  const once = inject(pod);
  expect(containersOf(once.pod)).toEqual(['app', 'mesh', 'pannier', 'log']);
  expect(inject(once.pod).patch).toEqual([]);
  expect(uninjectPod(once.pod)).toEqual(pod);
});

test('the annotation replaces the configuration', () => {
  const inits = ['a', 'b'];
  expect(initsOf(inject(podWith({ inits }), ['a']).pod)).toEqual(['a', 'pannier', 'b']);
  expect(initsOf(inject(podWith({ after: 'b', inits }), ['a']).pod)).toEqual(['a', 'b', 'pannier']);
});

test.each([
  ['behind the sidecar', 2, ['migrate', 'istio-proxy', 'pannier', 'late']],
  ['before the sidecar', 0, ['istio-proxy', 'pannier', 'migrate', 'late']],
])('the sidecar moves once if another injector adds the named container %s', (_name, index, expected) => {
  const once = inject(podWith({ after: 'istio-proxy', inits: ['migrate', 'late'] })).pod;
  const meshed = withInit(once, 'istio-proxy', index);
  const moved = inject(meshed).pod;
  expect(initsOf(moved)).toEqual(expected);
  expect(inject(moved).patch).toEqual([]);
  expect(initsOf(uninjectPod(moved))).toEqual(expected.filter((name) => name !== 'pannier'));
});

test('the sidecar keeps its position if other injectors add containers around it', () => {
  const once = inject(podWith({ after: 'mesh', inits: ['mesh'] })).pod;
  const crowded = withInit(withInit(once, 'between', 1), 'last', 3);
  expect(initsOf(crowded)).toEqual(['mesh', 'between', 'pannier', 'last']);
  expect(initsOf(inject(crowded).pod)).toEqual(initsOf(crowded));
});
