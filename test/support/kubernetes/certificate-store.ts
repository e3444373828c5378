/**
 * The certificate store in memory, as an API server behaves: versions that change with every write, conflicts, and outages at will.
 */
import type {
  CertificateStore,
  KeyPair,
  StoredConfiguration,
  StoredSecret,
} from '../../../src/injector/certificates/certificate-store.ts';

export class MemoryCertificateStore implements CertificateStore {
  secret: StoredSecret | undefined;
  configuration: StoredConfiguration | undefined;
  isAway = false;
  /** Runs once, between somebody's look and the next write. */
  beforeWrite: (() => void) | undefined;
  readonly writes: string[] = [];
  #version = 0;

  constructor(webhooks: readonly string[]) {
    this.configuration = { version: this.nextVersion(), webhooks: webhooks.map((name) => ({ name, bundlePem: '' })) };
  }

  nextVersion(): string {
    this.#version += 1;
    return String(this.#version);
  }

  bundles(): string[] {
    return (this.configuration?.webhooks ?? []).map(({ bundlePem }) => bundlePem);
  }

  setBundles(bundlePem: string): void {
    const webhooks = (this.configuration?.webhooks ?? []).map(({ name }) => ({ name, bundlePem }));
    this.configuration = { version: this.nextVersion(), webhooks };
  }

  async readSecret(): Promise<StoredSecret | undefined> {
    this.#answer();
    return this.secret;
  }

  async createSecret(pair: KeyPair): Promise<'done' | 'conflict'> {
    this.#answerWrite('create');
    if (this.secret !== undefined) {
      return 'conflict';
    }
    this.secret = { ...pair, version: this.nextVersion() };
    return 'done';
  }

  async replaceSecret(version: string, pair: KeyPair): Promise<'done' | 'conflict'> {
    this.#answerWrite('replace');
    if (this.secret?.version !== version) {
      return 'conflict';
    }
    this.secret = { ...pair, version: this.nextVersion() };
    return 'done';
  }

  async readConfiguration(): Promise<StoredConfiguration | undefined> {
    this.#answer();
    return this.configuration;
  }

  async patchBundles(configuration: StoredConfiguration, bundlePem: string): Promise<'done' | 'conflict'> {
    this.#answerWrite('patch');
    if (this.configuration?.version !== configuration.version) {
      return 'conflict';
    }
    this.setBundles(bundlePem);
    return 'done';
  }

  #answerWrite(what: string): void {
    const beforeWrite = this.beforeWrite;
    this.beforeWrite = undefined;
    beforeWrite?.();
    this.#answer();
    this.writes.push(what);
  }

  #answer(): void {
    if (this.isAway) {
      throw new Error('cannot reach the API server: it is away, as the test wants it');
    }
  }
}
