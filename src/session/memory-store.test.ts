/**
 * Tests the bounds of the memory store of sessions. The file test/integration/session-memory.test.ts tests its behavior
 * within these bounds.
 */
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { holdsInMemory, memorySessionStore } from '../../test/support/session/memory-store.ts';
import { systemClock } from '../lib/clock.ts';
import { StoreError } from '../lib/store-error.ts';
import type { MemorySessionStore } from './memory-store.ts';
import type { NewSession } from './store.ts';

function session(index: number, changes: Partial<NewSession> = {}): NewSession {
  return {
    credential: { handle: `handle-${index}`, verifier: 'verifier' },
    userId: '',
    data: new Map(),
    labels: new Map(),
    idleTtlMs: 1_000,
    absoluteTtlMs: 1_000,
    ...changes,
  };
}

function create(store: MemorySessionStore, made: NewSession): 'created' | 'full' {
  try {
    store.create(made);
    return 'created';
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind !== 'full') {
      throw error;
    }
    return 'full';
  }
}

test('stays within its bounds for 1,000,000 sessions and keeps the live ones', () => {
  const store = memorySessionStore({ clock: systemClock, maxEntries: 10_000, maxBytes: 16_777_216 });
  let created = 0;
  for (let index = 0; index < 1_000_000; index += 1) {
    const lives = { idleTtlMs: 60_000, absoluteTtlMs: 60_000 };
    created += create(store, session(index, { ...lives, userId: `user-${index}` })) === 'created' ? 1 : 0;
  }
  expect(created).toBe(10_000);
  expect(store.size).toBe(10_000);
  expect(store.bytes).toBeLessThanOrEqual(16_777_216);
  expect(holdsInMemory(store, 'handle-0')).toBe(true);
});

test('stays within its maximum bytes after a change of data as well', () => {
  const clock = new FakeClock();
  const store = memorySessionStore({ clock, maxBytes: 100_000 });
  const big = new Map([['a', Buffer.alloc(40_000)]]);
  expect(create(store, session(1, { data: big }))).toBe('created');
  expect(create(store, session(2, { data: big }))).toBe('created');
  expect(create(store, session(3, { data: big }))).toBe('full');
  const update = { ifVersion: undefined, idleTtlMs: undefined, absoluteTtlMs: undefined };
  const change = { set: new Map([['b', Buffer.alloc(40_000)]]), remove: new Set<string>() };
  expect(() => store.update(session(1).credential, { ...update, change })).toThrow(StoreError);
  expect(store.read(session(1).credential, { touch: false })).toMatchObject({ version: 1 });
  expect(store.bytes).toBeLessThanOrEqual(100_000);
});

test('removes an expired session and its user for a new one', () => {
  const clock = new FakeClock();
  const other = { userId: 'b'.repeat(50) };
  const measured = memorySessionStore({ clock });
  measured.create(session(1));
  measured.create(session(2, other));
  const store = memorySessionStore({ clock, maxBytes: measured.bytes });
  store.create(session(1, { idleTtlMs: 60_000, absoluteTtlMs: 60_000 }));
  store.create(session(2, { userId: 'a'.repeat(50) }));
  clock.advance(1_000);
  expect(create(store, session(3, other))).toBe('created');
});

test('a full store accepts changes that need no more memory', () => {
  const clock = new FakeClock();
  const measured = memorySessionStore({ clock });
  measured.create(session(1, { userId: 'user' }));
  const store = memorySessionStore({ clock, maxBytes: measured.bytes });
  store.create(session(1, { userId: 'user' }));
  const change = { set: new Map<string, Buffer>(), remove: new Set<string>() };
  const update = { ifVersion: undefined, idleTtlMs: 2_000, absoluteTtlMs: undefined, change };
  expect(store.update(session(1).credential, update)).toMatchObject({ outcome: 'updated' });
  const rotation = { verifier: 'next', userId: undefined, change, graceMs: 0 };
  expect(store.rotate(session(1).credential, rotation)).toMatchObject({ outcome: 'rotated' });
});

test('counts a session of many small fields at its actual size', () => {
  const store = memorySessionStore({ clock: new FakeClock() });
  const names = Array.from({ length: 50 }, (_, index) => String(index).padStart(20, 'n'));
  store.create(session(1, { data: new Map(names.map((name) => [name, Buffer.alloc(5)])) }));
  // In a measurement on Node 24, such a session took 830 bytes, plus 300 bytes per field.
  expect(store.bytes).toBeGreaterThanOrEqual(830 + 50 * 300);
});

test('accepts new sessions right after a deletion and after an expiry', () => {
  const clock = new FakeClock();
  const store = memorySessionStore({ clock, maxEntries: 1 });
  expect([create(store, session(1)), create(store, session(2)), create(store, session(2))]).toEqual([
    'created',
    'full',
    'full',
  ]);
  store.delete({ handle: 'handle-1', verifier: undefined });
  expect(create(store, session(2))).toBe('created');
  clock.advance(999);
  expect(create(store, session(3))).toBe('full');
  clock.advance(1);
  expect(create(store, session(3))).toBe('created');
});

test('removes users without sessions for new ones, however their sessions ended', () => {
  const clock = new FakeClock();
  const store = memorySessionStore({ clock, maxEntries: 3 });
  const lives = { idleTtlMs: 1_000, absoluteTtlMs: 3_600_000 };
  const login = (index: number) => create(store, session(index, { ...lives, userId: `user-${index}` }));
  for (let index = 0; index < 5; index += 1) {
    expect(login(index)).toBe('created');
    store.delete({ handle: `handle-${index}`, verifier: undefined });
  }
  for (let index = 5; index < 10; index += 1) {
    expect(login(index)).toBe('created');
    store.endUserSessions(`user-${index}`, undefined);
  }
  expect([login(10), login(11), login(12)]).toEqual(['created', 'created', 'created']);
  expect(login(13)).toBe('full');
  clock.advance(1_001);
  expect([login(14), login(15), login(16)]).toEqual(['created', 'created', 'created']);
});

test('counts users and sessions against the same maximum bytes', () => {
  const store = memorySessionStore({ clock: new FakeClock(), maxBytes: 1_000_000 });
  let created = 0;
  while (create(store, session(created, { userId: `user-${created}` })) === 'created') {
    created += 1;
  }
  expect(store.bytes).toBeLessThanOrEqual(1_000_000);
  expect(store.bytes).toBeGreaterThan(990_000);
});

test('a store full of expired sessions and their users accepts every login and keeps the live sessions', () => {
  const clock = new FakeClock();
  const store = memorySessionStore({ clock, maxEntries: 1_000 });
  const hour = { idleTtlMs: 3_600_000, absoluteTtlMs: 3_600_000 };
  expect(create(store, session(0, { ...hour, userId: 'victim' }))).toBe('created');
  for (let index = 1; index < 1_000; index += 1) {
    // The absolute timeout is long, so that the store keeps these users for an hour unless it removes them with their
    // sessions.
    const lives = { idleTtlMs: 1, absoluteTtlMs: 3_600_000 };
    expect(create(store, session(index, { ...lives, userId: `user-${index}` }))).toBe('created');
  }
  expect(create(store, session(1_000, { ...hour, userId: 'user' }))).toBe('full');
  clock.advance(1);
  for (let index = 1_000; index < 1_999; index += 1) {
    expect(create(store, session(index, { ...hour, userId: `user-${index}` }))).toBe('created');
  }
  expect(create(store, session(1_999, hour))).toBe('full');
  expect(holdsInMemory(store, 'handle-0')).toBe(true);
  expect(store.list('victim')).toHaveLength(1);
});

test('keeps a user while a session that its list does not contain is valid', () => {
  const store = memorySessionStore({ clock: new FakeClock(), maxEntries: 2_000 });
  const lives = { idleTtlMs: 60_000, absoluteTtlMs: 60_000, userId: 'user' };
  for (let index = 0; index <= 1_000; index += 1) {
    create(store, session(index, lives));
  }
  for (const { handle } of store.list('user')) {
    store.delete({ handle, verifier: undefined });
  }
  expect(store.read(session(0).credential, { touch: false })).toMatchObject({ userId: 'user' });
});

test('stores copies of values instead of views of the request message', () => {
  const store = memorySessionStore({ clock: new FakeClock() });
  const message = Buffer.from('....value....');
  store.create(session(1, { data: new Map([['a', message.subarray(4, 9)]]) }));
  message.fill(0);
  const value = store.read(session(1).credential, { touch: false })?.data.get('a');
  expect(value).toEqual(Buffer.from('value'));
  expect(value?.buffer.byteLength).toBe(5);
});
