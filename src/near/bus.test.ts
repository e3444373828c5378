/**
 * The bus under what a network does to messages: lost, repeated, late, out of order, by the thousand histories.
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

/** Made and answered in one moment. */
function probe(state: BucketReads, answer: Partial<BucketAnswer>): BusAction {
  return applyBusEvent(state, { kind: 'probe', question: createQuestion(state), answer: answerOf(answer) });
}

/** Sent and answered in one moment, unless `sentAt` says otherwise. */
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
  test('drops by the next message', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    expect(applyBusEvent(state, names(8, 'b'))).toEqual({ kind: 'drop', names: ['b'] });
  });

  test.each([
    ['a gap', names(9, 'a'), 'gap'],
    // After a failover that lost writes numbers come again (A2).
    ['a number that comes again', names(7, 'a'), 'gap'],
    ['a number that is lower', names(3, 'a'), 'gap'],
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

  test('while not live, messages and probes mean nothing, and reads leave no copy', () => {
    const state = createBucketReads();
    expect(applyBusEvent(state, names(1, 'a'))).toEqual({ kind: 'none' });
    expect(applyBusEvent(state, { kind: 'lost' })).toEqual({ kind: 'none' });
    expect(probe(state, { number: 3 })).toEqual({ kind: 'none' });
    expect(read(state, 3)).toEqual({ kind: 'refuse' });
  });

  test('after a loss nothing is known any more: a new subscription begins with any number', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    applyBusEvent(state, { kind: 'lost' });
    applyBusEvent(state, { kind: 'live' });
    expect(applyBusEvent(state, names(4, 'b'))).toEqual({ kind: 'flush', cause: 'first', names: ['b'] });
  });
});

describe('a probe', () => {
  test('of what is known changes nothing', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    expect(probe(state, { number: 7 })).toEqual({ kind: 'none' });
    expect(applyBusEvent(state, names(8, 'b'))).toEqual({ kind: 'drop', names: ['b'] });
  });

  test('returns where the messages begin, so that the first one need not invalidate the bucket', () => {
    const state = liveState();
    expect(probe(state, { number: 7 })).toEqual({ kind: 'none' });
    expect(applyBusEvent(state, names(8, 'b'))).toEqual({ kind: 'drop', names: ['b'] });
  });

  test('that finds no sequence where there has been none: the first message of a new one invalidates only its names', () => {
    const state = liveState();
    expect(probe(state, { incarnation: '', number: 0 })).toEqual({ kind: 'none' });
    expect(applyBusEvent(state, names(1, 'a'))).toEqual({ kind: 'flush', cause: 'first', names: ['a'] });
  });

  test('that found no sequence, then a message that is not its first: others are missing', () => {
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

  test('that cannot be read invalidates the bucket', () => {
    const state = liveState();
    const event: BusEvent = { kind: 'probe', question: createQuestion(state), answer: undefined };
    expect(applyBusEvent(state, event)).toMatchObject({ kind: 'flush', cause: 'gap' });
  });

  test('whose reply comes after the messages that were published behind it is right all the same', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    const question = createQuestion(state);
    applyBusEvent(state, names(8, 'b'));
    expect(applyBusEvent(state, { kind: 'probe', question, answer: answerOf({ number: 7 }) })).toEqual({
      kind: 'none',
    });
    expect(probe(state, { number: 7 })).toMatchObject({ kind: 'flush', cause: 'gap' });
  });

  test('sent before the bucket was invalidated proves nothing about what came after', () => {
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
  test('of the number that is known may leave a copy; of another stamp it invalidates the bucket, once', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    expect(read(state, 7)).toEqual({ kind: 'none' });
    expect(read(state, 7, 'another.')).toMatchObject({ kind: 'flush', cause: 'gap' });
    expect(read(state, 7, 'another.')).toEqual({ kind: 'refuse' });
    expect(read(state, 7)).toEqual({ kind: 'refuse' });
    expect(probe(state, { number: 7 })).toEqual({ kind: 'none' });
    expect(read(state, 7)).toEqual({ kind: 'none' });
  });

  test('that is ahead of the messages is a witness: its message with another stamp invalidates the bucket', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    expect(read(state, 9)).toEqual({ kind: 'none' });
    expect(applyBusEvent(state, names(8, 'b'))).toEqual({ kind: 'drop', names: ['b'] });
    expect(applyBusEvent(state, names(9, 'b'))).toEqual({ kind: 'drop', names: ['b'] });
    expect(read(state, 11, 'another.')).toEqual({ kind: 'none' });
    expect(applyBusEvent(state, names(10, 'b'))).toEqual({ kind: 'drop', names: ['b'] });
    expect(applyBusEvent(state, names(11, 'b'))).toMatchObject({ kind: 'flush', cause: 'gap' });
  });

  test('that is ahead, and a probe made after it that shows less: the bucket is invalid', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    const question = createQuestion(state);
    read(state, 9);
    expect(applyBusEvent(state, { kind: 'probe', question, answer: answerOf({ number: 7 }) })).toEqual({
      kind: 'none',
    });
    expect(probe(state, { number: 7 })).toMatchObject({ kind: 'flush', cause: 'gap' });
  });

  test('that is behind what was known when it was sent: the server that was read is another one', () => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    expect(read(state, 6)).toMatchObject({ kind: 'flush', cause: 'gap' });
  });

  test('that messages have overtaken may leave a copy while its stamp is remembered', () => {
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
  ])('%s leaves no copy', (_what, mark) => {
    const state = liveState();
    applyBusEvent(state, names(7, 'a'));
    expect(applyBusEvent(state, { kind: 'read', mark, sentAt: undefined })).toEqual({ kind: 'refuse' });
  });

  test('too many that are ahead: no more copies, and no memory', () => {
    const state = liveState();
    const outcomes = Array.from({ length: 40 }, (_, index) => read(state, index + 1).kind);
    expect(outcomes.filter((kind) => kind === 'none')).toHaveLength(16);
    expect(state.ahead?.stamps.size).toBe(16);
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
      const state = createBucketReads();
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
        if (!state.live) {
          return;
        }
        const { known } = before;
        const isNext = known?.incarnation === message.incarnation && message.sequence === known.number + 1;
        if (!isNext) {
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
