/**
 * Tests the bus with lost, repeated, late and reordered messages. The file contains examples of each event, and
 * generates thousands of random histories.
 */
import fc from 'fast-check';
import type { BucketAnswer } from './bucket-probe.ts';
import {
  applyBusEvent,
  type BucketReads,
  type BusAction,
  type BusEvent,
  createBucketReads,
  createQuestion,
  type SentAt,
} from './bus.ts';
import type { InvalidationMessage } from './invalidation-message.ts';

function names(sequence: number, ...keys: string[]): BusEvent {
  return {
    kind: 'message',
    message: { kind: 'names', incarnation: 'A', sequence, stamp: stampOf(sequence), names: keys },
  };
}

function stampOf(number: number): string {
  return String(number).padStart(8);
}

function answerOf(answer: Partial<BucketAnswer>): BucketAnswer {
  return { incarnation: 'A', number: 0, stampOfAsked: stampOf(answer.number ?? 0), ...answer };
}

/** Feeds the bus a probe whose answer arrives as soon as the probe is sent. */
function probe(state: BucketReads, answer: Partial<BucketAnswer>): BusAction {
  return applyBusEvent(state, { kind: 'probe', question: createQuestion(state), answer: answerOf(answer) });
}

/** Feeds the bus a read whose result arrives as soon as the read is sent. With `sentAt`, the read was sent earlier. */
function read(state: BucketReads, number: number, stamp = stampOf(number), sentAt?: SentAt): BusAction {
  const { known } = state;
  const mark = { incarnation: 'A', number, stamp };
  return applyBusEvent(state, { kind: 'read', mark, sentAt: sentAt ?? known });
}

function liveState() {
  const state = createBucketReads();
  applyBusEvent(state, { kind: 'live' });
  return state;
}

describe('bus', () => {
  test('drops the names of the next message', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    expect(applyBusEvent(state, names(8, 'b'))).toEqual({ kind: 'drop', names: ['b'] });
  });

  test.each([
    ['a gap', names(9, 'a'), 'gap'],
    // Numbers may repeat after a failover that lost writes.
    ['a repeated number', names(7, 'a'), 'gap'],
    ['a lower number', names(3, 'a'), 'gap'],
    [
      'another incarnation',
      { kind: 'message', message: { kind: 'names', incarnation: 'B', sequence: 8, stamp: '       8', names: ['a'] } },
      'gap',
    ],
    ['a message that cannot be decoded', { kind: 'message', message: undefined }, 'gap'],
    [
      'a flush',
      { kind: 'message', message: { kind: 'flush', incarnation: 'A', sequence: 8, stamp: '       8', names: [] } },
      'asked',
    ],
    ['the loss of the channel', { kind: 'lost' }, 'lost'],
    ['a repeated subscription', { kind: 'live' }, 'lost'],
  ] as [string, BusEvent, string][])(
    'invalidates the bucket and changes its generation on %s',
    (_what, event, cause) => {
      const state = liveState();
      applyBusEvent(state, names(7, 'a'));
      const before = state.generation;
      expect(applyBusEvent(state, event)).toEqual({ kind: 'flush', cause, names: [] });
      expect(state.generation).toBeGreaterThan(before);
    },
  );

  test('invalidates the bucket on the first message and returns its names', () => {
    expect(applyBusEvent(liveState(), names(7, 'a'))).toEqual({ kind: 'flush', cause: 'first', names: ['a'] });
  });

  test('ignores messages and probes and refuses reads while the channel is not live', () => {
    const state = createBucketReads();
    expect(applyBusEvent(state, names(1, 'a'))).toEqual({ kind: 'none' });
    expect(applyBusEvent(state, { kind: 'lost' })).toEqual({ kind: 'none' });
    expect(probe(state, { number: 3 })).toEqual({ kind: 'none' });
    expect(read(state, 3)).toEqual({ kind: 'refuse' });
  });

  test('accepts any number as the first one after a loss and a new subscription', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    applyBusEvent(state, { kind: 'lost' });
    applyBusEvent(state, { kind: 'live' });
    expect(applyBusEvent(state, names(4, 'b'))).toEqual({ kind: 'flush', cause: 'first', names: ['b'] });
  });
});

describe('a probe', () => {
  test('that returns the known position changes nothing', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    expect(probe(state, { number: 7 })).toEqual({ kind: 'none' });
    expect(applyBusEvent(state, names(8, 'b'))).toEqual({ kind: 'drop', names: ['b'] });
  });

  test('returns the position before the first message, which then need not invalidate the bucket', () => {
    const state = liveState();
    expect(probe(state, { number: 7 })).toEqual({ kind: 'none' });
    expect(applyBusEvent(state, names(8, 'b'))).toEqual({ kind: 'drop', names: ['b'] });
  });

  test('that finds no sequence makes the first message of a new sequence invalidate only its names', () => {
    const state = liveState();
    expect(probe(state, { incarnation: '', number: 0 })).toEqual({ kind: 'none' });
    expect(applyBusEvent(state, names(1, 'a'))).toEqual({ kind: 'flush', cause: 'first', names: ['a'] });
  });

  test('that finds no sequence makes a first message with a number above 1 a gap', () => {
    const state = liveState();
    probe(state, { incarnation: '', number: 0 });
    expect(applyBusEvent(state, names(2, 'a'))).toMatchObject({ kind: 'flush', cause: 'gap' });
  });

  test.each([
    ['a higher number', { number: 8 }],
    ['a lower number', { number: 6 }],
    ['another stamp of the same number', { number: 7, stampOfAsked: 'another.' }],
    ['no ring entry for the number', { number: 7, stampOfAsked: '' }],
    ['another incarnation', { incarnation: 'B', number: 7 }],
    ['no sequence', { incarnation: '', number: 0, stampOfAsked: '' }],
  ] as [string, Partial<BucketAnswer>][])('that finds %s invalidates the bucket, once', (_what, answer) => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    expect(probe(state, answer)).toEqual({ kind: 'flush', cause: 'gap', names: [] });
    expect(probe(state, answer)).toEqual({ kind: 'none' });
  });

  test('whose reply cannot be decoded invalidates the bucket', () => {
    const state = liveState();
    const event: BusEvent = { kind: 'probe', question: createQuestion(state), answer: undefined };
    expect(applyBusEvent(state, event)).toMatchObject({ kind: 'flush', cause: 'gap' });
  });

  test('is accepted if its reply arrives after messages that were published later', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    const question = createQuestion(state);
    applyBusEvent(state, names(8, 'b'));
    expect(applyBusEvent(state, { kind: 'probe', question, answer: answerOf({ number: 7 }) })).toEqual({
      kind: 'none',
    });
    expect(probe(state, { number: 7 })).toMatchObject({ kind: 'flush', cause: 'gap' });
  });

  test('that was sent before the bucket was invalidated is ignored', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    const question = createQuestion(state);
    applyBusEvent(state, names(9, 'a'));
    expect(applyBusEvent(state, { kind: 'probe', question, answer: answerOf({ number: 8 }) })).toEqual({
      kind: 'none',
    });
  });
});

describe('a read', () => {
  test('of the known number is cached, and one with a different stamp invalidates the bucket once', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    expect(read(state, 7)).toEqual({ kind: 'none' });
    expect(read(state, 7, 'another.')).toMatchObject({ kind: 'flush', cause: 'gap' });
    expect(read(state, 7, 'another.')).toEqual({ kind: 'refuse' });
    expect(read(state, 7)).toEqual({ kind: 'refuse' });
    expect(probe(state, { number: 7 })).toEqual({ kind: 'none' });
    expect(read(state, 7)).toEqual({ kind: 'none' });
  });

  test('that is ahead of the messages makes a message with a different stamp invalidate the bucket', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    expect(read(state, 9)).toEqual({ kind: 'none' });
    expect(applyBusEvent(state, names(8, 'b'))).toEqual({ kind: 'drop', names: ['b'] });
    expect(applyBusEvent(state, names(9, 'b'))).toEqual({ kind: 'drop', names: ['b'] });
    expect(read(state, 11, 'another.')).toEqual({ kind: 'none' });
    expect(applyBusEvent(state, names(10, 'b'))).toEqual({ kind: 'drop', names: ['b'] });
    expect(applyBusEvent(state, names(11, 'b'))).toMatchObject({ kind: 'flush', cause: 'gap' });
  });

  test('that is ahead makes a later probe with a lower number invalidate the bucket', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    const question = createQuestion(state);
    read(state, 9);
    expect(applyBusEvent(state, { kind: 'probe', question, answer: answerOf({ number: 7 }) })).toEqual({
      kind: 'none',
    });
    expect(probe(state, { number: 7 })).toMatchObject({ kind: 'flush', cause: 'gap' });
  });

  test('that is behind the position known when it was sent invalidates the bucket', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    expect(read(state, 6)).toMatchObject({ kind: 'flush', cause: 'gap' });
  });

  test('that messages have overtaken is cached while its stamp is remembered', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    const sentAt = { incarnation: 'A', number: 7 };
    for (let number = 8; number <= 10; number += 1) {
      applyBusEvent(state, names(number, 'b'));
    }
    expect(read(state, 8, stampOf(8), sentAt)).toEqual({ kind: 'none' });
    applyBusEvent(state, names(11, 'b'));
    applyBusEvent(state, names(12, 'b'));
    expect(read(state, 8, stampOf(8), sentAt)).toEqual({ kind: 'refuse' });
    expect(read(state, 9, 'another.', sentAt)).toMatchObject({ kind: 'flush', cause: 'gap' });
  });

  test.each([
    ['without a stamp', { incarnation: 'A', number: 7, stamp: '' }],
    ['of another incarnation', { incarnation: 'B', number: 7, stamp: stampOf(7) }],
  ])('%s is not cached', (_what, mark) => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    expect(applyBusEvent(state, { kind: 'read', mark, sentAt: undefined })).toEqual({ kind: 'refuse' });
  });

  test('is not cached while 16 others are ahead of the messages', () => {
    const state = liveState();
    const outcomes = Array.from({ length: 40 }, (_, index) => read(state, index + 1).kind);
    expect(outcomes.filter((kind) => kind === 'none')).toHaveLength(16);
    expect(state.ahead?.stamps.size).toBe(16);
  });
});

/**
 * Step of a random history. The model consists of a server with three keys and a near cache that executes the actions
 * of the bus. The value of a key is the number of its last write. A delivery selects a random published message, so
 * messages repeat, arrive too early or never arrive.
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

interface CachedEntry {
  readonly incarnation: number;
  readonly sequence: number;
}

function invalidates(message: InvalidationMessage, name: string, entry: CachedEntry): boolean {
  const isOfName = message.kind === 'flush' || message.names.includes(name);
  return isOfName && Number(message.incarnation) === entry.incarnation && message.sequence > entry.sequence;
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

test('in random histories, no entry remains that an applied message or an earlier one invalidates', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const state = createBucketReads();
      const cached = new Map<string, CachedEntry>();
      const published: InvalidationMessage[] = [];
      let incarnation = 1;
      let sequence = 0;
      let nextIndex = 0;
      const feed = (event: BusEvent) => {
        const action = applyBusEvent(state, event);
        if (action.kind === 'flush') {
          cached.clear();
        } else if (action.kind === 'drop') {
          for (const name of action.names) {
            cached.delete(name);
          }
        }
      };
      const deliver = (message: InvalidationMessage) => {
        const before = { ...state };
        feed({ kind: 'message', message });
        if (!state.live) {
          return;
        }
        const { known } = before;
        const isNext = known?.incarnation === message.incarnation && message.sequence === known.number + 1;
        if (!isNext) {
          expect(cached.size).toBe(0);
          expect(state.generation).toBeGreaterThan(before.generation);
        }
        for (const earlier of published) {
          if (earlier.incarnation === message.incarnation && earlier.sequence <= message.sequence) {
            expect([...cached].filter(([name, entry]) => invalidates(earlier, name, entry))).toEqual([]);
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
              cached.set(action.key, { incarnation, sequence });
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
            expect(cached.size).toBe(0);
            break;
          case 'live':
            feed({ kind: 'live' });
            nextIndex = Math.max(nextIndex, published.length);
            break;
        }
      }
      // Delivers the remaining messages in order. After that, the bus has applied all published messages, so no entry
      // may be invalid.
      if (state.live) {
        for (const message of published.slice(nextIndex)) {
          deliver(message);
        }
        for (const message of published) {
          expect([...cached].filter(([name, entry]) => invalidates(message, name, entry))).toEqual([]);
        }
      }
    }),
    { numRuns: 3_000 },
  );
});
