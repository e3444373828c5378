/**
 * The bus under what a failover does to a server: writes that were acknowledged are lost, their numbers come again with other stamps,
 * messages are missing, reads are answered by a master that was replaced.
 *
 * What must hold: once everything has arrived and a probe was answered after it, each copy is of the history that the server has now, and
 * nothing in that history invalidates it.
 */
import fc from 'fast-check';
import type { BucketMark } from './bucket-mark.ts';
import type { BucketAnswer, BucketQuestion } from './bucket-probe.ts';
import { applyBusEvent, type BusEvent, createBucketReads, createQuestion, type SentAt } from './bus.ts';
import type { InvalidationMessage } from './invalidation-message.ts';

const KEYS = ['a', 'b'];

interface Change {
  readonly stamp: string;
  /** Undefined: all of them. */
  readonly key: string | undefined;
}

interface History {
  readonly incarnation: string;
  readonly changes: readonly Change[];
}

interface Read {
  readonly key: string;
  readonly generation: number;
  readonly sentAt: SentAt | undefined;
  readonly order: number;
  isVoid: boolean;
  /** Undefined: the server has not run it. */
  mark: BucketMark | undefined;
}

interface Copy extends BucketMark {
  readonly order: number;
}

type Said =
  | { readonly kind: 'message'; readonly message: InvalidationMessage }
  | { readonly kind: 'probe'; readonly question: BucketQuestion; readonly answer: BucketAnswer };

class World {
  readonly #state = createBucketReads();
  readonly #copies = new Map<string, Copy>();
  #history: History = { incarnation: 'i0', changes: [] };
  /** What a master that was replaced still has. */
  #replaced: History | undefined;
  #question: BucketQuestion | undefined;
  /** What the server said on the connection and has not arrived. */
  #said: Said[] = [];
  #reads: Read[] = [];
  #count = 0;
  #isSilent = false;
  filled = 0;

  /** From now on the server that holds the subscription gets the history by copies of the whole, not by messages. */
  breakLink(): void {
    this.#isSilent = true;
  }

  write(key: string | undefined): void {
    const change = { stamp: `s${this.#next()}`, key };
    const { incarnation, changes } = this.#history;
    this.#history = { incarnation, changes: [...changes, change] };
    if (this.#state.live && !this.#isSilent) {
      const message: InvalidationMessage = {
        kind: key === undefined ? 'flush' : 'names',
        incarnation,
        sequence: changes.length + 1,
        stamp: change.stamp,
        names: key === undefined ? [] : [key],
      };
      this.#said.push({ kind: 'message', message });
    }
  }

  evict(): void {
    this.#history = { incarnation: `i${this.#next()}`, changes: [] };
  }

  /** The subscription stays: the server that holds it has taken over the history of another one. */
  failOver(lostWrites: number): void {
    const { incarnation, changes } = this.#history;
    this.#replaced = this.#history;
    this.#history = { incarnation, changes: changes.slice(0, Math.max(0, changes.length - lostWrites)) };
  }

  live(): void {
    this.lose();
    this.#feed({ kind: 'live' });
  }

  lose(): void {
    this.#said = [];
    this.#isSilent = false;
    this.#question = undefined;
    this.#feed({ kind: 'lost' });
    expect(this.#copies.size).toBe(0);
  }

  /** The next thing said; `isLate`: where that is a probe's reply, the message behind it comes first. */
  deliver(isLate: boolean): void {
    const isOvertaken = isLate && this.#said[0]?.kind === 'probe' && this.#said[1]?.kind === 'message';
    const [said] = this.#said.splice(isOvertaken ? 1 : 0, 1);
    if (said !== undefined) {
      this.#feed(said);
    }
  }

  ask(): void {
    if (this.#state.live && !this.#isProbing) {
      this.#question = createQuestion(this.#state);
    }
  }

  /** The server runs the probe. */
  answer(): void {
    const question = this.#question;
    if (question === undefined) {
      return;
    }
    this.#question = undefined;
    const { incarnation, changes } = this.#history;
    const answer = {
      incarnation: changes.length === 0 ? '' : incarnation,
      number: changes.length,
      stampOfAsked: changes[question.number - 1]?.stamp ?? '',
    };
    this.#said.push({ kind: 'probe', question, answer });
  }

  send(key: string): void {
    if (this.#state.live && this.#reads.length < 4) {
      const { generation, known } = this.#state;
      this.#reads.push({ key, generation, sentAt: known, order: this.#next(), isVoid: false, mark: undefined });
    }
  }

  /** A read's next step: at a server, back here. */
  goOn(pick: number, isReplaced: boolean): void {
    const read = this.#reads[pick % Math.max(1, this.#reads.length)];
    if (read === undefined) {
      return;
    }
    if (read.mark === undefined) {
      const { incarnation, changes } = (isReplaced ? this.#replaced : undefined) ?? this.#history;
      read.mark = { incarnation, number: changes.length, stamp: changes.at(-1)?.stamp ?? '' };
      return;
    }
    this.#reads.splice(this.#reads.indexOf(read), 1);
    this.#fill(read, read.mark);
  }

  settle(): void {
    while (this.#reads.length > 0) {
      this.goOn(0, false);
    }
    this.#deliverAll();
    this.ask();
    this.answer();
    this.#deliverAll();
    const { incarnation, changes } = this.#history;
    for (const [key, copy] of this.#copies) {
      expect([copy.incarnation, copy.stamp]).toEqual([incarnation, changes[copy.number - 1]?.stamp]);
      const later = changes.slice(copy.number);
      expect(later.filter((change) => (change.key ?? key) === key)).toEqual([]);
    }
  }

  get copyCount(): number {
    return this.#copies.size;
  }

  get #isProbing(): boolean {
    return this.#question !== undefined || this.#said.some(({ kind }) => kind === 'probe');
  }

  #deliverAll(): void {
    this.answer();
    while (this.#said.length > 0) {
      this.deliver(false);
    }
  }

  #fill(read: Read, mark: BucketMark): void {
    const isValid = !read.isVoid && this.#state.live && this.#state.generation === read.generation;
    if (!isValid || mark.number === 0 || (this.#copies.get(read.key)?.order ?? 0) > read.order) {
      return;
    }
    this.#copies.delete(read.key);
    if (this.#feed({ kind: 'read', mark, sentAt: read.sentAt }) === 'none') {
      this.filled += 1;
      this.#copies.set(read.key, { ...mark, order: read.order });
    }
  }

  #feed(event: BusEvent): string {
    const action = applyBusEvent(this.#state, event);
    if (action.kind === 'flush') {
      this.#copies.clear();
    } else if (action.kind === 'drop') {
      for (const name of action.names) {
        this.#copies.delete(name);
        for (const read of this.#reads.filter(({ key }) => key === name)) {
          read.isVoid = true;
        }
      }
    }
    return action.kind;
  }

  #next(): number {
    this.#count += 1;
    return this.#count;
  }
}

interface Step {
  readonly does: string;
  readonly of: unknown;
  act(world: World): void;
}

function steps<Of>(does: string, arbitrary: fc.Arbitrary<Of>, act: (world: World, of: Of) => void) {
  return arbitrary.map((of): Step => ({ does, of, act: (world) => act(world, of) }));
}

const key = fc.constantFrom(...KEYS);
const nothing = fc.constant(0);
const one = fc.boolean();
const twice = fc.record({ pick: fc.nat(8), isReplaced: fc.integer({ min: 0, max: 5 }).map((of) => of === 0) });

const step = fc.oneof(
  { weight: 8, arbitrary: steps('write', key, (world, of) => world.write(of)) },
  { weight: 1, arbitrary: steps('flush', nothing, (world) => world.write(undefined)) },
  { weight: 1, arbitrary: steps('break link', nothing, (world) => world.breakLink()) },
  { weight: 1, arbitrary: steps('evict', nothing, (world) => world.evict()) },
  { weight: 3, arbitrary: steps('fail over', fc.integer({ min: 0, max: 3 }), (world, of) => world.failOver(of)) },
  { weight: 8, arbitrary: steps('deliver', one, (world, of) => world.deliver(of)) },
  { weight: 3, arbitrary: steps('ask', nothing, (world) => world.ask()) },
  { weight: 3, arbitrary: steps('answer', nothing, (world) => world.answer()) },
  { weight: 8, arbitrary: steps('send', key, (world, of) => world.send(of)) },
  { weight: 16, arbitrary: steps('go on', twice, (world, of) => world.goOn(of.pick, of.isReplaced)) },
  { weight: 1, arbitrary: steps('live', nothing, (world) => world.live()) },
);

test('whatever history the server takes over: after a probe no copy is older than the truth, or of another one', () => {
  let filled = 0;
  let held = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), (history) => {
      const world = new World();
      world.live();
      for (const { act } of history) {
        act(world);
      }
      world.settle();
      filled += world.filled;
      held += world.copyCount;
    }),
    { numRuns: 10_000 },
  );
  // Copies are made and some are held to the end, or this shows nothing.
  expect(filled).toBeGreaterThan(10_000);
  expect(held).toBeGreaterThan(1_000);
});
