/**
 * What the webhook's server needs of whoever keeps its certificate: the injector itself (certificate-reconciler.ts) or files (certificate-files.ts).
 */
export interface ServedCertificate {
  /** The serving certificate, and the intermediates that are served with it. */
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly expiresAtMs: number;
}

export interface CertificateSource {
  /** Hears of the first certificate and of every one that follows. */
  onCertificate(listener: (certificate: ServedCertificate) => void): void;
  /** The certificate that is served verifies against the caBundle of every webhook, as far as the cluster could be asked. */
  isReady(): boolean;
  /** Why it is not ready, or what is served, in a line. */
  describe(): string;
  /** Ends all looking; what is served stays. */
  close(): Promise<void>;
}
