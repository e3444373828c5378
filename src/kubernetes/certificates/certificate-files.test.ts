/**
 * Certificates from files: served when they fit, reloaded when they change, ready when the caBundle verifies them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryCertificateStore } from '../../../test/support/certificate-store.ts';
import { waitFor } from '../../../test/support/wait.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/logger.ts';
import { createAuthority, signLeaf } from './authority.ts';
import { CertificateFiles } from './certificate-files.ts';
import type { ServedCertificate } from './certificate-source.ts';

const HOST = 'pannier-injector.pannier-system.svc';
let directory: string;
let files: CertificateFiles | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pannier-certificates-'));
});

afterEach(async () => {
  await files?.close();
  rmSync(directory, { recursive: true });
});

test('a new pair is served, half of one is not, and readiness follows the caBundle', async () => {
  const nowMs = Date.now();
  const authority = await createAuthority({ lifetimeMs: 600_000, nowMs });
  const [first, second] = await Promise.all(
    [1, 2].map(() => signLeaf({ authority, hostNames: [HOST], lifetimeMs: 60_000, nowMs })),
  );
  const store = new MemoryCertificateStore(['a', 'b']);
  const certificateFile = join(directory, 'tls.crt');
  const keyFile = join(directory, 'tls.key');
  const served: ServedCertificate[] = [];
  const options = { certificateFile, keyFile, hostName: HOST, store, clock: systemClock, log: silentLogger };
  files = new CertificateFiles({ ...options, intervalMs: 10, configurationIntervalMs: 10 });
  const source = files;
  source.onCertificate((certificate) => served.push(certificate));
  expect(source.isReady()).toBe(false);

  writeFileSync(certificateFile, first?.certificatePem ?? '');
  writeFileSync(keyFile, first?.keyPem ?? '');
  await waitFor('the first pair', () => served.length === 1);
  await waitFor('the caBundle read', () => source.describe().includes('the caBundle of the webhook is empty'));
  expect(source.isReady()).toBe(false);
  store.setBundles(authority.certificatePem);
  await waitFor('ready', () => source.isReady());

  writeFileSync(certificateFile, second?.certificatePem ?? '');
  store.setBundles(`${authority.certificatePem}\n`);
  writeFileSync(keyFile, second?.keyPem ?? '');
  await waitFor('the second pair', () => served.at(-1)?.certificatePem === second?.certificatePem);
  expect(served).toHaveLength(2);

  store.setBundles((await createAuthority({ lifetimeMs: 600_000, nowMs })).certificatePem);
  await waitFor('not ready', () => !source.isReady());
  expect(source.describe()).toContain('does not hold the CA');
});
