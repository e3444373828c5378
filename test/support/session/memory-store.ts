/**
 * Memory stores of sessions with room enough for a test that is not about their bounds.
 */
import { MemorySessionStore, type MemorySessionStoreOptions } from '../../../src/session/memory-store.ts';

type Bounds = Pick<MemorySessionStoreOptions, 'maxEntries' | 'maxBytes'>;

export function memorySessionStore(
  options: Omit<MemorySessionStoreOptions, keyof Bounds> & Partial<Bounds>,
): MemorySessionStore {
  return new MemorySessionStore({ maxEntries: 100_000, maxBytes: 67_108_864, ...options });
}
