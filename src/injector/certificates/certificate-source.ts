/**
 * Defines the contract between the webhook server and the provider of its certificate: the certificate reconciler
 * (certificate-reconciler.ts) or files (certificate-files.ts).
 */
export interface ServedCertificate {
  /** Serving certificate, followed by the intermediate certificates that the server sends with it. */
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly expiresAtMs: number;
}

export interface CertificateSource {
  /**
   * Registers a listener. The source calls the listener with the current certificate, if there is one, and with each
   * later certificate.
   */
  onCertificate(listener: (certificate: ServedCertificate) => void): void;
  /**
   * Returns whether the served certificate verifies against the caBundle of every webhook as last read from the
   * cluster.
   */
  isReady(): boolean;
  /** Returns a line with the reason why the certificate is not ready, or with the expiry of the served certificate. */
  describe(): string;
  /** Stops all polling. The webhook server continues to use the certificate that it received last. */
  close(): Promise<void>;
}
