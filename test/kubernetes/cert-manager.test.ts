/**
 * Tests certificates from cert-manager on a cluster where it is installed. The tests switch from mode self to
 * cert-manager and back, renew certificates and replace the CA, while a load creates pods. They also uninstall the
 * chart. On a cluster without cert-manager, the suite tests the error that Helm prints.
 */
import { AdmissionLoad } from '../support/kubernetes/admissions.ts';
import { renewCertificate } from '../support/kubernetes/cert-manager.ts';
import {
  helmOnCluster,
  INJECTOR,
  INJECTOR_PODS,
  installChart,
  installedCluster,
  PREPARE_MS,
  RELEASE_NAMESPACE,
  requestingPod,
  servedExpiries,
  waitForInjection,
} from '../support/kubernetes/chart.ts';
import { sidecarOf, TestCluster } from '../support/kubernetes/cluster.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';

const MODE = { certificates: { mode: 'cert-manager' } };
const SERVING_SECRET = `${INJECTOR}-tls`;
const CA_SECRET = `${INJECTOR}-issuer-ca`;
const REPLICAS = 2;
/** Time within which the kubelet updates a mounted Secret on a slow machine. */
const MOUNTED_MS = 180_000;

let cluster: TestCluster;
let namespace: string;

beforeAll(async () => {
  ({ cluster, namespace } = await installedCluster());
}, PREPARE_MS);

afterAll(async () => {
  await cluster?.close();
});

/**
 * Runs `change` while an `AdmissionLoad` creates pods. After the change, waits until the load has created 100 more
 * pods. Every admission must succeed and inject a sidecar.
 */
async function underLoad(change: () => Promise<void>): Promise<void> {
  const load = new AdmissionLoad(cluster, namespace);
  await waitInCluster('the first admissions', () => load.admitted > 5);
  try {
    await change();
    const after = load.admitted;
    await waitInCluster('admissions after the change', () => load.admitted > after + 100);
  } finally {
    const ended = await load.stop();
    expect(ended.failures).toEqual([]);
    expect(ended.unreachable).toEqual([]);
  }
}

async function installAndSettle(values: Record<string, unknown>): Promise<void> {
  await installChart(cluster, values);
  await waitInCluster(
    'the replicas of the previous revision removed',
    async () => (await cluster.pods(RELEASE_NAMESPACE, INJECTOR_PODS)).length === REPLICAS,
  );
}

/** Returns the name and the restart count of each replica. */
async function replicas(): Promise<string[]> {
  const pods = await cluster.waitForPods(RELEASE_NAMESPACE, INJECTOR_PODS, REPLICAS);
  return pods.map(({ metadata, status }) => `${metadata?.name} ${status?.containerStatuses?.[0]?.restartCount}`);
}

async function servingCertificate(): Promise<{ certificate: string; ca: string }> {
  const secret = await cluster.core
    .readNamespacedSecret({ namespace: RELEASE_NAMESPACE, name: SERVING_SECRET })
    .catch(() => undefined);
  return { certificate: secret?.data?.['tls.crt'] ?? '', ca: secret?.data?.['ca.crt'] ?? '' };
}

async function deleteSecret(name: string): Promise<void> {
  await cluster.core.deleteNamespacedSecret({ namespace: RELEASE_NAMESPACE, name });
}

/** Runs `renew` and waits until every replica serves a new certificate without a restart. */
async function expectRenewal(renew: () => Promise<void>): Promise<void> {
  const before = {
    serving: await servingCertificate(),
    replicas: await replicas(),
    expiries: await servedExpiries(cluster),
  };
  await renew();
  await waitInCluster('a new certificate', async () => {
    const { certificate } = await servingCertificate();
    return certificate !== '' && certificate !== before.serving.certificate;
  });
  await waitInCluster(
    'every replica serving a new certificate',
    async () => (await servedExpiries(cluster)).every((time) => !before.expiries.includes(time)),
    MOUNTED_MS,
  );
  expect(await replicas()).toEqual(before.replicas);
}

if (await new TestCluster().serves('cert-manager.io', 'v1')) {
  test('switches from mode self to cert-manager without a failed admission, and pods start', async () => {
    await underLoad(async () => await installAndSettle(MODE));
    await cluster.createPod(namespace, requestingPod('by-cert-manager'));
    await cluster.waitForReady(namespace, 'by-cert-manager');
  }, 300_000);

  test('serves a renewed certificate without a restart and without a failed admission', async () => {
    await underLoad(async () => {
      await expectRenewal(async () => await renewCertificate(cluster, RELEASE_NAMESPACE, INJECTOR));
    });
  }, 400_000);

  test('serves a reissued certificate after its Secret was deleted, without a failed admission', async () => {
    await underLoad(async () => {
      await expectRenewal(async () => await deleteSecret(SERVING_SECRET));
    });
  }, 400_000);

  test('serves a certificate of a new CA once API servers trust it, without a failed admission', async () => {
    const { ca } = await servingCertificate();
    await underLoad(async () => {
      await expectRenewal(async () => {
        await deleteSecret(CA_SECRET);
        await waitInCluster('a new CA', async () => {
          await renewCertificate(cluster, RELEASE_NAMESPACE, INJECTOR);
          const current = await servingCertificate();
          return current.ca !== '' && current.ca !== ca;
        });
      });
    });
  }, 500_000);

  test('switches back to mode self without a failed admission', async () => {
    await underLoad(async () => await installAndSettle({}));
  }, 300_000);

  test('uninstalling the chart in this mode leaves no object that rejects pods', async () => {
    await installAndSettle(MODE);
    await helmOnCluster(['uninstall', 'pannier', '--wait']);
    const pod = await waitInCluster('pods admitted without a sidecar', async () => {
      const made = await cluster.createPod(namespace, requestingPod('after'), { dryRun: true });
      return sidecarOf(made) === undefined ? made : undefined;
    });
    expect(pod.metadata?.labels).toBeUndefined();
    // No object owns the Secrets, so users must delete them by name, as the documentation describes.
    await Promise.all([SERVING_SECRET, CA_SECRET].map(deleteSecret));
    const { items } = await cluster.core.listNamespacedSecret({ namespace: RELEASE_NAMESPACE });
    const names = items.map(({ metadata }) => metadata?.name ?? '').filter((name) => name.startsWith(INJECTOR));
    expect(names).toEqual([`${INJECTOR}-ca`]);
  }, 300_000);
} else {
  process.stderr.write('NOT RUN: certificates by cert-manager (the cluster does not serve cert-manager.io/v1)\n');

  test('without cert-manager, Helm names the missing kind and the installed release keeps working', async () => {
    await expect(installChart(cluster, MODE)).rejects.toThrow(
      /no matches for kind "Certificate" in version "cert-manager.io\/v1"/,
    );
    await waitForInjection(cluster);
  }, 300_000);
}
