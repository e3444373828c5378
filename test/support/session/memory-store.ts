/**
 * Creates memory stores of sessions with bounds that no test reaches, and inspects state that the contract does not
 * expose.
 */
import { MemorySessionStore, type MemorySessionStoreOptions } from '../../../src/session/memory-store.ts';

type Bounds = Pick<MemorySessionStoreOptions, 'maxEntries' | 'maxBytes'>;

export function memorySessionStore(
  options: Omit<MemorySessionStoreOptions, keyof Bounds> & Partial<Bounds>,
): MemorySessionStore {
  return new MemorySessionStore({ maxEntries: 100_000, maxBytes: 67_108_864, ...options });
}

/**
 * Returns whether the store keeps a session under this handle, valid or not. The function tries to create a second
 * session with this handle, which the store rejects only if it keeps a session.
 */
export function holdsInMemory(store: MemorySessionStore, handle: string): boolean {
  const { outcome } = store.create({
    credential: { handle, verifier: 'probe' },
    userId: '',
    data: new Map(),
    labels: new Map(),
    idleTtlMs: 1,
    absoluteTtlMs: 1,
  });
  if (outcome === 'created') {
    store.delete({ handle, verifier: undefined });
  }
  return outcome === 'exists';
}
