/**
 * Keeps copies of cached values in this process, and drops a copy when a watch reports that another client has changed its value.
 * `PANNIER_ADDRESS=127.0.0.1:9470 node own-cache.js` stores 50 values, then changes one of them as another client would.
 *
 * docs/guides/caching.md describes how to bound the age of a copy while the watch reports no events.
 */
import { connect } from './pannier.js';

export class OwnCache {
  /**
   * Copies by key: { value, version, isAnnounced }. `isAnnounced` means that the watch has received the event of the
   * CacheSet call that stored the value. Earlier events of the key report changes to older values.
   */
  #copies = new Map();
  /**
   * Calls in flight: { key, versions, isFlushed }. `versions` contains the versions in all events of the key that have
   * arrived since the client sent the call.
   */
  #setsInFlight = new Set();
  #cache;
  #namespace;
  #watch;

  constructor(cache, namespace) {
    this.#cache = cache;
    this.#namespace = namespace;
  }

  get size() {
    return this.#copies.size;
  }

  get(key) {
    return this.#copies.get(key)?.value;
  }

  /** Resolves after the watch has started. Calls `onEnd` when the watch has ended, so that the caller can start it again. */
  async start(onEnd = () => {}) {
    this.#watch = this.#cache.WatchInvalidations({ namespace: this.#namespace });
    const { promise, resolve, reject } = Promise.withResolvers();
    this.#watch.on('data', (event) => {
      this.#apply(event);
      if (event.started) {
        resolve();
      }
    });
    this.#watch.on('error', (error) => {
      this.#flush();
      reject(error);
      onEnd(error);
    });
    await promise;
  }

  stop() {
    this.#watch.cancel();
  }

  /** Stores a value. The response may arrive before or after the event of the call. */
  async set(key, value) {
    const call = { key, versions: [], isFlushed: false };
    this.#setsInFlight.add(call);
    try {
      const request = { namespace: this.#namespace, key: Buffer.from(key), value, ttlMs: 60_000 };
      const response = await this.#cache.CacheSet(request);
      const version = textOf(response.version);
      const isAnnounced = call.versions.includes(version);
      // If the last event contains a different version, another client changed the value after this call.
      const isNewest = !isAnnounced || call.versions.at(-1) === version;
      if (response.stored && isNewest && !call.isFlushed) {
        this.#copies.set(key, { value, version, isAnnounced });
      }
    } finally {
      this.#setsInFlight.delete(call);
    }
  }

  #apply(event) {
    if (event.key === undefined) {
      // A flush event and the start of the watch mean that this client may have missed changes, so it drops all copies.
      // For simplicity, a tag event has the same effect, although these copies have no tags.
      this.#flush();
      return;
    }
    const key = event.key.toString();
    const version = textOf(event.version);
    for (const call of this.#setsInFlight) {
      if (call.key === key) {
        call.versions.push(version);
      }
    }
    const copy = this.#copies.get(key);
    if (copy?.version === version) {
      copy.isAnnounced = true;
    } else if (copy?.isAnnounced) {
      this.#copies.delete(key);
    }
  }

  #flush() {
    this.#copies.clear();
    for (const call of this.#setsInFlight) {
      call.isFlushed = true;
    }
  }
}

function textOf(version) {
  return version.toString('base64');
}

async function main() {
  const { cache } = await connect();
  const own = new OwnCache(cache, 'own-node');
  await own.start();
  for (let index = 0; index < 50; index += 1) {
    await cache.CacheInvalidate({ namespace: 'own-node', keys: [Buffer.from(`k${index}`)] });
    await own.set(`k${index}`, Buffer.from('loaded'));
  }
  process.stdout.write(`kept ${own.size} of 50\n`);
  await cache.CacheSet({ namespace: 'own-node', key: Buffer.from('k7'), value: Buffer.from('another'), ttlMs: 60_000 });
  while (own.get('k7') !== undefined) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  process.stdout.write(`kept ${own.size} after another client has set k7\n`);
  own.stop();
}

if (process.argv[1] === import.meta.filename) {
  await main();
  process.exit();
}
