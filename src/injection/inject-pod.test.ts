/**
 * Tests which pods get a sidecar, what the sidecar contains, and what happens to a pod that already has one.
 */
import { loadSettings } from '../config/load.ts';
import { type Injection, type InjectionRequest, injectPod } from './inject-pod.ts';
import { kubeletsOf } from './kubelets.ts';
import type { Container, Pod } from './pod.ts';
import { defaultSidecarConfig, type SidecarConfig } from './sidecar-config.ts';

const config = defaultSidecarConfig('pannier:1');

function podWith(annotations: Record<string, string>, spec: object = {}): Pod {
  return { metadata: { annotations }, spec: { containers: [{ name: 'app', image: 'app:1' }], ...spec } };
}

function inject(pod: Pod, request: Partial<InjectionRequest> = {}): Injection {
  return injectPod({
    pod,
    namespaceLabels: {},
    namespaceAnnotations: {},
    config,
    kubelets: { oldestMinor: 34 },
    ...request,
  });
}

function injected(pod: Pod, request: Partial<InjectionRequest> = {}): Pod {
  const injection = inject(pod, request);
  if (injection.kind !== 'inject') {
    throw new Error(JSON.stringify(injection));
  }
  return injection.pod;
}

function sidecarOf(pod: Pod): Container {
  const all = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const found = all.find((container) => container.name === 'pannier');
  if (found === undefined) {
    throw new Error('the pod must have a sidecar');
  }
  return found;
}

const requesting = podWith({ 'pannier.dev/inject': 'true' });

describe('the decision', () => {
  const yes = { 'pannier.dev/inject': 'true' };
  const no = { 'pannier.dev/inject': 'false' };

  test.each([
    { name: 'the pod requests injection', pod: yes, labels: {}, annotations: {}, kind: 'inject' },
    {
      name: 'the pod requests injection and the namespace declines it',
      pod: yes,
      labels: no,
      annotations: no,
      kind: 'inject',
    },
    { name: 'the label of the namespace requests injection', pod: {}, labels: yes, annotations: {}, kind: 'inject' },
    {
      name: 'the annotation of the namespace requests injection',
      pod: {},
      labels: {},
      annotations: yes,
      kind: 'inject',
    },
    {
      name: 'the label of the namespace declines injection and its annotation requests it',
      pod: {},
      labels: no,
      annotations: yes,
      kind: 'skip',
    },
    {
      name: 'the pod declines injection and the namespace requests it',
      pod: no,
      labels: yes,
      annotations: yes,
      kind: 'skip',
    },
    { name: 'neither requests injection', pod: {}, labels: {}, annotations: {}, kind: 'skip' },
    {
      name: 'neither requests injection and an annotation is misspelled',
      pod: { 'pannier.dev/injct': 'true' },
      labels: {},
      annotations: {},
      kind: 'refuse',
    },
    {
      name: 'the pod declines injection and has an unknown annotation',
      pod: { ...no, 'pannier.dev/x': '' },
      labels: yes,
      annotations: {},
      kind: 'skip',
    },
    {
      name: 'the label of the namespace is invalid',
      pod: {},
      labels: { 'pannier.dev/inject': 'yes' },
      annotations: {},
      kind: 'refuse',
    },
    {
      name: 'a mirror pod requests injection',
      pod: { ...yes, 'kubernetes.io/config.mirror': 'x' },
      labels: {},
      annotations: {},
      kind: 'skip',
    },
  ])('is $kind if $name', ({ pod, labels, annotations, kind }) => {
    const injection = inject(podWith(pod), { namespaceLabels: labels, namespaceAnnotations: annotations });
    expect(injection.kind).toBe(kind);
  });
});

describe('the sidecar', () => {
  test('is native unless a kubelet is too old', () => {
    const place = (versions: string[]): boolean =>
      injected(requesting, { kubelets: kubeletsOf(versions) }).spec?.initContainers?.[0]?.name === 'pannier';
    expect(place(['v1.34.4', 'v1.29.0'])).toBe(true);
    expect(place(['v1.34.4', 'v1.28.15-gke.1'])).toBe(false);
    expect(place(['v0.0.0-virtual', ''])).toBe(true);
  });

  test('comes before the init containers of the user', () => {
    const pod = podWith({ 'pannier.dev/inject': 'true' }, { initContainers: [{ name: 'migrate' }] });
    expect(injected(pod).spec?.initContainers?.map((container) => container.name)).toEqual(['pannier', 'migrate']);
  });

  test('passes the Pod Security Standard restricted', () => {
    for (const native of ['true', 'false']) {
      const pod = injected(podWith({ 'pannier.dev/inject': 'true', 'pannier.dev/native': native }));
      expect(sidecarOf(pod)).toMatchObject({
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          runAsNonRoot: true,
          seccompProfile: { type: 'RuntimeDefault' },
        },
      });
      const kinds = (pod.spec?.volumes ?? []).flatMap((volume) => Object.keys(volume));
      expect(kinds.filter((kind) => !['name', 'emptyDir', 'configMap', 'secret', 'projected'].includes(kind))).toEqual(
        [],
      );
      expect(JSON.stringify(sidecarOf(pod))).not.toMatch(/hostPort|hostPath|"add"/);
    }
  });

  test('mounts no token of the ServiceAccount, and brings no emptyDir volume without a socket', () => {
    for (const native of ['true', 'false']) {
      const pod = injected(
        podWith({ 'pannier.dev/inject': 'true', 'pannier.dev/native': native, 'pannier.dev/socket': 'false' }),
      );
      const mount = sidecarOf(pod).volumeMounts?.find(
        ({ mountPath }) => mountPath === '/var/run/secrets/kubernetes.io/serviceaccount',
      );
      expect(pod.spec?.volumes).toContainEqual({ name: mount?.name, projected: {} });
      // `kubectl drain` refuses to evict a pod with an emptyDir volume.
      expect(pod.spec?.volumes?.filter((volume) => 'emptyDir' in volume || 'hostPath' in volume)).toEqual([]);
    }
  });

  test('gets only settings that the program accepts', () => {
    const pod = injected(
      podWith({
        'pannier.dev/inject': 'true',
        'pannier.dev/redis-url': 'redis://redis:6379',
        'pannier.dev/redis-secret': 'login',
        'pannier.dev/env': '{"PANNIER_CACHE_REDIS_URL": "redis://cache:6379"}',
        'pannier.dev/grpc-transport': 'grpc-js',
      }),
    );
    const variables = (sidecarOf(pod).env ?? []).map(({ name, value }) => [name, value ?? 'from-elsewhere']);
    expect(loadSettings(Object.fromEntries(variables))).toEqual({ settings: expect.anything() });
  });

  test('escapes values so that the kubelet does not expand them', () => {
    const url = 'redis://u:$(HOME)$$x@redis:6379';
    const pod = injected(podWith({ 'pannier.dev/inject': 'true', 'pannier.dev/redis-url': url }));
    const value = sidecarOf(pod).env?.find((variable) => variable.name === 'PANNIER_REDIS_URL')?.value ?? '';
    // The kubelet reads `$$` as `$`, and `$(NAME)` as a variable.
    expect(value.replaceAll('$$', '\0')).not.toContain('$(');
    expect(value.replaceAll('$$', '$')).toBe(url);
  });

  test.each([
    ['192Mi', '--max-semi-space-size=4 --max-old-space-size=96'],
    ['1Gi', '--max-semi-space-size=4 --max-old-space-size=512'],
    ['96Mi', '--max-semi-space-size=4 --max-old-space-size=48'],
  ])('limits its heap under a memory limit of %s', (limit, options) => {
    const pod = injected(podWith({ 'pannier.dev/inject': 'true', 'pannier.dev/memory-limit': limit }));
    expect(sidecarOf(pod).env).toContainEqual({ name: 'NODE_OPTIONS', value: options });
  });

  test('as a plain container stops waiting 5 s before the end of the grace period', () => {
    const hooks = (seconds: number): string =>
      JSON.stringify(
        sidecarOf(
          injected(
            podWith(
              { 'pannier.dev/inject': 'true', 'pannier.dev/native': 'false' },
              { terminationGracePeriodSeconds: seconds },
            ),
          ),
        ).lifecycle,
      );
    expect(hooks(60)).toContain('--timeout-ms=55000');
    expect(hooks(1)).toContain('--timeout-ms=0');
  });
});

describe('a pod with a sidecar', () => {
  const once = injected(requesting);

  function withSidecar(edit: (container: Container) => Container): Pod {
    const initContainers = once.spec?.initContainers?.map((container) =>
      container.name === 'pannier' ? edit(container) : container,
    );
    return { ...once, spec: { ...once.spec, ...(initContainers && { initContainers }) } };
  }

  test('keeps changes by other programs in the sidecar', () => {
    const changed = withSidecar((container) => ({ ...container, image: 'mirror/pannier:1', resources: {} }));
    expect(inject(changed)).toEqual({ kind: 'inject', pod: changed, patch: [], notes: [] });
  });

  test('gets a new sidecar for another configuration', () => {
    const other: SidecarConfig = { ...config, image: 'pannier:2', logLevel: 'debug' };
    const again = injected(once, { config: other });
    expect(sidecarOf(again).image).toBe('pannier:2');
    expect(again).toEqual(injected(requesting, { config: other }));
  });

  test('gets a plain container instead of a native sidecar once a kubelet is too old', () => {
    const again = injected(once, { kubelets: { oldestMinor: 28 } });
    expect(again).toEqual(injected(requesting, { kubelets: { oldestMinor: 28 } }));
    expect(again.spec?.initContainers).toBeUndefined();
  });

  test('loses the socket in all containers when it is disabled, and gets new ports in all of them', () => {
    const again = injected({
      ...once,
      metadata: {
        ...once.metadata,
        annotations: { ...once.metadata?.annotations, 'pannier.dev/socket': 'false', 'pannier.dev/grpc-port': '9999' },
      },
    });
    expect(JSON.stringify(again)).not.toContain('pannier-socket');
    expect(again.spec?.containers?.[0]?.env).toEqual([{ name: 'PANNIER_ADDRESS', value: '127.0.0.1:9999' }]);
  });

  test('changes only its version annotation for another version', () => {
    expect(inject(injected(requesting, { version: '1.0.0' }), { version: '1.0.1' })).toMatchObject({
      patch: [{ op: 'replace', path: '/metadata/annotations/pannier.dev~1version', value: '1.0.1' }],
    });
  });

  test('is refused if it has the annotation but its container pannier is not the sidecar', () => {
    const claim = podWith(
      { 'pannier.dev/inject': 'true', 'pannier.dev/injected': 'true' },
      { containers: [{ name: 'pannier', image: 'mine:1' }] },
    );
    expect(inject(claim)).toMatchObject({
      problems: [expect.stringContaining('container named pannier that the injector did not add')],
    });
  });
});

test('does not modify the given pod', () => {
  const pod = structuredClone(requesting);
  inject(pod);
  expect(pod).toEqual(requesting);
});
