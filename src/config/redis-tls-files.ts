/**
 * The TLS files of Redis while the sidecar runs: read for every connection, so that rotated files take effect without a restart.
 *
 * Invariants:
 *   1. Files that cannot be used change nothing: the CA stays as it was, and so does the pair of client certificate and key. Halfway through a
 *      rotation the two files do not match; they are used again as soon as they do.
 *   2. Each of the two is reported once at level error, until it can be used again.
 *   3. What was never read is never replaced by anything: the read rejects, and no connection is made.
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
    this.#ca = new KeptMaterial(log, 'CA for Redis');
    this.#clientPair = new KeptMaterial(log, 'client certificate for Redis');
  }

  async read(): Promise<{ readonly ca: Buffer | undefined; readonly clientPair: ClientPair | undefined }> {
    const { ca, clientPair } = await readTlsMaterial(this.#settings);
    return { ca: this.#ca.take(ca), clientPair: this.#clientPair.take(clientPair) };
  }
}

/** The latest material that could be used. */
class KeptMaterial<Value> {
  readonly #log: Logger;
  readonly #what: string;
  #kept: { readonly value: Value } | undefined;
  #isTold = false;

  constructor(log: Logger, what: string) {
    this.#log = log;
    this.#what = what;
  }

  take(material: Material<Value>): Value {
    if ('value' in material) {
      this.#kept = material;
      this.#isTold = false;
      return material.value;
    }
    const [{ name, message }] = material.problems;
    if (!this.#isTold) {
      this.#isTold = true;
      const consequence = this.#kept === undefined ? 'no new connection is made' : 'keeping the previous one';
      this.#log.error({ setting: name, detail: message }, `cannot read the ${this.#what}, ${consequence}`);
    }
    if (this.#kept === undefined) {
      throw new Error(message);
    }
    return this.#kept.value;
  }
}
