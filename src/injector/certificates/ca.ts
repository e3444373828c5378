/**
 * Creates and parses CAs, and signs the serving certificates of the webhook with them. All keys are ECDSA keys on
 * P-256.
 *
 * Invariants:
 *   1. A CA cannot sign another CA (path length 0).
 *   2. A serving certificate is valid for exactly the host names given to `signServingCertificate`.
 *   3. A serving certificate does not outlive its CA.
 *   4. A certificate is valid from `BACKDATE_MS` before its creation, because the clock of an API server may be behind
 *      that of the injector. A serving certificate is never valid before its CA.
 */
import 'reflect-metadata';
import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { ServingCertificateFacts } from './plan.ts';
import type { CaFacts } from './trusted-cas.ts';

export interface Ca extends CaFacts {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface ServingCertificate extends ServingCertificateFacts {
  readonly certificatePem: string;
  readonly keyPem: string;
}

const BACKDATE_MS = 300_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const SERIAL_BYTES = 16;

x509.cryptoProvider.set(webcrypto as unknown as typeof crypto);

export async function createCa(options: { lifetimeMs: number; nowMs: number }): Promise<Ca> {
  const { notBefore, notAfter } = validity(options);
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [`Pannier injector CA ${randomBytes(4).toString('hex')}`] }],
    notBefore,
    notAfter,
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const certificatePem = pemText(certificate);
  return { ...caFacts(certificatePem), certificatePem, keyPem: await exportKey(keys.privateKey) };
}

export async function signServingCertificate(options: {
  ca: Ca;
  hostNames: readonly string[];
  lifetimeMs: number;
  nowMs: number;
}): Promise<ServingCertificate> {
  const { ca, hostNames, nowMs } = options;
  const { notBefore, notAfter } = validity(options);
  const issuer = new x509.X509Certificate(ca.certificatePem);
  const issuerKey = await webcrypto.subtle.importKey('pkcs8', keyBytes(ca.keyPem), ALGORITHM, false, ['sign']);
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: ['pannier-injector'] }],
    issuer: issuer.subjectName,
    notBefore: new Date(Math.max(notBefore.getTime(), issuer.notBefore.getTime())),
    notAfter: new Date(Math.min(notAfter.getTime(), issuer.notAfter.getTime())),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: issuerKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(hostNames.map((value) => ({ type: 'dns', value }))),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return {
    caId: ca.id,
    signedAtMs: nowMs,
    expiresAtMs: certificate.notAfter.getTime(),
    certificatePem: pemText(certificate),
    keyPem: await exportKey(keys.privateKey),
  };
}

/**
 * Parses a CA and its private key; returns undefined unless they are a CA certificate on P-256 and the matching key.
 */
export function readCa(certificatePem: string, keyPem: string): Ca | undefined {
  try {
    const certificate = new X509Certificate(certificatePem);
    const key = createPrivateKey(keyPem);
    const isOnCurve = key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
    if (!certificate.ca || !isOnCurve || !certificate.checkPrivateKey(key)) {
      return undefined;
    }
    const text = certificate.toString();
    return { ...caFacts(text), certificatePem: text, keyPem };
  } catch {
    return undefined;
  }
}

/** Returns the identity and validity of a CA; throws if the text is not a certificate. */
export function caFacts(certificatePem: string): CaFacts {
  const certificate = new X509Certificate(certificatePem);
  return {
    id: certificate.fingerprint256,
    createdAtMs: certificate.validFromDate.getTime() + BACKDATE_MS,
    expiresAtMs: certificate.validToDate.getTime(),
  };
}

/** Returns the validity period, in whole seconds because X.509 times have no fractions. */
function validity(options: { lifetimeMs: number; nowMs: number }): { notBefore: Date; notAfter: Date } {
  const nowMs = Math.floor(options.nowMs / 1_000) * 1_000;
  return { notBefore: new Date(nowMs - BACKDATE_MS), notAfter: new Date(nowMs + options.lifetimeMs) };
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const bytes = await webcrypto.subtle.exportKey('pkcs8', key);
  return x509.PemConverter.encode(bytes, 'PRIVATE KEY').concat('\n');
}

/** Converts a private key from any PEM encoding to PKCS #8. */
function keyBytes(keyPem: string): Buffer {
  return createPrivateKey(keyPem).export({ type: 'pkcs8', format: 'der' });
}

function pemText(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem').trim()}\n`;
}

/** Returns a random positive serial number, as RFC 5280 requires. */
function serialNumber(): string {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x01;
  return bytes.toString('hex');
}
