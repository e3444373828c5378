/**
 * What a test can find out about the memory store of sessions beyond its contract.
 */
import type { MemorySessionStore } from '../../../src/session/memory-store.ts';

/** Whether the store keeps a session under this handle, valid or not: it refuses a second one as long as it does. */
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
