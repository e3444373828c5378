/**
 * Tests certificates from files: when the module serves a pair, when a changed pair replaces the current pair, and how
 * the module adds the CA of a pair to the caBundles.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryCertificateStore } from '../../../test/support/kubernetes/certificate-store.ts';
import { FakeClock } from '../../../test/support/lib/fake-clock.ts';
import { silentLogger } from '../../../test/support/lib/silent-logger.ts';
import { waitFor } from '../../../test/support/wait.ts';
import { systemClock } from '../../lib/clock.ts';
import { parseBundle } from './bundle.ts';
import { type Ca, createCa, type ServingCertificate, signServingCertificate } from './ca.ts';
import { CertificateFiles } from './certificate-files.ts';
import type { ServedCertificate } from './certificate-source.ts';

const HOST = 'pannier-injector.pannier-system.svc';
const LIFETIME_MS = 600_000;
let directory: string;
let files: CertificateFiles | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pannier-certificates-'));
});

afterEach(async () => {
  await files?.close();
  rmSync(directory, { recursive: true });
});

test('serves complete pairs only and is ready only while the caBundle verifies the served one', async () => {
  const nowMs = Date.now();
  const ca = await createCa({ lifetimeMs: 600_000, nowMs });
  const [first, second] = await Promise.all(
    [1, 2].map(() => signServingCertificate({ ca, hostNames: [HOST], lifetimeMs: 60_000, nowMs })),
  );
  const store = new MemoryCertificateStore(['a', 'b']);
  const certificateFile = join(directory, 'tls.crt');
  const keyFile = join(directory, 'tls.key');
  const served: ServedCertificate[] = [];
  const options = {
    certificateFile,
    keyFile,
    hostName: HOST,
    store,
    clock: systemClock,
    log: silentLogger,
    settleMs: 0,
  };
  files = new CertificateFiles({ ...options, intervalMs: 10, configurationIntervalMs: 10 });
  const source = files;
  source.onCertificate((certificate) => served.push(certificate));
  expect(source.isReady()).toBe(false);

  writeFileSync(certificateFile, first?.certificatePem ?? '');
  writeFileSync(keyFile, first?.keyPem ?? '');
  await waitFor('the first pair', () => served.length === 1);
  await waitFor('the caBundle read', () => source.describe().includes('the caBundle of the webhook is empty'));
  expect(source.isReady()).toBe(false);
  store.setBundles(ca.certificatePem);
  await waitFor('ready', () => source.isReady());

  writeFileSync(certificateFile, second?.certificatePem ?? '');
  store.setBundles(`${ca.certificatePem}\n`);
  writeFileSync(keyFile, second?.keyPem ?? '');
  await waitFor('the second pair', () => served.at(-1)?.certificatePem === second?.certificatePem);
  expect(served).toHaveLength(2);

  store.setBundles((await createCa({ lifetimeMs: 600_000, nowMs })).certificatePem);
  await waitFor('not ready', () => !source.isReady());
  expect(source.describe()).toContain('does not contain the CA');
});

/** Writes the files that a Secret of cert-manager would contain. */
function writeFiles(servingCertificate: ServingCertificate, caPem: string): void {
  writeFileSync(join(directory, 'tls.crt'), servingCertificate.certificatePem);
  writeFileSync(join(directory, 'tls.key'), servingCertificate.keyPem);
  writeFileSync(join(directory, 'ca.crt'), caPem);
}

async function caAndServingCertificate(nowMs = Date.now()): Promise<[Ca, ServingCertificate]> {
  const ca = await createCa({ lifetimeMs: LIFETIME_MS, nowMs });
  return [ca, await signServingCertificate({ ca, hostNames: [HOST], lifetimeMs: LIFETIME_MS, nowMs })];
}

function startSource(
  store: MemoryCertificateStore,
  options: { clock?: FakeClock; settleMs?: number } = {},
): CertificateFiles {
  files = new CertificateFiles({
    certificateFile: join(directory, 'tls.crt'),
    keyFile: join(directory, 'tls.key'),
    caFile: join(directory, 'ca.crt'),
    hostName: HOST,
    store,
    settleMs: options.settleMs ?? 0,
    clock: options.clock ?? systemClock,
    log: silentLogger,
    intervalMs: 10,
    configurationIntervalMs: 10,
  });
  return files;
}

function trusted(store: MemoryCertificateStore): string[][] {
  return store.bundles().map((text) => parseBundle(text).entries.map(({ id }) => id));
}

test('serves a pair of another CA only after that CA has been in every caBundle for the settling time', async () => {
  const clock = new FakeClock(Date.now());
  const [[first, firstServing], [second, secondServing]] = await Promise.all([
    caAndServingCertificate(),
    caAndServingCertificate(),
  ]);
  const store = new MemoryCertificateStore(['a', 'b']);
  writeFiles(firstServing, first.certificatePem);
  const source = startSource(store, { clock, settleMs: 3_000 });
  const served: string[] = [];
  source.onCertificate(({ certificatePem }) => served.push(certificatePem));
  await waitFor('the first CA trusted', () => source.describe().includes('waiting for API servers'));
  expect(source.isReady()).toBe(false);
  clock.advance(3_001);
  expect(source.isReady()).toBe(true);

  writeFiles(secondServing, second.certificatePem);
  await waitFor('both trusted', () => trusted(store).every((ids) => ids.includes(first.id) && ids.includes(second.id)));
  await waitFor('the second CA seen in the caBundles', () =>
    source.describe().includes('a newer one is not served yet: waiting for API servers'),
  );
  expect(served).toEqual([firstServing.certificatePem]);
  expect(source.isReady()).toBe(true);
  clock.advance(3_001);
  await waitFor('the second pair', () => served.at(-1) === secondServing.certificatePem);
  expect(source.isReady()).toBe(true);
});

test('keeps the CAs of other writers in the caBundles until they expire', async () => {
  const nowMs = Date.now();
  const [own, servingCertificate] = await caAndServingCertificate(nowMs);
  const [other] = await caAndServingCertificate(nowMs);
  const [expired] = await caAndServingCertificate(nowMs - 2 * LIFETIME_MS);
  const store = new MemoryCertificateStore(['a', 'b']);
  store.setBundles(`${other.certificatePem}${expired.certificatePem}`);
  writeFiles(servingCertificate, own.certificatePem);
  const source = startSource(store);
  await waitFor('ready', () => source.isReady());
  expect(trusted(store).map((ids) => ids.toSorted())).toEqual(Array(2).fill([other.id, own.id].toSorted()));
  store.setBundles(other.certificatePem);
  await waitFor('the own CA added again', () =>
    trusted(store).every((ids) => ids.includes(own.id) && ids.includes(other.id)),
  );
});

test('writes no caBundle and reports the missing CA if the files contain none', async () => {
  const [ca, servingCertificate] = await caAndServingCertificate();
  const [other] = await caAndServingCertificate();
  const store = new MemoryCertificateStore(['a']);
  store.setBundles(other.certificatePem);
  writeFiles(servingCertificate, '');
  const source = startSource(store);
  await waitFor('the caBundle read', () => source.describe().includes('ca.crt contains no CA; use an issuer'));
  expect(store.writes).toEqual([]);
  store.setBundles(`${other.certificatePem}${ca.certificatePem}`);
  await waitFor('ready', () => source.isReady());
});

test('replaces a trusted certificate by an untrusted one only after the trusted one has expired', async () => {
  const clock = new FakeClock(Date.now());
  const [[first, firstServing], [, secondServing]] = await Promise.all([
    caAndServingCertificate(),
    caAndServingCertificate(),
  ]);
  const store = new MemoryCertificateStore(['a']);
  writeFiles(firstServing, first.certificatePem);
  const source = startSource(store, { clock });
  const served: string[] = [];
  source.onCertificate(({ certificatePem }) => served.push(certificatePem));
  await waitFor('ready', () => source.isReady());
  writeFiles(secondServing, '');
  await waitFor('the second pair rejected', () =>
    source.describe().includes('a newer one is not served yet: the caBundle'),
  );
  expect(source.isReady()).toBe(true);
  expect(served).toEqual([firstServing.certificatePem]);
  clock.advance(LIFETIME_MS);
  await waitFor('the second pair', () => served.at(-1) === secondServing.certificatePem);
  expect(source.isReady()).toBe(false);
});
