/**
 * In-memory certificate store that behaves like an API server: every write changes the version, stale writes conflict,
 * and tests can simulate outages.
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
  isUnreachable = false;
  /** Callback that runs once, just before the next write. */
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
    this.#throwIfUnreachable();
    return this.secret;
  }

  async createSecret(pair: KeyPair): Promise<'done' | 'conflict'> {
    this.#recordWrite('create');
    if (this.secret !== undefined) {
      return 'conflict';
    }
    this.secret = { ...pair, version: this.nextVersion() };
    return 'done';
  }

  async replaceSecret(version: string, pair: KeyPair): Promise<'done' | 'conflict'> {
    this.#recordWrite('replace');
    if (this.secret?.version !== version) {
      return 'conflict';
    }
    this.secret = { ...pair, version: this.nextVersion() };
    return 'done';
  }

  async readConfiguration(): Promise<StoredConfiguration | undefined> {
    this.#throwIfUnreachable();
    return this.configuration;
  }

  async patchBundles(configuration: StoredConfiguration, bundlePem: string): Promise<'done' | 'conflict'> {
    this.#recordWrite('patch');
    if (this.configuration?.version !== configuration.version) {
      return 'conflict';
    }
    this.setBundles(bundlePem);
    return 'done';
  }

  #recordWrite(what: string): void {
    const beforeWrite = this.beforeWrite;
    this.beforeWrite = undefined;
    beforeWrite?.();
    this.#throwIfUnreachable();
    this.writes.push(what);
  }

  #throwIfUnreachable(): void {
    if (this.isUnreachable) {
      throw new Error('cannot reach the API server: simulated outage');
    }
  }
}
