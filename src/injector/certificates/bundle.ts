/**
 * Parses and writes CA bundles, which are concatenated PEM certificates, as in the caBundle of a webhook. Verifies
 * served certificate chains against these bundles. Performs no I/O.
 */
import { X509Certificate } from 'node:crypto';
import { caFacts } from './ca.ts';
import type { CaFacts } from './trusted-cas.ts';

export interface BundleEntry extends CaFacts {
  readonly certificatePem: string;
}

export interface Bundle {
  readonly entries: readonly BundleEntry[];
  /** Whether the bundle contains text that is not a certificate, or the same certificate twice. */
  readonly isDamaged: boolean;
}

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
/** Maximum length of a chain from the serving certificate to the certificate that a root has issued. */
const MAX_CHAIN_LENGTH = 8;

export function parseBundle(text: string): Bundle {
  const entries = new Map<string, BundleEntry>();
  const blocks = text.match(PEM_BLOCK) ?? [];
  let isDamaged = text.replace(PEM_BLOCK, '').trim() !== '';
  for (const block of blocks) {
    try {
      const certificatePem = `${block}\n`;
      const facts = caFacts(certificatePem);
      isDamaged ||= entries.has(facts.id);
      entries.set(facts.id, { ...facts, certificatePem });
    } catch {
      isDamaged = true;
    }
  }
  return { entries: [...entries.values()], isDamaged };
}

export function bundleText(entries: readonly { readonly certificatePem: string }[]): string {
  return entries.map(({ certificatePem }) => `${certificatePem.trim()}\n`).join('');
}

/**
 * Returns why a client that trusts `bundle` would reject the served chain for `hostName` now, or undefined if the
 * client would accept the chain. Follows the chain as Go's verifier does: from the serving certificate through the
 * served intermediates to a root in the bundle.
 */
export function chainProblem(options: {
  chainPem: string;
  bundle: Bundle;
  hostName: string;
  nowMs: number;
}): string | undefined {
  const [servingCertificate, ...intermediates] = certificatesOf(options.chainPem);
  if (servingCertificate === undefined) {
    return 'no certificate is served';
  }
  if (servingCertificate.checkHost(options.hostName, { subject: 'never' }) === undefined) {
    return `the served certificate must be for ${options.hostName}, got ${servingCertificate.subjectAltName ?? 'no name'}`;
  }
  const roots = options.bundle.entries.map(({ certificatePem }) => new X509Certificate(certificatePem));
  if (roots.length === 0) {
    return 'the caBundle of the webhook is empty';
  }
  let current = servingCertificate;
  for (let length = 0; length < MAX_CHAIN_LENGTH; length += 1) {
    if (!isInTime(current, options.nowMs)) {
      return `a served certificate is valid from ${current.validFrom} to ${current.validTo}`;
    }
    const subject = current;
    if (roots.some((root) => isInTime(root, options.nowMs) && hasIssued(root, subject))) {
      return undefined;
    }
    const next = intermediates.find((candidate) => candidate !== subject && hasIssued(candidate, subject));
    if (next === undefined) {
      break;
    }
    current = next;
  }
  return 'the caBundle of the webhook does not contain the CA of the served certificate';
}

function certificatesOf(text: string): X509Certificate[] {
  return (text.match(PEM_BLOCK) ?? []).map((block) => new X509Certificate(block));
}

/**
 * Returns whether `issuer` has issued `subject`. Also returns true if the two are the same certificate, because a
 * bundle may contain a serving certificate itself.
 */
function hasIssued(issuer: X509Certificate, subject: X509Certificate): boolean {
  return (
    issuer.fingerprint256 === subject.fingerprint256 ||
    (subject.checkIssued(issuer) && subject.verify(issuer.publicKey))
  );
}

function isInTime(certificate: X509Certificate, nowMs: number): boolean {
  return certificate.validFromDate.getTime() <= nowMs && nowMs < certificate.validToDate.getTime();
}
