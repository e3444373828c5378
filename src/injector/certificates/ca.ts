/**
 * Makes and reads certificates: CAs, and the serving certificates of the webhook that they sign. ECDSA on P-256 throughout.
 *
 * Promises: a CA may sign serving certificates and nothing else (path length 0); a serving certificate is for exactly the names it is given
 * and never outlives its CA; certificates are valid from a little before they are made, since clocks differ.
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

/** Undefined when the two are not a CA on P-256 and its key. */
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

/** Throws when it is no certificate. */
export function caFacts(certificatePem: string): CaFacts {
  const certificate = new X509Certificate(certificatePem);
  return {
    id: certificate.fingerprint256,
    createdAtMs: certificate.validFromDate.getTime() + BACKDATE_MS,
    expiresAtMs: certificate.validToDate.getTime(),
  };
}

/** Certificates hold whole seconds. */
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

/** The key as PKCS #8, in whichever form it was given. */
function keyBytes(keyPem: string): Buffer {
  return createPrivateKey(keyPem).export({ type: 'pkcs8', format: 'der' });
}

function pemText(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem').trim()}\n`;
}

/** Positive, as RFC 5280 wants it. */
function serialNumber(): string {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x01;
  return bytes.toString('hex');
}
