/**
 * Opens the stores of a sidecar without Redis: this process keeps limits, sessions and the cache in memory. This module
 * is part of the composition root.
 */
import { getHeapStatistics } from 'node:v8';
import { MemoryCacheStore } from '../cache/memory-store.ts';
import { defaultStoreBytes, exceedsHeap } from '../lib/memory-bounds.ts';
import { LocalChannels, localChannelNames } from '../near/local-channels.ts';
import { MemoryRateLimitStore } from '../rate-limit/memory-store.ts';
import { MemorySessionStore } from '../session/memory-store.ts';
import type { Stores, StoresOptions } from './stores.ts';

export function openMemoryStores({ settings, clock, log, metrics }: StoresOptions): Stores {
  log.warn(
    {},
    'no PANNIER_REDIS_URL set: limits, sessions and cache are kept in the memory of this process and are not shared',
  );
  const maxBytes = settings.maxMemoryStoreBytes ?? defaultStoreBytes();
  if (exceedsHeap(maxBytes)) {
    log.warn(
      { maxBytes, heapBytes: getHeapStatistics().heap_size_limit },
      'three full memory stores may exhaust the heap; lower PANNIER_MEMORY_STORE_MAX_BYTES or raise the memory limit',
    );
  }
  const bounds = { maxEntries: settings.maxMemoryStoreEntries, maxBytes };
  const channels = new LocalChannels();
  const rateLimit = new MemoryRateLimitStore({
    clock,
    ...bounds,
    onEvict: () => metrics.memoryEvicted('rate_limit'),
  });
  const session = new MemorySessionStore({ clock, ...bounds });
  const cache = new MemoryCacheStore({ clock, channels, ...bounds });
  metrics.onMemoryScrape('rate_limit', rateLimit);
  metrics.onMemoryScrape('session', session);
  metrics.onMemoryScrape('cache', cache);
  return {
    kind: 'memory',
    rateLimit,
    session,
    cache,
    channelNames: localChannelNames,
    createSubscriber: (listener) => channels.createSubscriber(listener),
    hasAnswered: () => true,
    isRefused: () => false,
    describe: () => [`store: memory of this process, at most ${maxBytes} bytes each for limits, sessions and cache`],
    close: () => {
      for (const store of [rateLimit, session, cache]) {
        store.close();
      }
    },
  };
}
