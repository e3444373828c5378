/**
 * Tests what Helm refuses on a real cluster and how to continue: a second release, a webhook that another field manager
 * has changed, and a missing namespace in `policyNamespaces`.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import {
  CHART,
  helmOnCluster,
  INJECTOR,
  installChart,
  installedCluster,
  PREPARE_MS,
  RELEASE_NAMESPACE,
  requestingPod,
} from '../support/kubernetes/chart.ts';
import { kubeconfigFile, sidecarOf, type TestCluster } from '../support/kubernetes/cluster.ts';
import { IMAGES } from '../support/kubernetes/images.ts';
import { repositoryRoot } from '../support/repository.ts';

const SECOND = 'pannier-e2e-second';
const IMAGE = ['--set', `image.repository=${IMAGES.repository}`, '--set', `image.tag=${IMAGES.tag}`];
const ENFORCER = 'admissionsenforcer';

let cluster: TestCluster;
let namespace: string;

beforeAll(async () => {
  ({ cluster, namespace } = await installedCluster());
}, PREPARE_MS);

afterAll(async () => {
  // The release exists only if a test has failed. It would then inject its sidecar into the pods of later tests.
  await helmOnCluster(['uninstall', 'second', '--ignore-not-found'], SECOND);
  await cluster?.core.deleteNamespace({ name: SECOND }).catch(() => undefined);
  await cluster?.close();
});

/** Returns the error message of helm. Throws if helm succeeds. */
async function helmError(args: readonly string[], inNamespace = RELEASE_NAMESPACE): Promise<string> {
  try {
    await helmOnCluster(args, inNamespace);
  } catch (error) {
    return String(error);
  }
  throw new Error(`cannot read the error of helm ${args[0]}: it succeeded`);
}

interface Release {
  readonly name: string;
  readonly namespace: string;
  readonly status: string;
}

async function releases(): Promise<Release[]> {
  return JSON.parse(await helmOnCluster(['list', '--all-namespaces', '--output', 'json'])) as Release[];
}

async function namespaceNames(): Promise<string[]> {
  const { items } = await cluster.core.listNamespace();
  return items.map(({ metadata }) => metadata?.name ?? '');
}

async function hashOfNewPod(): Promise<string | undefined> {
  const pod = await cluster.createPod(namespace, requestingPod('hash'), { dryRun: true });
  return pod.metadata?.annotations?.['pannier.dev/config-hash'];
}

describe('a second release', () => {
  test.each(['webhook', 'mutating-policy'])(
    'is refused before anything is created if the first one has injection mode %s',
    async (first) => {
      await installChart(cluster, { injectionMode: first, redis: { url: 'redis://first:6379' } });
      const hash = await hashOfNewPod();
      for (const second of ['webhook', 'mutating-policy']) {
        // Without the admission policies, the releases of different modes have only one object in common.
        for (const policies of ['true', 'false']) {
          const values = ['--set', `injectionMode=${second}`, '--set', `admissionPolicy.enabled=${policies}`, ...IMAGE];
          const text = await helmError(['install', 'second', CHART, '--create-namespace', ...values], SECOND);
          expect(text).toContain('exists and cannot be imported into the current release');
          expect(text).toContain('key "meta.helm.sh/release-name" must equal "second": current value is "pannier"');
          expect(text).toContain(`current value is "${RELEASE_NAMESPACE}"`);
        }
      }
      expect(await namespaceNames()).not.toContain(SECOND);
      expect((await releases()).map(({ name }) => name)).toEqual(['pannier']);
      expect(await hashOfNewPod()).toBe(hash);
    },
    300_000,
  );

  test('`injection status` finds the configuration of a release without an injector', async () => {
    const pod = requestingPod('current');
    // The pod names a scheduler that does not exist, so it never runs.
    const spec = { ...pod.spec, schedulerName: 'absent' };
    const made = await cluster.createPod(namespace, { metadata: pod.metadata, spec });
    expect(sidecarOf(made)).toBeDefined();
    const command = ['dist/main.mjs', 'injection', 'status', '-n', namespace, '-o', 'json'];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, command, {
      cwd: repositoryRoot,
      env: { ...process.env, KUBECONFIG: kubeconfigFile() },
    });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject([{ workload: 'pod/current', state: 'current' }]);
  });
});

describe('the admissions enforcer of AKS', () => {
  const upgrade = ['upgrade', 'pannier', CHART, '--reset-values', ...IMAGE, '--wait', '--timeout', '120s'];

  /** Changes the selectors as the enforcer does: a server-side apply that takes over the fields. */
  async function enforce(): Promise<void> {
    const configuration = await cluster.admission.readMutatingWebhookConfiguration({ name: INJECTOR });
    const added = [
      { key: 'control-plane', operator: 'NotIn', values: ['true'] },
      { key: 'kubernetes.azure.com/managedby', operator: 'NotIn', values: ['aks'] },
    ];
    const webhooks = (configuration.webhooks ?? []).map((webhook) => ({
      ...webhook,
      namespaceSelector: {
        ...webhook.namespaceSelector,
        matchExpressions: [...(webhook.namespaceSelector?.matchExpressions ?? []), ...added],
      },
    }));
    await cluster.admission.patchMutatingWebhookConfiguration(
      {
        name: INJECTOR,
        fieldManager: ENFORCER,
        force: true,
        body: {
          apiVersion: 'admissionregistration.k8s.io/v1',
          kind: 'MutatingWebhookConfiguration',
          metadata: { name: INJECTOR },
          webhooks,
        },
      },
      setHeaderOptions('Content-Type', PatchStrategy.ServerSideApply),
    );
  }

  async function selectors(): Promise<string> {
    const { webhooks } = await cluster.admission.readMutatingWebhookConfiguration({ name: INJECTOR });
    return JSON.stringify(webhooks?.map(({ namespaceSelector }) => namespaceSelector));
  }

  test('is disabled by an annotation, and --force-conflicts reverts its changes', async () => {
    await installChart(cluster, {});
    const { metadata } = await cluster.admission.readMutatingWebhookConfiguration({ name: INJECTOR });
    expect(metadata?.annotations).toMatchObject({ 'admissions.enforcer/disabled': 'true' });
    const rendered = await selectors();
    await enforce();
    expect(await selectors()).toContain('kubernetes.azure.com/managedby');
    if ((await helmOnCluster(['version', '--short'])).startsWith('v3')) {
      // Helm 3 does not apply on the server, so it reports no conflict.
      return;
    }
    expect(await helmError(upgrade)).toContain(`conflicts with "${ENFORCER}"`);
    await helmOnCluster([...upgrade, '--force-conflicts']);
    expect(await selectors()).toBe(rendered);
    await helmOnCluster(upgrade);
    expect(await hashOfNewPod()).toBeDefined();
  }, 300_000);
});

test('a missing namespace in policyNamespaces leaves a failed release, which `helm upgrade --install` completes', async () => {
  await helmOnCluster(['uninstall', 'pannier', '--wait', '--timeout', '120s']);
  const missing = `${namespace}-later`;
  const directory = mkdtempSync(join(tmpdir(), 'pannier-values-'));
  try {
    const file = join(directory, 'values.json');
    const policies = { policies: { api: { limits: [{ algorithm: 'fixed_window', limit: 5, per: '1m' }] } } };
    writeFileSync(file, JSON.stringify({ policies, policyNamespaces: [namespace, missing] }));
    const args = ['pannier', CHART, '--create-namespace', '-f', file, ...IMAGE, '--wait', '--timeout', '120s'];
    expect(await helmError(['install', ...args])).toContain(`namespaces "${missing}" not found`);
    expect(await releases()).toMatchObject([{ name: 'pannier', status: 'failed' }]);
    await cluster.core.readNamespacedConfigMap({ namespace, name: 'pannier-policies' });
    expect(await helmError(['install', ...args])).toMatch(/cannot re-?use a name that is still in use/);
    await cluster.core.createNamespace({ body: { metadata: { name: missing } } });
    await helmOnCluster(['upgrade', '--install', ...args]);
    expect(await releases()).toMatchObject([{ name: 'pannier', status: 'deployed' }]);
    await cluster.core.readNamespacedConfigMap({ namespace: missing, name: 'pannier-policies' });
    // The release must not keep a ConfigMap in a namespace that the test deletes.
    await installChart(cluster, {});
  } finally {
    rmSync(directory, { recursive: true, force: true });
    await cluster.core.deleteNamespace({ name: missing }).catch(() => undefined);
  }
}, 400_000);
