/**
 * Certificates for a test server, made when the test runs: an authority, and a server certificate for 127.0.0.1 that it signed.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import type { RedisTls } from './redis-server.ts';

export interface TestTls extends RedisTls {
  /** The authority as a file, for PANNIER_REDIS_TLS_CA_FILE. */
  readonly authorityFile: string;
  /** Removes the files. */
  remove(): void;
}

const HOST = '127.0.0.1';
const KEY = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;

export async function makeTls(): Promise<TestTls> {
  const authority = await generate([{ name: 'commonName', value: 'Pannier test authority' }], {
    ...KEY,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const server = await generate([{ name: 'commonName', value: HOST }], {
    ...KEY,
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: HOST }] },
    ],
    ca: { key: authority.private, cert: authority.cert },
  });
  const parent = mkdtempSync(join(tmpdir(), 'pannier-tls-'));
  const directory = join(parent, 'tls');
  mkdirSync(directory);
  const authorityFile = write(directory, 'authority.pem', authority.cert);
  return {
    directory,
    authorityFile,
    certificate: Buffer.from(server.cert),
    authority: Buffer.from(authority.cert),
    args: [
      ...['--tls-cert-file', write(directory, 'server.pem', server.cert)],
      ...['--tls-key-file', write(directory, 'server-key.pem', server.private)],
      ...['--tls-ca-cert-file', authorityFile],
      ...['--tls-auth-clients', 'no', '--tls-replication', 'yes', '--tls-cluster', 'yes'],
    ],
    remove: () => rmSync(parent, { recursive: true, force: true }),
  };
}

/** Readable by whatever user a container runs the server as: it is worth nothing outside this test. */
function write(directory: string, name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text, { mode: 0o644 });
  return path;
}
