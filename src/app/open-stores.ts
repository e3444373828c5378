/**
 * Opens the stores that the settings select: the memory of this process, or one or two Redis deployments. This module
 * is part of the composition root.
 *
 * Invariant: a sidecar without Redis does not load redis-stores.ts, whose modules use 2 MB of memory.
 */
import { readSubjectKey } from '../config/setting-files.ts';
import type { Stores, StoresOptions } from './stores.ts';

/** Opens the stores; rejects if a file that the settings name is unreadable or invalid. */
export async function openStores(options: StoresOptions): Promise<Stores> {
  const { redis } = options.settings;
  // Reads the subject key even without Redis, because an unusable key file is an error in the settings.
  const subjectKey = readSubjectKey(options.settings);
  if (redis === undefined) {
    const { openMemoryStores } = await import('./memory-stores.ts');
    return openMemoryStores(options);
  }
  const { openRedisStores } = await import('./redis-stores.ts');
  return await openRedisStores({ ...options, subjectKey }, redis);
}
