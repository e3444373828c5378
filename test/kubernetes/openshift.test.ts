/**
 * Tests the chart with openshift.enabled under the rules of OpenShift's SecurityContextConstraints `restricted-v2`,
 * which policies of this test imitate: the platform assigns the user id of each pod and rejects other ids. OpenShift
 * itself is not needed.
 */
import type { V1Pod } from '@kubernetes/client-node';
import { injectPod } from '../../src/injection/inject-pod.ts';
import type { Pod } from '../../src/injection/pod.ts';
import { parseSidecarConfig } from '../../src/injection/sidecar-config.ts';
import {
  helmOnCluster,
  INJECTOR_PODS,
  installChart,
  PREPARE_MS,
  RELEASE_NAMESPACE,
  requestingPod,
} from '../support/kubernetes/chart.ts';
import { sidecarOf, TestCluster } from '../support/kubernetes/cluster.ts';
import { at, find, type Manifest, render, type Values } from '../support/kubernetes/helm.ts';
import { prepareImages } from '../support/kubernetes/images.ts';
import { KubernetesObjects } from '../support/kubernetes/objects.ts';
import { createPolicies } from '../support/kubernetes/policies.ts';
import { ASSIGNED_ID, imitateRestrictedV2, RESTRICTED_V2_LABEL } from '../support/kubernetes/restricted-v2.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';

const OPENSHIFT: Values = { openshift: { enabled: true }, devRedis: { enabled: true } };
const MUTATING_LABEL = { 'pannier-test/openshift': 'mutating' };
const LABELS = { ...RESTRICTED_V2_LABEL, 'pod-security.kubernetes.io/enforce': 'restricted' };
const RESTRICTED = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
};
const NODE = '/nodejs/bin/node';

let cluster: TestCluster;
let objects: KubernetesObjects;
let namespace = '';

beforeAll(async () => {
  cluster = new TestCluster();
  objects = new KubernetesObjects();
  await prepareImages();
  await helmOnCluster(['uninstall', 'pannier', '--ignore-not-found', '--wait']);
  namespace = await cluster.namespace({ labels: LABELS });
  await imitateRestrictedV2(objects);
  await waitInCluster('the imitated platform', async () => {
    const pod = await objects.dryRun(podIn(namespace, securePod('probe', {})));
    const refused = await refusalOf(namespace, { ...securePod('probe', {}).spec, securityContext: { runAsUser: 1 } });
    return at(pod.object, 'spec.securityContext.runAsUser') === ASSIGNED_ID && refused.includes('restricted-v2');
  });
}, PREPARE_MS);

afterAll(async () => {
  await labelRelease(null);
  await objects.close();
  await cluster.close();
});

/** Returns a pod that requests injection and meets the rules of the namespace. */
function securePod(name: string, annotations: Record<string, string>): V1Pod {
  const pod = requestingPod(name, annotations);
  return {
    ...pod,
    spec: { containers: pod.spec.containers.map((item) => ({ ...item, securityContext: RESTRICTED })) },
  };
}

function podIn(target: string, { metadata, spec }: Pick<V1Pod, 'metadata'> & { readonly spec?: unknown }): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'app', namespace: target, ...(metadata?.annotations && { annotations: metadata.annotations }) },
    spec,
  };
}

/** Returns all pods that the chart creates, with the names of their objects. The namespace lacks their ServiceAccounts. */
function podsOf(values: Values): [string, unknown][] {
  return render(values)
    .filter(({ kind }) => kind === 'Deployment' || kind === 'Pod')
    .map(({ kind, metadata, spec }) => {
      const podSpec = (kind === 'Pod' ? spec : at(spec, 'template.spec')) as object;
      return [metadata.name, { ...podSpec, serviceAccountName: 'default' }];
    });
}

async function labelRelease(value: string | null): Promise<void> {
  const body = [{ op: 'add', path: '/metadata/labels/pannier-test~1scc', value }];
  await cluster.core
    .patchNamespace({ name: RELEASE_NAMESPACE, body: value === null ? [{ ...body[0], op: 'remove' }] : body })
    .catch(() => undefined);
}

async function refusalOf(target: string, spec: unknown, annotations: Record<string, string> = {}): Promise<string> {
  const { code, message } = await objects.dryRun(podIn(target, { metadata: { annotations }, spec }));
  return code === 201 ? '' : message;
}

describe('each pod of the chart', () => {
  test.each(['webhook', 'mutating-policy'])('is rejected with default values of injection mode %s', async (mode) => {
    const pods = podsOf({ devRedis: { enabled: true }, injectionMode: mode });
    expect(pods.length).toBeGreaterThanOrEqual(3);
    for (const [name, spec] of pods) {
      expect([name, await refusalOf(namespace, spec)]).toEqual([
        name,
        expect.stringContaining('range of the namespace'),
      ]);
    }
  });

  test.each(['webhook', 'mutating-policy'])('is accepted with openshift.enabled in injection mode %s', async (mode) => {
    for (const [name, spec] of podsOf({ ...OPENSHIFT, injectionMode: mode })) {
      expect([name, await refusalOf(namespace, spec)]).toEqual([name, '']);
    }
  });
});

describe('a pod that a manifest injects', () => {
  const injected = (values: Values): Pod => {
    const text = at(find(render(values), 'ConfigMap', 'pannier-injector-config'), 'data')?.['injector.yaml' as never];
    const parsed = parseSidecarConfig(String(text));
    const { metadata, spec } = securePod('app', {});
    const injection =
      'config' in parsed &&
      injectPod({
        pod: structuredClone({ metadata, spec }) as unknown as Pod,
        namespaceLabels: {},
        namespaceAnnotations: {},
        config: parsed.config,
        kubelets: { oldestMinor: 34 },
      });
    if (injection === false || injection.kind !== 'inject') {
      throw new Error(JSON.stringify([parsed, injection]));
    }
    return injection.pod;
  };

  test('is accepted only with openshift.enabled', async () => {
    expect(await refusalOf(namespace, injected({}).spec)).toContain('runAsUser of each container must be in the range');
    expect(await refusalOf(namespace, injected(OPENSHIFT).spec)).toBe('');
  });
});

test('a pod that a MutatingAdmissionPolicy injects is accepted', async () => {
  const own = new KubernetesObjects();
  try {
    const target = await cluster.namespace({ labels: { ...LABELS, ...MUTATING_LABEL } });
    await createPolicies(own, { ...OPENSHIFT, injectionMode: 'mutating-policy' }, MUTATING_LABEL);
    const pod = podIn(target, securePod('app', {}));
    const injected = await waitInCluster('the policy in effect', async () => {
      const { object } = await own.dryRun(pod);
      return at(object, 'spec.initContainers.0.name') === 'pannier' ? object : undefined;
    });
    expect(at(injected, 'spec.securityContext.runAsUser')).toBe(ASSIGNED_ID);
    expect(at(injected, 'spec.initContainers.0.securityContext.runAsUser')).toBeUndefined();
  } finally {
    await own.close();
  }
});

describe('with the installed chart', () => {
  beforeAll(async () => {
    await installChart(cluster, { openshift: { enabled: true } });
    await labelRelease('restricted-v2');
    // Replaces the replicas, so that they run under the assigned user.
    await installChart(cluster, {
      openshift: { enabled: true },
      injector: { podAnnotations: { under: 'restricted-v2' } },
    });
    await cluster.core.createNamespacedConfigMap({
      namespace,
      body: {
        metadata: { name: 'pannier-policies' },
        data: { 'policies.yaml': 'policies: {api: {limits: [{algorithm: fixed_window, limit: 5, per: 1m}]}}\n' },
      },
    });
  }, PREPARE_MS);

  const run = async (pod: string, container: string, script: string): Promise<string> => {
    const program = container === 'pannier' ? NODE : 'node';
    const { exitCode, output } = await cluster.run({ namespace, pod, container }, [program, '-e', script]);
    return `${exitCode} ${output.trim()}`;
  };
  const HAS_TOKEN = `
    const directory = '/var/run/secrets/kubernetes.io/serviceaccount';
    console.log(process.getuid(), require('node:fs').readdirSync(directory).includes('token'));`;
  const CONNECT = `
    const socket = require('node:net').connect(process.env.PANNIER_SOCKET.slice(5));
    socket.on('connect', () => process.exit(0));
    socket.on('error', (error) => { console.error(error.message); process.exit(1); });`;

  test('the injector runs under the assigned user', async () => {
    const pods = await cluster.pods(RELEASE_NAMESPACE, INJECTOR_PODS);
    expect(pods.map(({ spec }) => spec?.securityContext?.runAsUser)).toEqual([ASSIGNED_ID, ASSIGNED_ID]);
  });

  test('an injected pod serves its socket and policies under the assigned user, and its sidecar has no token', async () => {
    await cluster.createPod(namespace, securePod('native', {}));
    const running = await cluster.waitForReady(namespace, 'native');
    expect(sidecarOf(running)?.securityContext?.runAsUser).toBeUndefined();
    expect(await run('native', 'app', CONNECT)).toBe('0 ');
    expect(await run('native', 'app', HAS_TOKEN)).toBe(`0 ${ASSIGNED_ID} true`);
    expect(await run('native', 'pannier', HAS_TOKEN)).toBe(`0 ${ASSIGNED_ID} false`);
    const call = [
      '/app/dist/main.mjs',
      'call',
      '--address=127.0.0.1:9470',
      'CheckRateLimit',
      '{"policy": "api", "key": "a"}',
    ];
    const called = await cluster.run({ namespace, pod: 'native', container: 'pannier' }, [NODE, ...call]);
    expect(called).toMatchObject({ exitCode: 0 });
  });

  test('a sidecar replaces the socket of its predecessor', async () => {
    await run('native', 'pannier', "process.kill(1, 'SIGTERM')").catch(() => undefined);
    await cluster.waitForPod(namespace, 'native', 'with a restarted sidecar', ({ status }) => {
      const sidecar = status?.initContainerStatuses?.[0];
      return sidecar?.restartCount === 1 && sidecar.ready === true;
    });
    expect(await run('native', 'app', CONNECT)).toBe('0 ');
  });

  test('a plain sidecar without a socket has neither a token nor an emptyDir volume', async () => {
    const annotations = { 'pannier.dev/native': 'false', 'pannier.dev/socket': 'false' };
    await cluster.createPod(namespace, securePod('plain', annotations));
    const running = await cluster.waitForReady(namespace, 'plain');
    expect(running.spec?.containers.map(({ name }) => name)).toEqual(['pannier', 'app']);
    expect(await run('plain', 'app', HAS_TOKEN)).toBe(`0 ${ASSIGNED_ID} true`);
    expect(await run('plain', 'pannier', HAS_TOKEN)).toBe(`0 ${ASSIGNED_ID} false`);
    // `kubectl drain` refuses to evict a pod with an emptyDir volume.
    expect(running.spec?.volumes?.filter(({ emptyDir }) => emptyDir !== undefined)).toEqual([]);
  });

  test('a sidecar runs as the user of its image if nothing assigns another user', async () => {
    const plain = await cluster.namespace();
    await cluster.createPod(plain, requestingPod('image-user'));
    await cluster.waitForReady(plain, 'image-user');
    const target = { namespace: plain, pod: 'image-user', container: 'pannier' };
    const ran = await cluster.run(target, [NODE, '-e', 'console.log(process.getuid(), process.getgid())']);
    expect(ran).toEqual({ exitCode: 0, output: '65532 65532\n' });
  });

  test('a pod that runs as root is rejected with the reason', async () => {
    const { spec } = requestingPod('root');
    const root = { ...spec, securityContext: { runAsUser: 0 } };
    const plain = await cluster.namespace();
    expect(await refusalOf(plain, root, { 'pannier.dev/inject': 'true' })).toContain(
      'spec.securityContext.runAsUser is 0 and the sidecar, which never runs as root, has no runAsUser of its own',
    );
  });
});
