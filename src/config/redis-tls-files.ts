/**
 * Reads the TLS files of Redis for every new connection, so that rotated files take effect without a restart.
 *
 * Invariants:
 *   1. If the CA file cannot be used, the last valid CA stays in use. If the pair of client certificate and key cannot
 *      be used, the last valid pair stays in use, because the two files may not match during a rotation.
 *   2. This module logs a failure of the CA or of the pair once, at level error. The module logs a later failure only
 *      if the files were usable in between.
 *   3. `read` rejects, and the sidecar does not connect, until `read` has found valid files once.
 */
import type { Logger } from '../lib/logger.ts';
import type { Settings } from './load.ts';
import { readTlsMaterial } from './setting-files.ts';
import type { ClientPair, Material } from './tls-material.ts';

export class RedisTlsFiles {
  readonly #settings: Settings;
  readonly #ca: KeptMaterial<Buffer | undefined>;
  readonly #clientPair: KeptMaterial<ClientPair | undefined>;

  constructor(settings: Settings, log: Logger) {
    this.#settings = settings;
    this.#ca = new KeptMaterial(log, 'CA');
    this.#clientPair = new KeptMaterial(log, 'client certificate');
  }

  async read(): Promise<{ readonly ca: Buffer | undefined; readonly clientPair: ClientPair | undefined }> {
    const { ca, clientPair } = await readTlsMaterial(this.#settings);
    return { ca: this.#ca.take(ca), clientPair: this.#clientPair.take(clientPair) };
  }
}

/** Stores the last valid content of a file or a pair of files. */
class KeptMaterial<Value> {
  readonly #log: Logger;
  readonly #what: string;
  #kept: { readonly value: Value } | undefined;
  #isReported = false;

  constructor(log: Logger, what: string) {
    this.#log = log;
    this.#what = what;
  }

  take(material: Material<Value>): Value {
    if ('value' in material) {
      this.#kept = material;
      this.#isReported = false;
      return material.value;
    }
    const [{ name, message }] = material.problems;
    if (!this.#isReported) {
      this.#isReported = true;
      const fields = { setting: name, detail: message };
      if (this.#kept === undefined) {
        this.#log.error(fields, `cannot use the ${this.#what} for Redis, not connecting`);
      } else {
        this.#log.error(fields, `cannot use the ${this.#what} for Redis, keeping the previous one`);
      }
    }
    if (this.#kept === undefined) {
      throw new Error(message);
    }
    return this.#kept.value;
  }
}
