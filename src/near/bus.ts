/**
 * Decides which near-cache entries the events of one channel invalidate. The module is a state machine that uses no
 * clock, no connections and no entries. So tests can run the state machine on thousands of histories with lost, late,
 * repeated and reordered messages.
 *
 * Three sources report changes of a bucket: messages, probes and reads. A probe reads the sequence of the bucket on the
 * connection that receives the messages. A read returns the position of the bucket together with the value. Each source
 * identifies a change by incarnation, number and stamp. After a failover that lost writes, numbers repeat but stamps do
 * not. So if two sources report the same number with different stamps, one of these sources reports a lost history.
 *
 * The following invariants hold if the caller executes each action before it passes the next event. R1 to R7 are the
 * races in docs/internals/cache-coherence.md.
 *   1. Once the bus has applied message n of an incarnation, no entry remains that message n or an earlier message
 *      invalidates. A missing message leaves a gap in the numbers, and a gap invalidates the whole bucket (R2).
 *   2. While the channel is not live, the bucket has no entries: `lost` invalidates the bucket (R3), and the bus does
 *      not let callers cache the results of reads. The bus also ignores messages.
 *   3. `generation` changes whenever the whole bucket is invalidated. The result of a read that was sent in an earlier
 *      generation must not be cached (R1).
 *   4. Within one live subscription, numbers only increase. One connection to one server neither repeats nor reorders
 *      messages. A new subscription starts without a known position. The subscriber first reports the channels of a
 *      moved slot as lost. So a number that is not above the known number shows that the server now has another history
 *      (R7). The bus then invalidates the bucket.
 *   5. Once all reads and messages have arrived and the server has answered a later probe, the mark of each entry
 *      belongs to the current history of the server. No later change in that history invalidates the entry.
 *
 * Invariant 5 has one exception. Another history may replace the known history without a message, end at exactly the
 * known number, and continue with messages before the next probe. The replacement then remains unnoticed, because the
 * first message has the next number and does not contain the stamp of the previous change. An entry that was read
 * before the replacement may then be stale for the rest of its lifetime.
 *
 * When the reply of a probe arrives, the bus has applied all messages that the server published before the server ran
 * the probe. The bus may also have applied later messages, because node-redis delivers the messages of a chunk before
 * the replies of the same chunk. So the number in a reply must lie between the number known when the probe was sent and
 * the number known now. The next probe checks later changes.
 */
import type { BucketMark } from './bucket-mark.ts';
import type { BucketAnswer, BucketQuestion } from './bucket-probe.ts';
import type { InvalidationMessage } from './invalidation-message.ts';
import { RING_SIZE } from './ring.ts';

/** Newest known change of a bucket. */
interface Known {
  /** Incarnation of the sequence; empty if the server has no sequence for the bucket. */
  readonly incarnation: string;
  readonly number: number;
  /** Stamps of the changes up to `number`, the newest last. An unknown stamp is an empty string. */
  readonly stamps: readonly string[];
}

/** Changes that reads have reported before the messages about these changes arrived. */
interface Ahead {
  readonly incarnation: string;
  readonly stamps: Map<number, string>;
}

export interface BucketReads {
  live: boolean;
  generation: number;
  /** Newest known change; undefined until the first message or probe after the channel became live. */
  known: Known | undefined;
  ahead: Ahead | undefined;
  /**
   * Whether two sources have contradicted each other. The bus does not let callers cache results of reads until a
   * message or a probe shows the history of the server.
   */
  isDoubted: boolean;
}

export type BusEvent =
  | { readonly kind: 'live' }
  | { readonly kind: 'lost' }
  /** A message arrived; `message` is undefined if the message could not be decoded. */
  | { readonly kind: 'message'; readonly message: InvalidationMessage | undefined }
  /** The reply of a probe arrived; `answer` is undefined if the reply could not be decoded. */
  | { readonly kind: 'probe'; readonly question: BucketQuestion; readonly answer: BucketAnswer | undefined }
  /**
   * A read that was sent in this generation has ended. `sentAt` is the position that was known when the read was sent.
   */
  | { readonly kind: 'read'; readonly mark: BucketMark; readonly sentAt: SentAt | undefined };

/** Known position of the bucket when a read was sent. */
export type SentAt = Pick<BucketMark, 'incarnation' | 'number'>;

/** Reason why a bucket is invalid. */
export type FlushCause =
  /** A client flushed the namespace. */
  | 'asked'
  /**
   * The first message arrived after the channel became live, and earlier messages may be missing. A watch needs only
   * the names of the message, because the watch starts or reports a flush once all of its channels are live.
   */
  | 'first'
  /** Messages are missing, the sequence or its history has been replaced, or a message could not be decoded. */
  | 'gap'
  /** The subscription was interrupted. */
  | 'lost';

export type BusAction =
  | { readonly kind: 'none' }
  /** The result of the read must not be cached. */
  | { readonly kind: 'refuse' }
  | { readonly kind: 'drop'; readonly names: readonly string[] }
  | { readonly kind: 'flush'; readonly cause: FlushCause; readonly names: readonly string[] };

/**
 * Maximum number of remembered stamps. The result of a read is not cached if the read reports a change that is older
 * than these stamps.
 */
const MAX_STAMPS = 4;
/**
 * Maximum number of remembered changes whose messages have not arrived. The result of a read that reports a further
 * change is not cached.
 */
const MAX_AHEAD = 16;

const NONE: BusAction = { kind: 'none' };
const REFUSE: BusAction = { kind: 'refuse' };

export function createBucketReads(): BucketReads {
  return { live: false, generation: 0, known: undefined, ahead: undefined, isDoubted: false };
}

/**
 * Returns the question of a probe: the known position, to be compared with the position on the server. The caller
 * passes the question back together with the answer.
 */
export function createQuestion(state: BucketReads): BucketQuestion {
  const { known, ahead, generation } = state;
  const shown = [...(ahead?.stamps ?? [])];
  const numbers = shown.map(([number]) => number);
  if (known !== undefined && known.incarnation !== '') {
    const { incarnation, number, stamps } = known;
    return { generation, incarnation, number, stamp: stamps.at(-1) ?? '', shown: numbers };
  }
  const [number, stamp] = shown.at(-1) ?? [0, ''];
  return { generation, incarnation: ahead?.incarnation, number, stamp, shown: numbers };
}

/** Applies one event to the state and returns the action that the caller must execute on the entries. */
export function applyBusEvent(state: BucketReads, event: BusEvent): BusAction {
  switch (event.kind) {
    case 'live':
      return applyLive(state);
    case 'lost':
      return applyLost(state);
    case 'message':
      return state.live ? applyMessage(state, event.message) : NONE;
    case 'probe':
      return state.live ? applyProbe(state, event.question, event.answer) : NONE;
    case 'read':
      return state.live ? applyRead(state, event.mark, event.sentAt) : REFUSE;
  }
}

function applyLive(state: BucketReads): BusAction {
  // A second `live` means that the channel was subscribed again, so messages in between may be missing.
  const wasLive = state.live;
  state.live = true;
  const flushed = flush(state, 'lost', undefined);
  return wasLive ? flushed : NONE;
}

function applyLost(state: BucketReads): BusAction {
  if (!state.live) {
    return NONE;
  }
  state.live = false;
  return flush(state, 'lost', undefined);
}

function applyMessage(state: BucketReads, message: InvalidationMessage | undefined): BusAction {
  if (message === undefined) {
    return doubt(state, undefined);
  }
  const { incarnation, sequence: number, stamp } = message;
  const { known, isDoubted } = state;
  const isContradicted = isDoubted || contradictsShown(state, incarnation, number, stamp);
  const isNext = !isContradicted && known?.incarnation === incarnation && number === known.number + 1;
  if (isNext && message.kind === 'names') {
    state.known = { incarnation, number, stamps: [...known.stamps.slice(1 - MAX_STAMPS), stamp] };
    state.ahead?.stamps.delete(number);
    return { kind: 'drop', names: message.names };
  }
  const isOfNewSequence = known?.incarnation === '' && number === 1;
  const isFirst = !isContradicted && (known === undefined || isOfNewSequence);
  const next = { incarnation, number, stamps: [stamp] };
  if (isNext || (isFirst && message.kind === 'flush')) {
    return flush(state, 'asked', next);
  }
  return flush(state, isFirst ? 'first' : 'gap', next, isFirst ? message.names : []);
}

function applyProbe(state: BucketReads, question: BucketQuestion, answer: BucketAnswer | undefined): BusAction {
  if (question.generation !== state.generation) {
    // The whole bucket has been invalidated since the probe was sent.
    return NONE;
  }
  if (answer === undefined) {
    return doubt(state, undefined);
  }
  const { known } = state;
  const found = { incarnation: answer.incarnation, number: answer.number, stamps: [stampOfAnswer(question, answer)] };
  const isWrong =
    contradictsQuestion(question, answer) ||
    (known === undefined ? state.isDoubted || !agreesWithShown(state, answer) : !agreesWithKnown(known, answer));
  if (isWrong) {
    return flush(state, 'gap', found);
  }
  state.isDoubted = false;
  if (known === undefined) {
    const shown = state.ahead?.stamps.get(answer.number) ?? '';
    state.known = shown === '' ? found : { ...found, stamps: [shown] };
    state.ahead?.stamps.delete(answer.number);
  } else if (known.number === answer.number && known.stamps.at(-1) === '') {
    state.known = found;
  }
  return NONE;
}

function applyRead(state: BucketReads, mark: BucketMark, sentAt: SentAt | undefined): BusAction {
  const { known } = state;
  const { incarnation, number, stamp } = mark;
  // A change without a stamp is treated as a change of every key.
  if (state.isDoubted || stamp === '' || (known !== undefined && !['', incarnation].includes(known.incarnation))) {
    return REFUSE;
  }
  if (sentAt?.incarnation === incarnation && number < sentAt.number) {
    // The server that ran the read is behind the server that sends the messages.
    return doubt(state, known);
  }
  if (known === undefined || known.incarnation === '' || number > known.number) {
    return noteShown(state, mark);
  }
  const at = known.stamps.length - 1 - (known.number - number);
  const knownStamp = known.stamps[at];
  if (knownStamp === undefined || (knownStamp === '' && number < known.number)) {
    return REFUSE;
  }
  if (knownStamp === '') {
    state.known = { ...known, stamps: [stamp] };
    return NONE;
  }
  return knownStamp === stamp ? NONE : doubt(state, known);
}

function noteShown(state: BucketReads, { incarnation, number, stamp }: BucketMark): BusAction {
  state.ahead ??= { incarnation, stamps: new Map() };
  const { stamps } = state.ahead;
  const shown = stamps.get(number);
  if (state.ahead.incarnation !== incarnation || (shown ?? stamp) !== stamp) {
    return doubt(state, state.known);
  }
  if (shown === undefined && stamps.size >= MAX_AHEAD) {
    return REFUSE;
  }
  stamps.set(number, stamp);
  return NONE;
}

/** Returns whether a read has reported a history that differs from the history of this message. */
function contradictsShown({ ahead }: BucketReads, incarnation: string, number: number, stamp: string): boolean {
  if (ahead === undefined || ahead.stamps.size === 0) {
    return false;
  }
  return ahead.incarnation !== incarnation || (ahead.stamps.get(number) ?? stamp) !== stamp;
}

/** Returns whether the history of the server differs from the history that was known when the probe was sent. */
function contradictsQuestion(question: BucketQuestion, answer: BucketAnswer): boolean {
  const { incarnation, number, stamp, shown } = question;
  if (incarnation === undefined) {
    return false;
  }
  if (incarnation !== answer.incarnation || answer.number < Math.max(number, ...shown)) {
    return true;
  }
  const isInRing = answer.number - number < RING_SIZE;
  return stamp !== '' && isInRing && answer.stampOfAsked !== stamp;
}

/**
 * Returns whether no read contradicts this answer, either with another incarnation or with a lower number. This check
 * applies only before the first message or probe of a live channel.
 */
function agreesWithShown({ ahead }: BucketReads, answer: BucketAnswer): boolean {
  if (ahead === undefined || ahead.stamps.size === 0) {
    return true;
  }
  return ahead.incarnation === answer.incarnation && Math.min(...ahead.stamps.keys()) >= answer.number;
}

function agreesWithKnown(known: Known, answer: BucketAnswer): boolean {
  return known.incarnation === answer.incarnation && answer.number <= known.number;
}

function stampOfAnswer(question: BucketQuestion, answer: BucketAnswer): string {
  return question.number === answer.number ? answer.stampOfAsked : '';
}

/**
 * Invalidates the bucket, and refuses to cache results of reads until a probe or a message shows the history of the
 * server.
 */
function doubt(state: BucketReads, known: Known | undefined): BusAction {
  const action = flush(state, 'gap', known);
  state.isDoubted = true;
  return action;
}

function flush(
  state: BucketReads,
  cause: FlushCause,
  known: Known | undefined,
  names: readonly string[] = [],
): BusAction {
  state.generation += 1;
  state.known = known;
  state.ahead = undefined;
  state.isDoubted = false;
  return { kind: 'flush', cause, names };
}
