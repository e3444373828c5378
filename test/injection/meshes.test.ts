/**
 * Tests injection together with the injectors of meshes, in both orders. The functions below make the changes that the
 * documentation of Istio and Linkerd describes. The golden files mesh-*.yaml contain complete pods in the same shape.
 */
import { injectPod } from '../../src/injection/inject-pod.ts';
import type { Container, Pod, Volume } from '../../src/injection/pod.ts';
import { defaultSidecarConfig } from '../../src/injection/sidecar-config.ts';
import { uninjectPod } from '../../src/injection/uninject-pod.ts';

const APP: Pod = {
  metadata: { name: 'shop', annotations: { 'pannier.dev/inject': 'true' } },
  spec: {
    initContainers: [{ name: 'migrate', image: 'shop:1' }],
    containers: [{ name: 'shop', image: 'shop:1', readinessProbe: { httpGet: { path: '/healthz', port: 8_080 } } }],
  },
};

function inject(pod: Pod): Pod {
  const injection = injectPod({
    pod,
    namespaceLabels: {},
    namespaceAnnotations: {},
    config: defaultSidecarConfig('pannier:1'),
    kubelets: { oldestMinor: 34 },
  });
  if (injection.kind !== 'inject') {
    throw new Error(JSON.stringify(injection));
  }
  return injection.pod;
}

interface Mesh {
  readonly containers: readonly Container[];
  readonly volumes: readonly Volume[];
  readonly annotation: string;
  /** Change that the mesh makes to every other container that runs as long as the pod. */
  edit(container: Container): Container;
}

const LINKERD: Mesh = {
  containers: [
    { name: 'linkerd-init', image: 'linkerd:1', volumeMounts: [{ name: 'lock', mountPath: '/run' }] },
    { name: 'linkerd-proxy', image: 'linkerd:1', restartPolicy: 'Always' },
  ],
  volumes: [{ name: 'lock', emptyDir: {} }],
  annotation: 'linkerd.io/proxy-version',
  edit: (container) => container,
};

/** Istio lets istio-proxy answer the probes of all other containers, including native sidecars. */
const ISTIO: Mesh = {
  containers: [
    { name: 'istio-init', image: 'istio:1' },
    { name: 'istio-proxy', image: 'istio:1', restartPolicy: 'Always' },
  ],
  volumes: [],
  annotation: 'sidecar.istio.io/status',
  edit: (container) => {
    const probes = ['startupProbe', 'readinessProbe', 'livenessProbe'].filter((key) => container[key] !== undefined);
    const rewritten = probes.map((key) => {
      const path = `/app-health/${container.name}/${key}`;
      return [key, { ...(container[key] as object), httpGet: { path, port: 15_020 } }];
    });
    return { ...container, ...Object.fromEntries(rewritten) };
  },
};

/** Adds the containers of the mesh in front of all others. A second call moves them to the front again. */
function meshed(mesh: Mesh, pod: Pod): Pod {
  const names = mesh.containers.map(({ name }) => name);
  const given = pod.spec?.initContainers ?? [];
  const own = mesh.containers.map((made) => given.find(({ name }) => name === made.name) ?? made);
  const others = given
    .filter(({ name }) => !names.includes(name))
    .map((container) => (container.restartPolicy === 'Always' ? mesh.edit(container) : container));
  const annotations = { ...pod.metadata?.annotations, [mesh.annotation]: 'injected' };
  const containers = (pod.spec?.containers ?? []).map((container) => mesh.edit(container));
  const givenVolumes = pod.spec?.volumes ?? [];
  const missing = mesh.volumes.filter((volume) => !givenVolumes.some(({ name }) => name === volume.name));
  const volumes = [...givenVolumes, ...missing];
  return {
    ...pod,
    metadata: { ...pod.metadata, annotations },
    spec: {
      ...pod.spec,
      initContainers: [...own, ...others],
      containers,
      ...(volumes.length > 0 ? { volumes } : {}),
    },
  };
}

const namesOf = (pod: Pod): string[] => (pod.spec?.initContainers ?? []).map(({ name }) => name);
const sidecarOf = (pod: Pod): Container | undefined => pod.spec?.initContainers?.find(({ name }) => name === 'pannier');

function expectAddressEverywhere(pod: Pod): void {
  const others = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].filter(
    ({ name }) => name !== 'pannier',
  );
  for (const { name, env, volumeMounts } of others) {
    expect({ name, first: env?.[0]?.name }).toEqual({ name, first: 'PANNIER_ADDRESS' });
    expect(volumeMounts).toContainEqual({ name: 'pannier-socket', mountPath: '/run/pannier' });
  }
}

describe.each([
  ['Istio', ISTIO, ['istio-init', 'istio-proxy']],
  ['Linkerd', LINKERD, ['linkerd-init', 'linkerd-proxy']],
] as const)('a pod that %s', (_name, mesh, added) => {
  test('has injected before us gets the sidecar in front, whose probes the mesh has not changed', () => {
    const pod = inject(meshed(mesh, APP));
    expect(namesOf(pod)).toEqual(['pannier', ...added, 'migrate']);
    expect(sidecarOf(pod)).toEqual(sidecarOf(inject(APP)));
    expectAddressEverywhere(pod);
    expect(inject(pod)).toEqual(pod);
  });

  test('injects after us keeps the changes of the mesh to the sidecar and its position', () => {
    const after = meshed(mesh, inject(APP));
    const pod = inject(after);
    expect(namesOf(pod)).toEqual([...added, 'pannier', 'migrate']);
    expect(sidecarOf(pod)).toEqual(sidecarOf(after));
    expectAddressEverywhere(pod);
    expect(inject(pod)).toEqual(pod);
  });

  test('injects again after us, when the API server calls both injectors twice, stays as it is', () => {
    const pod = inject(meshed(mesh, inject(meshed(mesh, APP))));
    expect(namesOf(pod)).toEqual([...added, 'pannier', 'migrate']);
    expect(inject(meshed(mesh, pod))).toEqual(pod);
  });

  test('has injected before or after us is left as the mesh made it when uninjected', () => {
    const bare = meshed(mesh, APP);
    expect(uninjectPod(inject(bare))).toEqual(bare);
    expect(uninjectPod(inject(meshed(mesh, inject(APP))))).toEqual(bare);
  });
});

test('Istio answers the probes of a sidecar that it sees, so the sidecar must start after istio-proxy', () => {
  const pod = inject(meshed(ISTIO, inject(APP)));
  expect(sidecarOf(pod)?.startupProbe).toMatchObject({ httpGet: { port: 15_020 } });
  expect(namesOf(pod).indexOf('pannier')).toBeGreaterThan(namesOf(pod).indexOf('istio-proxy'));
});
