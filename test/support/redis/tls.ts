/**
 * Issues certificates for a test server: a CA, and a server certificate for 127.0.0.1 or other names.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import type { TlsFilesSource } from '../../../src/redis/tls.ts';
import type { RedisTls } from './server.ts';

export interface TestPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface TestTls extends RedisTls {
  /** Path of the CA certificate, for PANNIER_REDIS_TLS_CA_FILE. */
  readonly authorityFile: string;
  /** Issues another certificate and key for these host names, or for 127.0.0.1 if no names are given. */
  issue(names?: readonly string[]): Promise<TestPair>;
  /** Writes a file that the server can read, and returns its path. */
  write(name: string, content: string | Buffer): string;
  /** Removes the files. */
  remove(): void;
}

export interface TestTlsOptions {
  /**
   * Host names in the server's certificate. If set, the certificate contains no IP address. If unset, the certificate
   * is for 127.0.0.1.
   */
  readonly names?: readonly string[];
  /** Whether clients need a certificate that the CA has signed. */
  readonly authenticatesClients?: boolean;
}

const HOST = '127.0.0.1';
const KEY = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;

export async function makeTls({ names = [], authenticatesClients = false }: TestTlsOptions = {}): Promise<TestTls> {
  const authority = await generate([{ name: 'commonName', value: 'Pannier test authority' }], {
    ...KEY,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const issue: TestTls['issue'] = async (hostNames = []) => {
    const dnsNames = hostNames.map((value) => ({ type: 2 as const, value }));
    const pair = await generate([{ name: 'commonName', value: hostNames[0] ?? HOST }], {
      ...KEY,
      extensions: [
        { name: 'basicConstraints', cA: false },
        { name: 'keyUsage', digitalSignature: true, critical: true },
        { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
        { name: 'subjectAltName', altNames: dnsNames.length === 0 ? [{ type: 7, ip: HOST }] : dnsNames },
      ],
      ca: { key: authority.private, cert: authority.cert },
    });
    return { cert: pemOf(pair.cert), key: pemOf(pair.private) };
  };
  const server = await issue(names);
  const parent = mkdtempSync(join(tmpdir(), 'pannier-tls-'));
  const directory = join(parent, 'tls');
  mkdirSync(directory);
  const write: TestTls['write'] = (name, content) => {
    const path = join(directory, name);
    // Any user can read the key, because the user of a container must be able to read it. The key is useless outside of
    // this test.
    writeFileSync(path, content, { mode: 0o644 });
    return path;
  };
  const authorityFile = write('authority.pem', pemOf(authority.cert));
  return {
    directory,
    authorityFile,
    certificate: server.cert,
    authority: pemOf(authority.cert),
    ...(authenticatesClients ? { clientPair: server } : {}),
    ...(names[0] === undefined ? {} : { serverName: names[0] }),
    args: [
      ...['--tls-cert-file', write('server.pem', server.cert), '--tls-key-file', write('server-key.pem', server.key)],
      ...['--tls-ca-cert-file', authorityFile, '--tls-auth-clients', authenticatesClients ? 'yes' : 'no'],
      ...['--tls-replication', 'yes', '--tls-cluster', 'yes'],
    ],
    issue,
    write,
    remove: () => rmSync(parent, { recursive: true, force: true }),
  };
}

/** Returns the text as a PEM file, which must end with a newline. */
function pemOf(text: string): Buffer {
  return Buffer.from(`${text.trim()}\n`);
}

/** Returns the TLS files of a client that trusts this CA. If no pair is passed, the client has no certificate. */
export function trustOf(ca: Buffer | undefined, clientPair?: TestPair): TlsFilesSource {
  return async () => ({ ca, clientPair });
}
