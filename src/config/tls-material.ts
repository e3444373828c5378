/**
 * Certificates and keys in PEM, judged before TLS sees them. Pure but for the crypto.
 *
 * Promises: certificates that TLS would overlook, a key that needs a passphrase, and a key that does not belong to its certificate are
 * problems; no problem quotes content.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { type FileReading, fileProblem } from './file-reading.ts';
import type { SettingProblem } from './load.ts';

export type Material<Value> =
  | { readonly value: Value }
  | { readonly problems: readonly [SettingProblem, ...SettingProblem[]] };

export interface ClientPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

const CERTIFICATE_BEGIN = '-----BEGIN CERTIFICATE-----';

/** Certificates of authorities; undefined where the file counts as not set. */
export function authoritiesOf(reading: FileReading): Material<Buffer | undefined> {
  if ('problem' in reading) {
    return { problems: [reading.problem] };
  }
  return reading.content === undefined ? { value: undefined } : certificatesOf(reading, reading.content);
}

/** The client certificate and its key; undefined where both files count as not set. */
export function clientPairOf(cert: FileReading, key: FileReading): Material<ClientPair | undefined> {
  if ('problem' in cert || 'problem' in key) {
    const [first, ...others] = [cert, key].flatMap((reading) => ('problem' in reading ? [reading.problem] : []));
    return { problems: [first as SettingProblem, ...others] };
  }
  if (cert.content === undefined || key.content === undefined) {
    return cert.content === key.content ? { value: undefined } : { problems: [halfProblem(cert, key)] };
  }
  const certificates = certificatesOf(cert, cert.content);
  if ('problems' in certificates) {
    return certificates;
  }
  const privateKey = privateKeyOf(key.content);
  if (privateKey === undefined) {
    const found = 'which holds no private key that can be read without a passphrase, wanted a key in PEM';
    return { problems: [fileProblem(key, found)] };
  }
  if (!new X509Certificate(cert.content).checkPrivateKey(privateKey)) {
    const found = `whose key does not belong to the certificate of ${cert.name}, wanted the key of that certificate`;
    return { problems: [fileProblem(key, found)] };
  }
  return { value: { cert: cert.content, key: key.content } };
}

function halfProblem(cert: FileReading & { content: Buffer | undefined }, key: FileReading): SettingProblem {
  const [given, missing] = cert.content === undefined ? [key, cert] : [cert, key];
  return fileProblem(missing, `which is missing or empty while ${given.name} is there, wanted both files or neither`);
}

/** Node takes bytes that are no certificate for an empty list, and then trusts no server; it overlooks the rest of a damaged list. */
function certificatesOf(file: FileReading, content: Buffer): Material<Buffer> {
  const blocks = content.toString('latin1').split(CERTIFICATE_BEGIN).slice(1);
  if (blocks.length === 0) {
    return { problems: [fileProblem(file, 'which holds no certificate, wanted certificates in PEM')] };
  }
  const damaged = blocks.findIndex((block, index) => !canParse(CERTIFICATE_BEGIN + block, index === blocks.length - 1));
  return damaged === -1
    ? { value: content }
    : { problems: [fileProblem(file, `whose certificate ${damaged + 1} is damaged, wanted certificates in PEM`)] };
}

/** A certificate that ends on the line on which the next one begins makes TLS overlook both. */
function canParse(certificate: string, isLast: boolean): boolean {
  try {
    new X509Certificate(certificate);
    return isLast || /-----END CERTIFICATE-----[ \t]*\r?\n/.test(certificate);
  } catch {
    return false;
  }
}

function privateKeyOf(content: Buffer): KeyObject | undefined {
  try {
    return createPrivateKey(content);
  } catch {
    return undefined;
  }
}
