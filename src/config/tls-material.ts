/**
 * Validates certificates and keys in PEM format before TLS uses them, because TLS silently ignores some damaged
 * certificates.
 *
 * Invariants:
 *   1. The module reports a certificate that TLS would ignore, a key with a passphrase, and a key that does not match
 *      its certificate as problems.
 *   2. No error text quotes the content of a file.
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

/** Validates the CA certificates. The value is undefined if the setting is treated as unset. */
export function authoritiesOf(reading: FileReading): Material<Buffer | undefined> {
  if ('problem' in reading) {
    return { problems: [reading.problem] };
  }
  return reading.content === undefined ? { value: undefined } : certificatesOf(reading, reading.content);
}

/** Validates the client certificate and its key. The value is undefined if both settings are treated as unset. */
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
    const cause = 'the file holds no readable private key; use a key in PEM without a passphrase';
    return { problems: [fileProblem(key, cause)] };
  }
  if (!new X509Certificate(cert.content).checkPrivateKey(privateKey)) {
    const cause = `the key does not match the certificate of ${cert.name}; use the key of that certificate`;
    return { problems: [fileProblem(key, cause)] };
  }
  return { value: { cert: cert.content, key: key.content } };
}

function halfProblem(cert: FileReading & { content: Buffer | undefined }, key: FileReading): SettingProblem {
  const [given, missing] = cert.content === undefined ? [key, cert] : [cert, key];
  return fileProblem(
    missing,
    `the file is missing or empty but that of ${given.name} exists; use both files or neither`,
  );
}

/**
 * Rejects invalid content that Node would accept. Node treats content without a certificate as an empty list, so the
 * sidecar would trust no server. Node also ignores the rest of a list after a damaged certificate.
 */
function certificatesOf(file: FileReading, content: Buffer): Material<Buffer> {
  const blocks = content.toString('latin1').split(CERTIFICATE_BEGIN).slice(1);
  if (blocks.length === 0) {
    return { problems: [fileProblem(file, 'the file holds no certificate; use certificates in PEM')] };
  }
  const damaged = blocks.findIndex((block, index) => !canParse(CERTIFICATE_BEGIN + block, index === blocks.length - 1));
  return damaged === -1
    ? { value: content }
    : { problems: [fileProblem(file, `certificate ${damaged + 1} is damaged; use certificates in PEM`)] };
}

/**
 * Returns whether TLS can parse the certificate. Every certificate except the last must end with a line break, because
 * TLS ignores two certificates that share a line.
 */
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
