/**
 * What one channel tells about the near copies of its bucket: a state machine without clock, connection or copies, so that a
 * test can feed it lost, late, repeated and reordered messages by the thousand.
 *
 * Three witnesses speak: messages, probes (what the server's sequence is, asked on the connection of the messages) and the marks of reads
 * that may leave a copy. All three name a change by incarnation, number and stamp. Numbers come again after a failover that lost writes,
 * stamps never do: where two witnesses name the same number with different stamps, one of them is of a history that is gone.
 *
 * Promises, to whoever does what the actions say before it feeds the next event:
 *   1. After message n of an incarnation was applied, no copy is left that was read before any message up to n. A message that
 *      is missing shows as a gap, and a gap invalidates the whole bucket (R2).
 *   2. While the channel is not live there is no copy at all: `lost` invalidates the bucket (R3), messages in that state mean nothing.
 *   3. `generation` is another one after everything that invalidates the whole bucket. A fill whose read was sent under an older
 *      one must not be kept (R1).
 *   4. Within one live subscription numbers only grow. One connection to one server neither repeats nor reorders messages, a new
 *      subscription forgets what was known, and a slot that moves is a loss first. So a number that does not grow is of a server that
 *      took over another history (R7): the bucket is invalid.
 *   5. When all reads and messages have arrived and a probe was answered after them, each copy's mark is of the history that the server has
 *      now, and no later change of that history invalidates it. The one exception: a history that is replaced without a message, by one that has
 *      come to exactly the known number, and that goes on with messages before the next probe, is not noticed. Its first message follows on
 *      what is known, and a message does not name the stamp of the change before it. A copy that was read before the replacement may then
 *      be old for as long as it lives.
 *
 * About probes. Whatever was published before the server ran the probe was applied before its reply is. Messages published after it may
 * have been applied too: node-redis hands over messages while it reads a chunk, and replies after that. So the number that a reply
 * returns must lie between what was known when the probe was made and what is known now, and a later probe is the judge of the rest.
 */
import type { BucketMark } from './bucket-mark.ts';
import type { BucketAnswer, BucketQuestion } from './bucket-probe.ts';
import type { InvalidationMessage } from './invalidation-message.ts';
import { RING_SIZE } from './ring.ts';

/** The newest change that is known of a bucket. */
interface Known {
  /** Empty: the server has no sequence for the bucket. */
  readonly incarnation: string;
  readonly number: number;
  /** Of the changes up to `number`, the newest last; empty text where it is not known. */
  readonly stamps: readonly string[];
}

/** What reads have shown of changes whose messages have not come. */
interface Ahead {
  readonly incarnation: string;
  readonly stamps: Map<number, string>;
}

export interface BucketReads {
  live: boolean;
  generation: number;
  /** Undefined until there was a message or a probe since the channel became live. */
  known: Known | undefined;
  ahead: Ahead | undefined;
  /** A witness contradicted another: reads leave no copy until a message or a probe has settled it. */
  isDoubted: boolean;
}

export type BusEvent =
  | { readonly kind: 'live' }
  | { readonly kind: 'lost' }
  /** Undefined: it came and could not be read. */
  | { readonly kind: 'message'; readonly message: InvalidationMessage | undefined }
  /** Undefined: the reply could not be read. */
  | { readonly kind: 'probe'; readonly question: BucketQuestion; readonly answer: BucketAnswer | undefined }
  /** A read that may leave a copy: sent in this generation, when `sentAt` was known. */
  | { readonly kind: 'read'; readonly mark: BucketMark; readonly sentAt: SentAt | undefined };

/** What was known of the bucket when a read was sent. */
export type SentAt = Pick<BucketMark, 'incarnation' | 'number'>;

/**
 * Why a bucket is invalid.
 *   asked  somebody invalidated it whole
 *   first  the first message since the channel became live: what was sent between the two is not known to have come. A watch
 *          that heard `live` before it told its user that it had started needs only the names.
 *   gap    messages are missing, the sequence or its history is another one, or a message could not be read
 *   lost   the subscription was interrupted
 */
export type FlushCause = 'asked' | 'first' | 'gap' | 'lost';

export type BusAction =
  | { readonly kind: 'none' }
  /** Of a read: it must not leave a copy. */
  | { readonly kind: 'refuse' }
  | { readonly kind: 'drop'; readonly names: readonly string[] }
  | { readonly kind: 'flush'; readonly cause: FlushCause; readonly names: readonly string[] };

/** So many changes may pass between the sending of a read and its answer; a read that is older leaves no copy. */
const MAX_STAMPS = 4;
/** So many changes that reads have shown may wait for their messages; a read that shows one more leaves no copy. */
const MAX_AHEAD = 16;

const NONE: BusAction = { kind: 'none' };
const REFUSE: BusAction = { kind: 'refuse' };

export function createBucketReads(): BucketReads {
  return { live: false, generation: 0, known: undefined, ahead: undefined, isDoubted: false };
}

/** What a probe that is made now asks; hand it back with the answer. */
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

/** Moves the state by one event and says what must happen to the copies. */
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
  // Live while live: the subscription was repeated, and what was missed in between is unknown.
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
    // Everything that it asked about was invalidated meanwhile.
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
  // A change without a stamp counts as a change of every key.
  if (state.isDoubted || stamp === '' || (known !== undefined && !['', incarnation].includes(known.incarnation))) {
    return REFUSE;
  }
  if (sentAt?.incarnation === incarnation && number < sentAt.number) {
    // The server that was read is behind the one that sends the messages.
    return doubt(state, known);
  }
  if (known === undefined || known.incarnation === '' || number > known.number) {
    return noteShown(state, mark);
  }
  const at = known.stamps.length - 1 - (known.number - number);
  const heard = known.stamps[at];
  if (heard === undefined || (heard === '' && number < known.number)) {
    return REFUSE;
  }
  if (heard === '') {
    state.known = { ...known, stamps: [stamp] };
    return NONE;
  }
  return heard === stamp ? NONE : doubt(state, known);
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

/** Whether reads have shown something else than this message. */
function contradictsShown({ ahead }: BucketReads, incarnation: string, number: number, stamp: string): boolean {
  if (ahead === undefined || ahead.stamps.size === 0) {
    return false;
  }
  return ahead.incarnation !== incarnation || (ahead.stamps.get(number) ?? stamp) !== stamp;
}

/** Whether the server has another history than the one that the probe was made in. */
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

/** Without a message since the channel became live, every read must have shown what the server has, or what came after the probe. */
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

/** Invalidates the bucket, and believes no read before a probe or a message has shown which history the server has. */
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
