/**
 * Generates random pods, and the changes that other programs make to pods between two injections: defaults of the API
 * server, and another injector.
 */
import fc from 'fast-check';
import type { Container, Pod } from '../../../src/injection/pod.ts';

const name = fc.constantFrom('app', 'web', 'worker', 'proxy', 'migrate', 'db');
const text = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('true', '127.0.0.1:9470', '$(PANNIER_ADDRESS)/x'));

const variable = fc.record(
  {
    name: fc.constantFrom('A', 'PANNIER_ADDRESS', 'PANNIER_SOCKET', 'LANG'),
    value: fc.oneof(text, fc.constant('unix:/run/pannier/pannier.sock')),
  },
  { requiredKeys: ['name'] },
);

const mount = fc.record({
  name: fc.constantFrom('data', 'tmp'),
  mountPath: fc.constantFrom('/data', '/run', '/tmp', '/run/pannier2'),
});

const container = fc.record(
  {
    name,
    image: fc.constant('app:1'),
    command: fc.array(text, { maxLength: 2 }),
    env: fc.uniqueArray(variable, { selector: (item) => item.name, maxLength: 4 }),
    ports: fc.array(fc.record({ containerPort: fc.constantFrom(80, 8080, 9469) }), { maxLength: 2 }),
    volumeMounts: fc.uniqueArray(mount, { selector: (item) => item.mountPath, maxLength: 3 }),
    resources: fc.constant({}),
  },
  { requiredKeys: ['name'] },
);

const key = fc.constantFrom('team', 'app.kubernetes.io/name', 'prometheus.io/scrape');
const annotationKey = fc.oneof(key, fc.constant('kubectl.kubernetes.io/default-container'));
const evictable = fc.option(fc.constantFrom('', 'tmp', 'tmp,data', 'pannier-socket', 'pannier-socket,tmp'), {
  nil: undefined,
});
const pannierAnnotations = fc.record(
  {
    'pannier.dev/inject': fc.constant('true'),
    'pannier.dev/image-pull-secrets': fc.constantFrom('regcred', 'mine, regcred'),
    'pannier.dev/after': fc.constantFrom('mesh', 'migrate,proxy', 'agent'),
    'pannier.dev/socket': fc.constantFrom('true', 'false'),
    'pannier.dev/native': fc.constantFrom('auto', 'true', 'false'),
    'pannier.dev/redis-secret': fc.constant('redis-login'),
    'pannier.dev/redis-tls-secret': fc.constant('redis-client-tls'),
    'pannier.dev/grpc-port': fc.constantFrom('9470', '19470'),
    'pannier.dev/scope': fc.constantFrom('a', 'b'),
  },
  { requiredKeys: [] },
);

const annotations = fc
  .tuple(fc.dictionary(annotationKey, name, { maxKeys: 3 }), pannierAnnotations, evictable)
  .map(([own, pannier, volumes]) => ({
    ...own,
    ...pannier,
    ...(volumes === undefined ? {} : { 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes': volumes }),
  }));

const metadata = fc.record(
  { name: fc.constant('pod'), labels: fc.dictionary(key, name, { maxKeys: 2 }), annotations },
  { requiredKeys: [] },
);

const volume = fc.record({ name: fc.constantFrom('data', 'tmp', 'config'), emptyDir: fc.constant({}) });
const pullSecret = fc.record({ name: fc.constantFrom('mine', 'regcred', 'account') });
const spec = fc
  .tuple(
    fc.uniqueArray(container, { selector: (item) => item.name, minLength: 1, maxLength: 5 }),
    fc.nat({ max: 4 }),
    fc.option(fc.uniqueArray(volume, { selector: (item) => item.name, maxLength: 3 }), { nil: undefined }),
    fc.boolean(),
    fc.option(fc.uniqueArray(pullSecret, { selector: (item) => item.name, maxLength: 2 }), { nil: undefined }),
  )
  .map(([all, inits, volumes, hasEmptyInits, imagePullSecrets]) => {
    const count = Math.min(inits, all.length - 1);
    return {
      ...(count > 0 || hasEmptyInits ? { initContainers: all.slice(0, count) } : {}),
      containers: all.slice(count),
      ...(volumes === undefined ? {} : { volumes }),
      ...(imagePullSecrets === undefined ? {} : { imagePullSecrets }),
      serviceAccountName: 'app',
    };
  });

/**
 * Removes mounts at /run whose volume is missing, because injection refuses them. A writable emptyDir volume at /run
 * does not conflict.
 */
function withoutDanglingMounts(pod: Pod): Pod {
  const volumes = new Set(pod.spec?.volumes?.map((item) => item.name));
  return editContainers(pod, (item) =>
    item.volumeMounts === undefined
      ? item
      : {
          ...item,
          volumeMounts: item.volumeMounts.filter(
            ({ name: used, mountPath }) => mountPath !== '/run' || volumes.has(used),
          ),
        },
  );
}

/** Random pod into which the injector can inject a sidecar if the namespace requests injection. */
export const arbitraryPod: fc.Arbitrary<Pod> = fc
  .record({ apiVersion: fc.constant('v1'), kind: fc.constant('Pod'), metadata, spec }, { requiredKeys: ['spec'] })
  .map((pod) => withoutDanglingMounts(pod as Pod));

type Editor = (pod: Pod) => Pod;

/** Adds the defaults that the API server adds, and mounts the volume of the service account in every container. */
function withDefaults(pod: Pod): Pod {
  const complete = (container: Container): Container => {
    const token = { name: 'kube-api-access', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' };
    const mounts = container.volumeMounts ?? [];
    const hasToken = mounts.some((candidate) => candidate.name === token.name);
    return {
      terminationMessagePath: '/dev/termination-log',
      ...container,
      ports: (container.ports ?? []).map((port) => ({ protocol: 'TCP', ...port })),
      volumeMounts: hasToken ? mounts : [...mounts, token],
    };
  };
  return editContainers({ ...pod, spec: { dnsPolicy: 'ClusterFirst', ...pod.spec } }, complete);
}

/**
 * Adds an annotation, a native sidecar as the first init container, and an environment variable as the first variable
 * of every container. A second call adds nothing.
 */
function withMesh(pod: Pod): Pod {
  const inits = pod.spec?.initContainers ?? [];
  const isThere = inits.some((candidate) => candidate.name === 'mesh');
  const mesh = { name: 'mesh', image: 'mesh:1', restartPolicy: 'Always', env: [{ name: 'MESH', value: '1' }] };
  const edited = editContainers(pod, (container) => {
    const env = container.env ?? [];
    return env.some((candidate) => candidate.name === 'MESH')
      ? container
      : { ...container, env: [{ name: 'MESH', value: '1' }, ...env] };
  });
  const annotations = { ...pod.metadata?.annotations, 'mesh/status': 'injected' };
  const initContainers = isThere ? (edited.spec?.initContainers ?? []) : [mesh, ...(edited.spec?.initContainers ?? [])];
  return { ...edited, metadata: { ...pod.metadata, annotations }, spec: { ...edited.spec, initContainers } };
}

/** Appends a container and a volume to the pod. */
function withAgent(pod: Pod): Pod {
  const containers = pod.spec?.containers ?? [];
  if (containers.some((candidate) => candidate.name === 'agent')) {
    return pod;
  }
  const agent: Container = { name: 'agent', image: 'agent:1', volumeMounts: [{ name: 'agent', mountPath: '/agent' }] };
  const volumes = [...(pod.spec?.volumes ?? []), { name: 'agent', emptyDir: {} }];
  return { ...pod, spec: { ...pod.spec, containers: [...containers, agent], volumes } };
}

function editContainers(pod: Pod, edit: (container: Container) => Container): Pod {
  const { initContainers, containers } = pod.spec ?? {};
  const edited = {
    ...(initContainers === undefined ? {} : { initContainers: initContainers.map(edit) }),
    ...(containers === undefined ? {} : { containers: containers.map(edit) }),
  };
  return { ...pod, spec: { ...pod.spec, ...edited } };
}

/**
 * Function that applies one or more of the three changes above to a pod, in random order. Each change is idempotent.
 */
export const arbitraryOthers: fc.Arbitrary<Editor> = fc
  .shuffledSubarray([withDefaults, withMesh, withAgent], { minLength: 1 })
  .map((editors) => (pod: Pod) => editors.reduce((edited, editor) => editor(edited), pod));
