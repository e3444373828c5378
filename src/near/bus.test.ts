/**
 * The bus under what a network does to messages: lost, repeated, late, out of order, by the thousand histories.
 */
import fc from 'fast-check';
import { applyBusEvent, type BusEvent, createBucketState } from './bus.ts';
import {
  decodeInvalidationMessage,
  encodeInvalidationMessage,
  type InvalidationMessage,
} from './invalidation-message.ts';

function names(sequence: number, ...keys: string[]): BusEvent {
  return {
    kind: 'message',
    message: { kind: 'names', incarnation: 'A', sequence, stamp: String(sequence).padStart(8), names: keys },
  };
}

function liveState() {
  const state = createBucketState();
  applyBusEvent(state, { kind: 'live' });
  return state;
}

describe('bus', () => {
  test('drops by the next message, ignores one that comes again', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    expect(applyBusEvent(state, names(8, 'b'))).toEqual({ kind: 'drop', names: ['b'] });
    expect(applyBusEvent(state, names(8, 'b'))).toEqual({ kind: 'none' });
    expect(applyBusEvent(state, names(3, 'c'))).toEqual({ kind: 'none' });
  });

  test.each([
    ['a gap', names(9, 'a'), 'gap'],
    [
      'another incarnation',
      { kind: 'message', message: { kind: 'names', incarnation: 'B', sequence: 8, stamp: '       8', names: ['a'] } },
      'gap',
    ],
    ['a message that cannot be read', { kind: 'message', message: undefined }, 'gap'],
    [
      'a flush',
      { kind: 'message', message: { kind: 'flush', incarnation: 'A', sequence: 8, stamp: '       8', names: [] } },
      'asked',
    ],
    ['the loss of the channel', { kind: 'lost' }, 'lost'],
    ['a subscription made anew', { kind: 'live' }, 'lost'],
  ] as [string, BusEvent, string][])('%s voids the bucket and moves the generation', (_what, event, cause) => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    const before = state.generation;
    expect(applyBusEvent(state, event)).toEqual({ kind: 'flush', cause, names: [] });
    expect(state.generation).toBeGreaterThan(before);
  });

  test('the first message voids the bucket, and tells its names to those who need only these', () => {
    expect(applyBusEvent(liveState(), names(7, 'a'))).toEqual({ kind: 'flush', cause: 'first', names: ['a'] });
  });

  test('while not live, messages mean nothing', () => {
    const state = createBucketState();
    expect(applyBusEvent(state, names(1, 'a'))).toEqual({ kind: 'none' });
    expect(applyBusEvent(state, { kind: 'lost' })).toEqual({ kind: 'none' });
  });
});

/**
 * A server with three keys whose value is the number of their last write, and copies kept by the bus' actions. Deliveries pick
 * any message that was published while the channel was live: again, too early, or never.
 */
type Step =
  | { readonly do: 'write'; readonly key: string }
  | { readonly do: 'flush' }
  | { readonly do: 'evict' }
  | { readonly do: 'read'; readonly key: string }
  | { readonly do: 'deliver'; readonly pick: number }
  | { readonly do: 'next' }
  | { readonly do: 'lost' }
  | { readonly do: 'live' };

interface Copy {
  readonly incarnation: number;
  readonly sequence: number;
}

function voids(message: InvalidationMessage, name: string, copy: Copy): boolean {
  const isOfName = message.kind === 'flush' || message.names.includes(name);
  return isOfName && Number(message.incarnation) === copy.incarnation && message.sequence > copy.sequence;
}

const key = fc.constantFrom('a', 'b', 'c');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), key }) },
  { weight: 1, arbitrary: fc.constant({ do: 'flush' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'evict' as const }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('read' as const), key }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('deliver' as const), pick: fc.nat() }) },
  { weight: 6, arbitrary: fc.constant({ do: 'next' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'lost' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'live' as const }) },
);

test('whatever comes in whatever order: after a message was applied, nothing older that it or one before it voids is held', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const state = createBucketState();
      const copies = new Map<string, Copy>();
      const published: InvalidationMessage[] = [];
      let incarnation = 1;
      let sequence = 0;
      let nextIndex = 0;
      const feed = (event: BusEvent) => {
        const action = applyBusEvent(state, event);
        if (action.kind === 'flush') {
          copies.clear();
        } else if (action.kind === 'drop') {
          for (const name of action.names) {
            copies.delete(name);
          }
        }
      };
      const deliver = (message: InvalidationMessage) => {
        const before = { ...state };
        feed({ kind: 'message', message });
        const isNews = before.incarnation !== message.incarnation || message.sequence > before.sequence;
        if (!state.live || !isNews) {
          return;
        }
        const isGap = before.incarnation === message.incarnation && message.sequence > before.sequence + 1;
        if (isGap) {
          expect(copies.size).toBe(0);
          expect(state.generation).toBeGreaterThan(before.generation);
        }
        for (const earlier of published) {
          if (earlier.incarnation === message.incarnation && earlier.sequence <= message.sequence) {
            expect([...copies].filter(([name, copy]) => voids(earlier, name, copy))).toEqual([]);
          }
        }
      };
      for (const action of steps) {
        switch (action.do) {
          case 'write':
          case 'flush': {
            sequence += 1;
            const kind = action.do === 'flush' ? 'flush' : 'names';
            const affected = action.do === 'flush' ? [] : [action.key];
            published.push({
              kind,
              incarnation: String(incarnation),
              sequence,
              stamp: String(sequence),
              names: affected,
            });
            break;
          }
          case 'evict':
            incarnation += 1;
            sequence = 0;
            break;
          case 'read':
            if (state.live) {
              copies.set(action.key, { incarnation, sequence });
            }
            break;
          case 'deliver': {
            const message = published[published.length === 0 ? 0 : action.pick % published.length];
            if (message !== undefined) {
              deliver(message);
            }
            break;
          }
          case 'next': {
            const message = published[nextIndex];
            nextIndex += message === undefined ? 0 : 1;
            if (message !== undefined) {
              deliver(message);
            }
            break;
          }
          case 'lost':
            feed({ kind: 'lost' });
            expect(copies.size).toBe(0);
            break;
          case 'live':
            feed({ kind: 'live' });
            nextIndex = Math.max(nextIndex, published.length);
            break;
        }
      }
      // In order and complete from here on: everything that was published is applied, so nothing held may be void.
      if (state.live) {
        for (const message of published.slice(nextIndex)) {
          deliver(message);
        }
        for (const message of published) {
          expect([...copies].filter(([name, copy]) => voids(message, name, copy))).toEqual([]);
        }
      }
    }),
    { numRuns: 3_000 },
  );
});

describe('message', () => {
  test('comes back from its bytes, whatever its names are', () => {
    const name = fc
      .uint8Array({ minLength: 1, maxLength: 1_024 })
      .map((bytes) => Buffer.from(bytes).toString('latin1'));
    const message = fc.record({
      kind: fc.constantFrom('names' as const, 'flush' as const),
      incarnation: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      sequence: fc.maxSafeNat(),
      stamp: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      names: fc.array(name, { maxLength: 5 }),
    });
    fc.assert(
      fc.property(message, (value) => {
        expect(decodeInvalidationMessage(encodeInvalidationMessage(value))).toEqual(value);
      }),
    );
  });

  test('of other bytes is none, and nothing throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const decoded = decodeInvalidationMessage(Buffer.from(bytes));
        expect(decoded === undefined || bytes[0] === 1).toBe(true);
      }),
    );
    const whole = encodeInvalidationMessage({
      kind: 'names',
      incarnation: '12345678',
      sequence: 1,
      stamp: 'abcdefgh',
      names: ['abc'],
    });
    for (let length = 0; length < whole.length; length += 1) {
      const cut = decodeInvalidationMessage(whole.subarray(0, length));
      expect(cut === undefined || cut.names.length === 0).toBe(true);
    }
  });
});
