/**
 * Certificates by cert-manager, on a cluster that has it: the way there from the injector's own and back, the certificate renewed, its CA
 * replaced, all while pods are created; and what is left afterwards. On a cluster without it: what helm says.
 */
import { AdmissionLoad } from '../support/kubernetes/admissions.ts';
import { renewCertificate } from '../support/kubernetes/cert-manager.ts';
import {
  askingPod,
  helmOnCluster,
  INJECTOR,
  INJECTOR_PODS,
  installChart,
  installedCluster,
  PREPARE_MS,
  RELEASE_NAMESPACE,
  servedUntil,
  waitForInjection,
} from '../support/kubernetes/chart.ts';
import { sidecarOf, TestCluster } from '../support/kubernetes/cluster.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';

const MODE = { certificates: { mode: 'cert-manager' } };
const LEAF_SECRET = `${INJECTOR}-tls`;
const CA_SECRET = `${INJECTOR}-issuer-ca`;
const REPLICAS = 2;
/** The kubelet brings a changed Secret within a minute or so. */
const MOUNTED_MS = 180_000;

let cluster: TestCluster;
let namespace: string;

beforeAll(async () => {
  ({ cluster, namespace } = await installedCluster());
}, PREPARE_MS);

afterAll(async () => {
  await cluster?.close();
});

/** Runs `change` while pods are created; none of them may be refused or go without its sidecar, then and for a while after. */
async function underLoad(change: () => Promise<void>): Promise<void> {
  const load = new AdmissionLoad(cluster, namespace);
  await waitInCluster('admissions under way', () => load.admitted > 5);
  try {
    await change();
    const after = load.admitted;
    await waitInCluster('admissions afterwards', () => load.admitted > after + 100);
  } finally {
    const ended = await load.stop();
    expect(ended.failures).toEqual([]);
    expect(ended.unreachable).toEqual([]);
  }
}

async function installAndSettle(values: Record<string, unknown>): Promise<void> {
  await installChart(cluster, values);
  await waitInCluster(
    'the replicas of the revision before gone',
    async () => (await cluster.pods(RELEASE_NAMESPACE, INJECTOR_PODS)).length === REPLICAS,
  );
}

/** Each replica by its name and the starts of its container. */
async function replicas(): Promise<string[]> {
  const pods = await cluster.waitForPods(RELEASE_NAMESPACE, INJECTOR_PODS, REPLICAS);
  return pods.map(({ metadata, status }) => `${metadata?.name} ${status?.containerStatuses?.[0]?.restartCount}`);
}

async function leaf(): Promise<{ certificate: string; authority: string }> {
  const secret = await cluster.core
    .readNamespacedSecret({ namespace: RELEASE_NAMESPACE, name: LEAF_SECRET })
    .catch(() => undefined);
  return { certificate: secret?.data?.['tls.crt'] ?? '', authority: secret?.data?.['ca.crt'] ?? '' };
}

async function deleteSecret(name: string): Promise<void> {
  await cluster.core.deleteNamespacedSecret({ namespace: RELEASE_NAMESPACE, name });
}

/** Returns when every replica serves another certificate than before `renew`; they are the same replicas. */
async function renewed(renew: () => Promise<void>): Promise<void> {
  const before = { leaf: await leaf(), replicas: await replicas(), until: await servedUntil(cluster) };
  await renew();
  await waitInCluster('another certificate', async () => {
    const { certificate } = await leaf();
    return certificate !== '' && certificate !== before.leaf.certificate;
  });
  await waitInCluster(
    'every replica serving another certificate',
    async () => (await servedUntil(cluster)).every((time) => !before.until.includes(time)),
    MOUNTED_MS,
  );
  expect(await replicas()).toEqual(before.replicas);
}

if (await new TestCluster().serves('cert-manager.io', 'v1')) {
  test('from the injector’s own certificates to cert-manager’s: no admission fails, pods start', async () => {
    await underLoad(async () => await installAndSettle(MODE));
    await cluster.createPod(namespace, askingPod('by-cert-manager'));
    await cluster.waitForReady(namespace, 'by-cert-manager');
  }, 300_000);

  test('a renewed certificate is served without a restart, and no admission fails', async () => {
    await underLoad(async () => {
      await renewed(async () => await renewCertificate(cluster, RELEASE_NAMESPACE, INJECTOR));
    });
  }, 400_000);

  test('a certificate whose Secret is lost is issued again, and no admission fails', async () => {
    await underLoad(async () => {
      await renewed(async () => await deleteSecret(LEAF_SECRET));
    });
  }, 400_000);

  test('a certificate of another CA is served when API servers trust it: no admission fails', async () => {
    const { authority } = await leaf();
    await underLoad(async () => {
      await renewed(async () => {
        await deleteSecret(CA_SECRET);
        await waitInCluster('another CA', async () => {
          await renewCertificate(cluster, RELEASE_NAMESPACE, INJECTOR);
          const now = await leaf();
          return now.authority !== '' && now.authority !== authority;
        });
      });
    });
  }, 500_000);

  test('back to the injector’s own certificates: no admission fails', async () => {
    await underLoad(async () => await installAndSettle({}));
  }, 300_000);

  test('the chart taken away in this mode leaves nothing that refuses pods', async () => {
    await installAndSettle(MODE);
    await helmOnCluster(['uninstall', 'pannier', '--wait']);
    const pod = await waitInCluster('pods admitted as they are', async () => {
      const made = await cluster.createPod(namespace, askingPod('after'), { dryRun: true });
      return sidecarOf(made) === undefined ? made : undefined;
    });
    expect(pod.metadata?.labels).toBeUndefined();
    // Of the Secrets nobody is the owner: they are taken away by name, as the documentation says.
    await Promise.all([LEAF_SECRET, CA_SECRET].map(deleteSecret));
    const { items } = await cluster.core.listNamespacedSecret({ namespace: RELEASE_NAMESPACE });
    const names = items.map(({ metadata }) => metadata?.name ?? '').filter((name) => name.startsWith(INJECTOR));
    expect(names).toEqual([`${INJECTOR}-ca`]);
  }, 300_000);
} else {
  process.stderr.write('NOT RUN: certificates by cert-manager (the cluster does not serve cert-manager.io/v1)\n');

  test('without cert-manager helm says what is missing, and what is installed goes on', async () => {
    await expect(installChart(cluster, MODE)).rejects.toThrow(
      /no matches for kind "Certificate" in version "cert-manager.io\/v1"/,
    );
    await waitForInjection(cluster);
  }, 300_000);
}
