/**
 * Runs certificate reconcilers with real keys on an in-memory store: concurrent replicas, lost races, outages and
 * rotations.
 */
import { MemoryCertificateStore } from '../../../test/support/kubernetes/certificate-store.ts';
import { FakeClock } from '../../../test/support/lib/fake-clock.ts';
import { silentLogger } from '../../../test/support/lib/silent-logger.ts';
import { waitFor } from '../../../test/support/wait.ts';
import { systemClock } from '../../lib/clock.ts';
import { parseBundle } from './bundle.ts';
import { createCa } from './ca.ts';
import { CertificateReconciler } from './certificate-reconciler.ts';
import type { ServedCertificate } from './certificate-source.ts';
import { kubernetesCertificateStore } from './certificate-store.ts';

const DAY_MS = 86_400_000;
const reconcilers: CertificateReconciler[] = [];

afterEach(async () => {
  await Promise.all(reconcilers.splice(0).map((reconciler) => reconciler.close()));
});

function startReconciler(
  store: MemoryCertificateStore,
  options: { clock?: FakeClock; settleMs?: number } = {},
): CertificateReconciler {
  const reconciler = new CertificateReconciler({
    store,
    hostNames: ['pannier-injector.pannier-system.svc'],
    timing: {
      caLifetimeMs: 90 * DAY_MS,
      servingCertificateLifetimeMs: DAY_MS,
      settleMs: options.settleMs ?? 0,
      pollMs: 20,
      jitter: 0.5,
    },
    clock: options.clock ?? systemClock,
    log: silentLogger,
  });
  reconcilers.push(reconciler);
  return reconciler;
}

test('three concurrent replicas agree on one CA and publish it in every caBundle', async () => {
  const store = new MemoryCertificateStore(['a', 'b']);
  const replicas = [startReconciler(store), startReconciler(store), startReconciler(store)];
  await waitFor('all ready', () => replicas.every((reconciler) => reconciler.isReady()));
  expect(store.writes.filter((write) => write === 'create').length).toBeGreaterThanOrEqual(1);
  const [first, second] = store.bundles().map((text) => parseBundle(text).entries.map(({ id }) => id));
  expect(first).toHaveLength(1);
  expect(second).toEqual(first);
});

test('reads the caBundle again and retries after losing a race', async () => {
  const store = new MemoryCertificateStore(['a']);
  const other = await createCa({ lifetimeMs: DAY_MS, nowMs: Date.now() });
  const reconciler = startReconciler(store);
  await waitFor('a CA', () => store.secret);
  store.beforeWrite = () => store.setBundles(other.certificatePem);
  await waitFor('ready', () => reconciler.isReady());
  store.setBundles(other.certificatePem);
  await waitFor(
    'ready again',
    () => reconciler.isReady() && parseBundle(store.bundles()[0] ?? '').entries.length === 2,
  );
});

test('replaces a malformed CA', async () => {
  const store = new MemoryCertificateStore(['a']);
  store.secret = { version: store.nextVersion(), certificatePem: 'nonsense', keyPem: '' };
  const reconciler = startReconciler(store);
  await waitFor('ready', () => reconciler.isReady());
  expect(store.secret?.certificatePem).toContain('BEGIN CERTIFICATE');
});

test('reports why it is not ready until API servers had time to apply the caBundle', async () => {
  const clock = new FakeClock(Date.now());
  const store = new MemoryCertificateStore(['a']);
  const reconciler = startReconciler(store, { clock, settleMs: 3_000 });
  await waitFor('the caBundle seen', () => reconciler.describe().includes('waiting for API servers'));
  expect(reconciler.isReady()).toBe(false);
  clock.advance(3_001);
  expect(reconciler.isReady()).toBe(true);
  expect(reconciler.describe()).toMatch(/^certificate: verified, expires /);
});

test('is not ready at the next poll after a caBundle was emptied, and fills it again', async () => {
  const clock = new FakeClock(Date.now());
  const store = new MemoryCertificateStore(['a', 'b']);
  const reconciler = startReconciler(store, { clock, settleMs: 1_000 });
  await waitFor('the caBundle seen', () => reconciler.describe().includes('waiting for API servers'));
  clock.advance(1_001);
  expect(reconciler.isReady()).toBe(true);
  store.setBundles('');
  await waitFor('filled', () => store.bundles().every((text) => text.includes('BEGIN CERTIFICATE')));
  expect(reconciler.isReady()).toBe(false);
});

test('replaces the CA at two thirds of its lifetime, publishes both, and signs with the new one', async () => {
  const clock = new FakeClock(Date.now());
  const store = new MemoryCertificateStore(['a']);
  const served: ServedCertificate[] = [];
  const reconciler = startReconciler(store, { clock });
  reconciler.onCertificate((certificate) => served.push(certificate));
  await waitFor('ready', () => reconciler.isReady());
  const first = store.secret?.certificatePem ?? '';
  clock.advance(64 * DAY_MS);
  await waitFor('a new CA', () => store.secret?.certificatePem !== first);
  await waitFor('ready with the new CA', () => reconciler.isReady());
  expect(parseBundle(store.bundles()[0] ?? '').entries).toHaveLength(2);
  clock.advance(40 * DAY_MS);
  await waitFor('the old CA removed', () => parseBundle(store.bundles()[0] ?? '').entries.length === 1);
  await waitFor('ready', () => reconciler.isReady());
  expect(served.length).toBeGreaterThanOrEqual(3);
});

test('renews the serving certificate while the API server is unreachable', async () => {
  const clock = new FakeClock(Date.now());
  const store = new MemoryCertificateStore(['a']);
  const served: ServedCertificate[] = [];
  const reconciler = startReconciler(store, { clock });
  reconciler.onCertificate((certificate) => served.push(certificate));
  await waitFor('ready', () => reconciler.isReady());
  store.isUnreachable = true;
  clock.advance(0.8 * DAY_MS);
  await waitFor('a second serving certificate', () => served.length >= 2);
  expect(reconciler.isReady()).toBe(true);
});

test('the Kubernetes store distinguishes conflicts and absent objects from failures', async () => {
  const { ApiException } = await import('@kubernetes/client-node');
  const fail = (code: number) => async () => {
    throw new ApiException(code, 'simulated failure', {}, {});
  };
  const store = (code: number) =>
    kubernetesCertificateStore({
      core: { readNamespacedSecret: fail(code), createNamespacedSecret: fail(code) } as never,
      admission: { patchMutatingWebhookConfiguration: fail(code) } as never,
      namespace: 'n',
      secretName: 's',
      configurationName: 'c',
    });
  const pair = { certificatePem: '', keyPem: '' };
  expect(await store(404).readSecret()).toBeUndefined();
  expect(await store(409).createSecret(pair)).toBe('conflict');
  expect(await store(409).patchBundles({ version: '1', webhooks: [] }, '')).toBe('conflict');
  await expect(store(500).readSecret()).rejects.toThrow('500');
  await expect(store(403).createSecret(pair)).rejects.toThrow('403');
});
