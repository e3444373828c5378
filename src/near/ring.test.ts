/**
 * Tests how `changeSince` determines from a ring whether a key has changed since a mark. Examples cover each result.
 * Further tests generate random histories with failovers that lose writes, and compare the results with the real
 * values.
 */
import fc from 'fast-check';
import type { BucketMark } from './bucket-mark.ts';
import {
  changeSince,
  decodeRingEntry,
  EVERY_KEY_HASH,
  markOf,
  RING_ENTRY_BYTES,
  RING_SIZE,
  type Ring,
  type RingEntry,
} from './ring.ts';

const EVERY = EVERY_KEY_HASH.toString('latin1');

/** Sequence with a ring, with the same behavior as in the scripts. */
class Sequence {
  #stamps = 0;
  number = 0;
  entries: (RingEntry | undefined)[] = Array.from({ length: RING_SIZE }, () => undefined);

  change(keyHash: string): void {
    this.number += 1;
    this.#stamps += 1;
    this.entries[this.number % RING_SIZE] = { number: this.number, keyHash, stamp: `stamp-${this.#stamps}` };
  }

  ring(): Ring {
    return { incarnation: 'first', number: this.number, entries: [...this.entries] };
  }

  /**
   * Fails over to a replica that lacks the changes after its own position. Stamps are random and therefore do not
   * repeat.
   */
  fallBack(to: Ring): void {
    this.number = to.number;
    this.entries = [...to.entries];
  }
}

function changed(keys: readonly string[], from = new Sequence()): Sequence {
  for (const key of keys) {
    from.change(key);
  }
  return from;
}

describe('a key is', () => {
  test('unchanged after up to 63 changes of other keys', () => {
    const sequence = changed(['a']);
    const mark = markOf(sequence.ring());
    for (let count = 1; count < RING_SIZE; count += 1) {
      sequence.change('b');
      expect(changeSince(mark, sequence.ring(), 'a')).toBe('unchanged');
    }
    sequence.change('b');
    expect(changeSince(mark, sequence.ring(), 'a')).toBe('unknown');
  });

  test('unchanged in a bucket without changes, and after its first 64 changes of other keys', () => {
    const sequence = new Sequence();
    const mark = markOf(sequence.ring());
    expect(mark).toEqual({ incarnation: 'first', number: 0, stamp: '' });
    for (let count = 0; count <= RING_SIZE; count += 1) {
      expect(changeSince(mark, sequence.ring(), 'a')).toBe('unchanged');
      sequence.change('b');
    }
    expect(changeSince(mark, sequence.ring(), 'a')).toBe('unknown');
  });

  test('changed by a change of the key and by a change of every key', () => {
    for (const key of ['a', EVERY]) {
      const sequence = changed(['a', 'b']);
      const mark = markOf(sequence.ring());
      changed(['b', key, 'b'], sequence);
      expect(changeSince(mark, sequence.ring(), 'a')).toBe('changed');
    }
  });

  test('changed if the ring has no entry for a number', () => {
    const sequence = changed(['a', 'b']);
    const mark = markOf(sequence.ring());
    changed(['b', 'b'], sequence);
    sequence.entries[3] = undefined;
    expect(changeSince(mark, sequence.ring(), 'a')).toBe('changed');
  });

  test('unknown if the incarnation or the stamp differs, or if the number is below that of the mark', () => {
    const sequence = changed(['a', 'b', 'c']);
    const mark = markOf(sequence.ring());
    expect(changeSince({ ...mark, incarnation: 'second' }, sequence.ring(), 'a')).toBe('unknown');
    expect(changeSince({ ...mark, number: 4 }, sequence.ring(), 'a')).toBe('unknown');
    expect(changeSince({ ...mark, stamp: 'another' }, sequence.ring(), 'a')).toBe('unknown');
    expect(changeSince({ ...mark, stamp: '' }, sequence.ring(), 'a')).toBe('unknown');
    expect(changeSince(mark, sequence.ring(), 'a')).toBe('unchanged');
  });
});

test('in random histories, changeSince never returns unchanged for a key that has changed or lost changes', () => {
  const keys = fc.constantFrom('a', 'b', 'c', EVERY);
  const step = fc.oneof(
    { weight: 20, arbitrary: fc.record({ do: fc.constant('change' as const), key: keys }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('replicate' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('fall back' as const) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('mark' as const) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const sequence = new Sequence();
      let replica = sequence.ring();
      // Time of the last write of each key. If a key has the same time at the mark and now, any write in between was
      // lost.
      let value = new Map<string, number>();
      let replicaValue = new Map(value);
      const marks: { mark: BucketMark; value: Map<string, number> }[] = [];
      for (const [time, action] of steps.entries()) {
        if (action.do === 'change') {
          sequence.change(action.key);
          for (const key of action.key === EVERY ? ['a', 'b', 'c'] : [action.key]) {
            value.set(key, time);
          }
        } else if (action.do === 'replicate') {
          replica = sequence.ring();
          replicaValue = new Map(value);
        } else if (action.do === 'fall back') {
          sequence.fallBack(replica);
          value = new Map(replicaValue);
        } else {
          marks.push({ mark: markOf(sequence.ring()), value: new Map(value) });
        }
        for (const { mark, value: then } of marks) {
          for (const key of ['a', 'b', 'c']) {
            if (changeSince(mark, sequence.ring(), key) === 'unchanged') {
              expect(value.get(key)).toBe(then.get(key));
            }
          }
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('decodes a ring entry from exactly 24 bytes', () => {
  const bytes = Buffer.concat([
    Buffer.from('0000000100000002', 'hex'),
    Buffer.from('hash-of-'),
    Buffer.from('stampsta'),
  ]);
  expect(decodeRingEntry(bytes)).toEqual({ number: 2 ** 32 + 2, keyHash: 'hash-of-', stamp: 'stampsta' });
  for (const other of [null, 'text', bytes.subarray(1), Buffer.alloc(RING_ENTRY_BYTES + 1)]) {
    expect(decodeRingEntry(other)).toBeUndefined();
  }
});
