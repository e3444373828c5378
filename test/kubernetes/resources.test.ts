/**
 * Tests the resources of sidecars on a real API server: quotas and limit ranges with the documented cures, pod-level
 * resources, and quality-of-service classes, in both injection modes.
 *
 * Most pods are dry runs, because admission decides about all of this. One pod per injection mode runs.
 */
import type { V1Pod } from '@kubernetes/client-node';
import { injectPod } from '../../src/injection/inject-pod.ts';
import type { Pod } from '../../src/injection/pod.ts';
import { parseSidecarConfig, type SidecarConfig } from '../../src/injection/sidecar-config.ts';
import { installChart, installedCluster, PREPARE_MS, requestingPod } from '../support/kubernetes/chart.ts';
import { sidecarOf, type TestCluster } from '../support/kubernetes/cluster.ts';
import { at, find, type Manifest, render, type Values } from '../support/kubernetes/helm.ts';
import { IMAGES } from '../support/kubernetes/images.ts';
import { KubernetesObjects } from '../support/kubernetes/objects.ts';
import { QUOTA_CASES, QUOTA_VALUES, type QuotaCase } from '../support/kubernetes/quota-cases.ts';
import { POD_LEVEL_PODS, QUALITY_OF_SERVICE, resourcePod } from '../support/kubernetes/resource-pods.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';

const REQUESTED = { 'pannier.dev/inject': 'true' };
const GUARANTEED = {
  ...REQUESTED,
  'pannier.dev/cpu-request': '50m',
  'pannier.dev/cpu-limit': '50m',
  'pannier.dev/memory-request': '128Mi',
  'pannier.dev/memory-limit': '128Mi',
};
const FIXED = { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '100m', memory: '64Mi' } };

let cluster: TestCluster;
let objects: KubernetesObjects;
let namespace: string;
/** Namespaces of the quota cases by the name of the case. */
const namespaces = new Map<string, string>();

beforeAll(async () => {
  ({ cluster, namespace } = await installedCluster());
  objects = new KubernetesObjects();
  for (const [name, quotaCase] of Object.entries(QUOTA_CASES)) {
    namespaces.set(name, await restrictedNamespace(quotaCase));
  }
}, PREPARE_MS);

afterAll(async () => {
  await cluster?.close();
});

describe('the quality-of-service class of the API server equals ours', () => {
  test.each(QUALITY_OF_SERVICE)('for a pod with %s', async (_name, pod, expected) => {
    const { message, object } = await dryRun(namespace, pod);
    expect({ message, class: at(object, 'status.qosClass') }).toEqual({ message: '', class: expected });
  });
});

describe('injection mode webhook with default values', () => {
  test.each(Object.entries(QUOTA_CASES))('%s: annotations make the sidecar fit', async (name, quotaCase) => {
    const plain = await dryRun(namespaceOf(name), podOf(quotaCase, {}));
    expect(plain.message).toBe('');
    const before = await dryRun(namespaceOf(name), podOf(quotaCase, REQUESTED));
    const { error, cpuLimits } = quotaCase;
    expect(before.message).toEqual(error === undefined ? '' : expect.stringContaining(error));
    expect(cpuLimit(before.object)).toBe(cpuLimits.before);
    const after = await dryRun(namespaceOf(name), podOf(quotaCase, { ...REQUESTED, ...quotaCase.annotations }));
    expect(after.message).toBe('');
    expect(cpuLimit(after.object)).toBe(cpuLimits.after);
    expect(sidecarOf(after.object as V1Pod)?.resources).toMatchObject(annotatedResources(quotaCase));
  });

  test.each(Object.entries(POD_LEVEL_PODS))('admits a pod with pod-level resources: %s', async (_name, pod) => {
    await expectSameAsOffline(pod, {});
  });

  test('keeps the annotated values that fit into the pod-level resources, in a plain container too', async () => {
    const resources = { requests: { cpu: '0.3', memory: '160Mi' }, limits: { memory: '256Mi' } };
    const annotations = { 'pannier.dev/cpu-request': '20m', 'pannier.dev/memory-request': '96Mi' };
    for (const native of ['true', 'false']) {
      const given = { ...REQUESTED, ...annotations, 'pannier.dev/native': native };
      const containers = [{ requests: { cpu: '280m', memory: '64Mi' } }];
      await expectSameAsOffline(resourcePod({ resources, containers, annotations: given }), {});
    }
  });

  test('refuses annotated values that do not fit into the pod-level resources, with the values that are needed', async () => {
    const refusal = async (resources: object, annotations: object): Promise<string> => {
      const containers = [{ requests: { memory: '48Mi' } }];
      const pod = resourcePod({ resources, containers, annotations: { ...REQUESTED, ...annotations } });
      return (await dryRun(namespace, pod)).message;
    };
    expect(await refusal({ limits: { memory: '128Mi' } }, { 'pannier.dev/memory-request': '32Mi' })).toContain(
      'its containers request 80Mi of memory (the sidecar: 32Mi), and spec.resources.requests.memory is 48Mi; set the request of the pod to at least 80Mi, or remove annotation pannier.dev/memory-request',
    );
    const limits = { requests: { memory: '128Mi' }, limits: { memory: '128Mi' } };
    expect(await refusal(limits, { 'pannier.dev/memory-limit': '256Mi' })).toContain(
      'the memory limit of its sidecar (256Mi) is above spec.resources.limits.memory (128Mi); set the limit of the pod to at least 256Mi, or lower annotation pannier.dev/memory-limit',
    );
    expect(await refusal({ limits: { memory: '64Mi' } }, {})).toContain(
      'spec.resources.limits.memory is 64Mi, and the sidecar alone may need 96Mi; set it to at least 96Mi plus the memory of the other containers',
    );
  });

  test('keeps the class Guaranteed with four annotations', async () => {
    const classOf = async (annotations: Record<string, string>): Promise<unknown> =>
      at((await dryRun(namespace, resourcePod({ containers: [FIXED], annotations }))).object, 'status.qosClass');
    expect(await classOf({})).toBe('Guaranteed');
    expect(await classOf(REQUESTED)).toBe('Burstable');
    expect(await classOf(GUARANTEED)).toBe('Guaranteed');
  });

  test('a pod with pod-level resources runs with its sidecar', async () => {
    await expectRunning('webhook', {});
  });
});

describe.each(['webhook', 'mutating-policy'])('injection mode %s with values that fit', (injectionMode) => {
  const values = { ...QUOTA_VALUES, injectionMode };

  beforeAll(async () => {
    await installChart(cluster, values);
  }, PREPARE_MS);

  test.each(Object.entries(QUOTA_CASES))('%s: the sidecar fits', async (name, quotaCase) => {
    const { message, object } = await dryRun(namespaceOf(name), podOf(quotaCase, REQUESTED));
    expect(message).toBe('');
    expect(sidecarOf(object as V1Pod)?.resources).toEqual(QUOTA_VALUES.sidecar.resources);
  });
});

describe('injection mode mutating-policy', () => {
  test.each(Object.entries(POD_LEVEL_PODS))('admits a pod with pod-level resources: %s', async (_name, pod) => {
    await expectSameAsOffline(pod, QUOTA_VALUES);
  });

  test('refuses a pod whose memory limit is too low for the sidecar', async () => {
    const refusal = async (resources: object): Promise<string> =>
      (await dryRun(namespace, resourcePod({ resources, containers: [undefined], annotations: REQUESTED }))).message;
    expect(await refusal({ limits: { memory: '64Mi' } })).toContain(
      'cannot inject Pannier: spec.resources.limits.memory is 64Mi, and the sidecar alone may need 96Mi; set it to at least 96Mi plus the memory of the other containers',
    );
    expect(await refusal({ limits: { memory: '0.09Gi' } })).toContain('the sidecar alone may need 96Mi');
    expect(await refusal({ limits: { memory: '100663296' } })).toBe('');
  });

  test('a pod with pod-level resources runs with its sidecar', async () => {
    await expectRunning('mutating', { requests: { 'ephemeral-storage': '64Mi' } });
  });
});

/** Creates a namespace with the quota and the limit range of a case, and waits until the quota is in effect. */
async function restrictedNamespace({ hard, limitRange }: QuotaCase): Promise<string> {
  const created = await cluster.namespace();
  const metadata = { name: 'compute' };
  if (limitRange !== undefined) {
    await cluster.core.createNamespacedLimitRange({
      namespace: created,
      body: { metadata, spec: { limits: [limitRange] } },
    });
  }
  if (hard !== undefined) {
    await cluster.core.createNamespacedResourceQuota({ namespace: created, body: { metadata, spec: { hard } } });
    await waitInCluster('the quota in effect', async () => {
      const quota = await cluster.core.readNamespacedResourceQuota({ namespace: created, name: metadata.name });
      return quota.status?.used;
    });
  }
  return created;
}

function namespaceOf(name: string): string {
  return namespaces.get(name) ?? '';
}

function podOf({ resources }: QuotaCase, annotations: Readonly<Record<string, string>>): Pod {
  return resourcePod({ containers: [resources], annotations });
}

async function dryRun(place: string, pod: Pod): Promise<{ message: string; object: unknown }> {
  const metadata = { name: 'app', namespace: place, ...pod.metadata };
  const manifest: Manifest = { apiVersion: 'v1', kind: 'Pod', metadata, spec: pod.spec };
  const { message, object } = await objects.dryRun(manifest);
  return { message, object };
}

/** Returns the resources that the annotations of a case give the sidecar. */
function annotatedResources({ annotations }: QuotaCase): object {
  const list = (suffix: string): object => {
    const found = Object.entries(annotations).filter(([key]) => key.endsWith(suffix));
    return Object.fromEntries(found.map(([key, value]) => [key.slice('pannier.dev/'.length, -suffix.length), value]));
  };
  return Object.fromEntries(
    [
      ['requests', list('-request')],
      ['limits', list('-limit')],
    ].filter(([, found]) => Object.keys(found ?? {}).length > 0),
  );
}

function cpuLimit(pod: unknown): string | undefined {
  return sidecarOf(pod as V1Pod)?.resources?.limits?.cpu;
}

function configOf(values: Values): SidecarConfig {
  const image = { repository: IMAGES.repository, tag: IMAGES.tag };
  const configMap = find(render({ image, ...values }), 'ConfigMap', 'pannier-injector-config');
  const parsed = parseSidecarConfig(String(at(configMap, 'data')?.['injector.yaml' as never]));
  if ('problems' in parsed) {
    throw new Error(JSON.stringify(parsed.problems));
  }
  return parsed.config;
}

/** Expects that the API server admits the same pod whether it or `pannier inject` adds the sidecar. */
async function expectSameAsOffline(pod: Pod, values: Values): Promise<void> {
  const online = await dryRun(namespace, pod);
  const made = online.object as Pod;
  const question = {
    namespaceLabels: {},
    namespaceAnnotations: {},
    config: configOf(values),
    kubelets: { oldestMinor: undefined },
    // The sources of this test have another version than the image.
    version: made.metadata?.annotations?.['pannier.dev/version'] ?? '',
  };
  const injection = injectPod({ ...question, pod });
  if (injection.kind !== 'inject') {
    throw new Error(JSON.stringify(injection));
  }
  const offline = await dryRun(namespace, injection.pod);
  expect([online.message, offline.message]).toEqual(['', '']);
  const parts = (object: unknown): unknown => ({
    spec: at(object, 'spec'),
    annotations: at(object, 'metadata.annotations'),
  });
  expect(parts(made)).toEqual(parts(offline.object));
  // The webhook would correct a different hash of the pod from `pannier inject`, so it does not show in the dry run.
  expect(parts(made)).toMatchObject({ annotations: injection.pod.metadata?.annotations });
  // A second injection of the stored pod changes nothing, although the API server has derived pod-level requests.
  expect(injectPod({ ...question, pod: made })).toMatchObject({ patch: [] });
}

/** Expects that a pod with pod-level resources becomes ready, with only these resources of its sidecar. */
async function expectRunning(name: string, sidecarResources: object): Promise<void> {
  const pod = requestingPod(name);
  const resources = { requests: { cpu: '50m', memory: '64Mi' }, limits: { cpu: '200m', memory: '128Mi' } };
  await cluster.createPod(namespace, { ...pod, spec: { ...pod.spec, resources } } as V1Pod);
  const ready = await cluster.waitForReady(namespace, name);
  expect(ready.spec?.resources).toEqual(resources);
  expect(sidecarOf(ready)?.resources ?? {}).toEqual(sidecarResources);
  await cluster.core.deleteNamespacedPod({ namespace, name, gracePeriodSeconds: 0 });
}
