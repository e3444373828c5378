/**
 * What one channel tells about the near copies of its bucket: a state machine without clock, connection or copies, so that a
 * test can feed it lost, late, repeated and reordered messages by the thousand.
 *
 * Promises, to whoever does what the actions say before it feeds the next event:
 *   1. After message n of an incarnation was applied, no copy is left that was read before any message up to n. A message that
 *      is missing shows as a gap, and a gap voids the whole bucket (R2).
 *   2. While the channel is not live there is no copy at all: `lost` voids the bucket (R3), messages in that state mean nothing.
 *   3. `generation` is another one after everything that voids the whole bucket. A fill whose read was sent under an older
 *      one must not be kept (R1).
 *   4. A number that comes again (a repeated message, or a failover that lost writes: R7) changes nothing; the loss of the
 *      connection to the old master has voided the bucket before.
 */
import type { InvalidationMessage } from './invalidation-message.ts';

export interface BucketState {
  live: boolean;
  /** Of the last message; undefined until there was one since the channel became live. */
  incarnation: string | undefined;
  sequence: number;
  generation: number;
}

export type BusEvent =
  | { readonly kind: 'live' }
  | { readonly kind: 'lost' }
  /** Undefined: it came and could not be read. */
  | { readonly kind: 'message'; readonly message: InvalidationMessage | undefined };

/**
 * Why a bucket is void.
 *   asked  somebody invalidated it whole
 *   first  the first message since the channel became live: what was sent between the two is not known to have come. A watch
 *          that heard `live` before it told its user that it had started needs only the names.
 *   gap    messages are missing, the sequence is a new one, or a message could not be read
 *   lost   the subscription was interrupted
 */
export type FlushCause = 'asked' | 'first' | 'gap' | 'lost';

export type BusAction =
  | { readonly kind: 'none' }
  | { readonly kind: 'drop'; readonly names: readonly string[] }
  | { readonly kind: 'flush'; readonly cause: FlushCause; readonly names: readonly string[] };

const NONE: BusAction = { kind: 'none' };

export function createBucketState(): BucketState {
  return { live: false, incarnation: undefined, sequence: 0, generation: 0 };
}

/** Moves the state by one event and says what must happen to the copies. */
export function applyBusEvent(state: BucketState, event: BusEvent): BusAction {
  switch (event.kind) {
    case 'live':
      return applyLive(state);
    case 'lost':
      return applyLost(state);
    case 'message':
      return state.live ? applyMessage(state, event.message) : NONE;
  }
}

function applyLive(state: BucketState): BusAction {
  // Live while live: the subscription was made anew, and nobody can say what was missed in between.
  const wasLive = state.live;
  state.live = true;
  forget(state);
  return wasLive ? flush('lost') : NONE;
}

function applyLost(state: BucketState): BusAction {
  if (!state.live) {
    return NONE;
  }
  state.live = false;
  forget(state);
  return flush('lost');
}

function applyMessage(state: BucketState, message: InvalidationMessage | undefined): BusAction {
  if (message === undefined) {
    forget(state);
    return flush('gap');
  }
  const isFirst = state.incarnation === undefined;
  const isSameSequence = state.incarnation === message.incarnation;
  if (isSameSequence && message.sequence <= state.sequence) {
    return NONE;
  }
  const isNext = isSameSequence && message.sequence === state.sequence + 1;
  state.incarnation = message.incarnation;
  state.sequence = message.sequence;
  if (isNext && message.kind === 'names') {
    return { kind: 'drop', names: message.names };
  }
  state.generation += 1;
  if (isNext || (isFirst && message.kind === 'flush')) {
    return flush('asked');
  }
  return { kind: 'flush', cause: isFirst ? 'first' : 'gap', names: isFirst ? message.names : [] };
}

function forget(state: BucketState): void {
  state.incarnation = undefined;
  state.sequence = 0;
  state.generation += 1;
}

function flush(cause: FlushCause): BusAction {
  return { kind: 'flush', cause, names: [] };
}
