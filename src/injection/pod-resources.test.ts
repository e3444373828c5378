/**
 * Tests that the pod-level resources of a pod are the same with and without the defaults of the API server, and before
 * and after injection.
 */
import { POD_LEVEL_PODS, resourcePod } from '../../test/support/kubernetes/resource-pods.ts';
import { injectPod } from './inject-pod.ts';
import type { Pod } from './pod.ts';
import { aggregateRequest, podLevelResources, quantitiesOf } from './pod-resources.ts';
import { defaultSidecarConfig } from './sidecar-config.ts';

const CONFIG = defaultSidecarConfig('pannier:1');

function inject(pod: Pod): ReturnType<typeof injectPod> {
  return injectPod({
    pod,
    namespaceLabels: {},
    namespaceAnnotations: {},
    config: CONFIG,
    kubelets: { oldestMinor: undefined },
  });
}

/** Sets the pod-level requests that the API server derives. */
function withDerivedRequests(pod: Pod): Pod {
  const { requests, limits } = quantitiesOf(pod.spec?.resources);
  if (limits.size === 0) {
    return pod;
  }
  const derived = ['cpu', 'memory'].map((name): [string, number | undefined] => {
    const sum = aggregateRequest(pod, name);
    return [name, requests.get(name) ?? (sum > 0 ? sum : limits.get(name))];
  });
  const known = Object.fromEntries(derived.filter(([, value]) => value !== undefined));
  return {
    ...pod,
    spec: { ...pod.spec, resources: { limits: Object.fromEntries(limits), requests: known } },
  };
}

const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  'requests and limits': ['cpu', 'memory'],
  'limits only': ['cpu', 'memory'],
  'requests only': ['cpu', 'memory'],
  'a CPU limit, and no other resources': ['cpu'],
  'a memory limit, and no other resources': ['memory'],
  'a CPU limit, and memory at a container': ['cpu', 'memory'],
  'a CPU limit, and memory at an init container': ['cpu', 'memory'],
  'a CPU request, and memory at a container': ['cpu'],
  'limits, and limits of a container': ['cpu', 'memory'],
  'huge pages, and requests of a container': ['cpu', 'memory'],
  'an empty field': [],
  'no value': [],
};

test.each(Object.entries(POD_LEVEL_PODS))('a pod with %s', (name, pod) => {
  expect([...podLevelResources(pod, undefined)]).toEqual(EXPECTED[name]);
  expect([...podLevelResources(withDerivedRequests(pod), undefined)]).toEqual(EXPECTED[name]);
  const injection = inject(pod);
  if (injection.kind !== 'inject') {
    throw new Error(JSON.stringify(injection));
  }
  expect(inject(withDerivedRequests(injection.pod))).toMatchObject({ kind: 'inject', patch: [] });
});

test('a request that the user set stays a pod-level resource after injection', () => {
  const annotations = { 'pannier.dev/inject': 'true', 'pannier.dev/memory-request': '50Mi' };
  const resources = { requests: { memory: '300Mi' }, limits: { cpu: '1' } };
  const injection = inject(resourcePod({ resources, containers: [undefined], annotations }));
  expect(injection.kind === 'inject' && inject(injection.pod)).toMatchObject({ kind: 'inject', patch: [] });
});

test('a sidecar whose request another program has raised above that of the pod is refused without naming an annotation', () => {
  const annotations = { 'pannier.dev/inject': 'true' };
  const resources = { limits: { cpu: '1', memory: '1Gi' } };
  const limited = resourcePod({ resources, containers: [undefined], annotations });
  const injection = inject(withDerivedRequests(limited));
  const pod: Pod = injection.kind === 'inject' ? injection.pod : {};
  const initContainers = (pod.spec?.initContainers ?? []).map((container) => ({
    ...container,
    resources: { requests: { memory: '2Gi' } },
  }));
  expect(inject({ ...pod, spec: { ...pod.spec, initContainers } })).toEqual({
    kind: 'refuse',
    problems: [
      expect.stringMatching(/spec\.resources\.requests\.memory is 1Gi; set the request of the pod to at least 2Gi$/),
    ],
  });
});

test.each([
  [[], [20, 30], 50],
  [[{ restartPolicy: 'Always', size: 10 }], [20], 30],
  [[{ size: 100 }, { restartPolicy: 'Always', size: 10 }], [20], 100],
  [[{ restartPolicy: 'Always', size: 10 }, { size: 100 }], [20], 110],
])('init containers %j and containers %j request %d', (initContainers, containers, expected) => {
  const withSize = (size: number): object => ({ requests: { memory: size } });
  const pod = resourcePod({
    initContainers: initContainers.map(({ size, ...container }) => ({ ...container, resources: withSize(size) })),
    containers: containers.map(withSize),
  });
  expect(aggregateRequest(pod, 'memory')).toBe(expected);
});
