/**
 * Defines the rate-limiting algorithms in one table. To add an algorithm, write a .ts file and a .lua file and add a
 * row here.
 *
 * `number` is the value of the algorithm in the enum `pannier.v1.Algorithm`. The API, the Redis keys and the scripts
 * identify the algorithm by this number.
 */
import type { AlgorithmName } from '../../config/policy-file.ts';
import type { BucketState } from './bucket.ts';
import { fixedWindow } from './fixed-window.ts';
import { leakyBucket } from './leaky-bucket.ts';
import { slidingWindowCounter } from './sliding-window-counter.ts';
import { type SlidingWindowLogState, slidingWindowLog, slidingWindowLogBytes } from './sliding-window-log.ts';
import type { Steps } from './step.ts';
import { tokenBucket } from './token-bucket.ts';

/** Opaque state of a limit. Only the algorithm that created a state can read it. */
export type AlgorithmState = { readonly __state: never };

export interface Algorithm extends Steps<AlgorithmState> {
  readonly name: AlgorithmName;
  readonly number: number;
  /** Whether a limit with this algorithm may set a `burst` that differs from `limit`. */
  readonly isBucket: boolean;
  /** Returns the approximate memory that a state uses, in bytes. */
  stateBytes(state: AlgorithmState): number;
  /**
   * Restores the state at `nowMs` from the two numbers in a Redis value (scripts/lean/one-end.lua). The function is
   * undefined for the sliding window log, because its values contain more than two numbers.
   */
  readonly fromNumbers: ((numbers: StoredNumbers, windowMs: number) => AlgorithmState) | undefined;
}

/** Numbers that a lean script returns for a limit. These numbers describe the state at `nowMs`. */
interface StoredNumbers {
  readonly nowMs: number;
  readonly used: number;
  /** Units used in the previous window (sliding window counter), or the fraction of a unit (buckets). */
  readonly other: number;
}

export const ALGORITHMS: readonly Algorithm[] = [
  row({
    ...fixedWindow,
    name: 'fixed_window',
    number: 1,
    isBucket: false,
    stateBytes: smallState,
    fromNumbers: ({ nowMs, used }, windowMs) => ({ startMs: nowMs - (nowMs % windowMs), used }),
  }),
  row({
    ...slidingWindowLog,
    name: 'sliding_window_log',
    number: 2,
    isBucket: false,
    stateBytes: (state: SlidingWindowLogState) => slidingWindowLogBytes(state),
    fromNumbers: undefined,
  }),
  row({
    ...slidingWindowCounter,
    name: 'sliding_window_counter',
    number: 3,
    isBucket: false,
    stateBytes: smallState,
    fromNumbers: ({ nowMs, used, other }, windowMs) => ({
      startMs: nowMs - (nowMs % windowMs),
      previous: other,
      current: used,
    }),
  }),
  row({
    ...tokenBucket,
    name: 'token_bucket',
    number: 4,
    isBucket: true,
    stateBytes: smallState,
    fromNumbers: bucketOf,
  }),
  row({
    ...leakyBucket,
    name: 'leaky_bucket',
    number: 5,
    isBucket: true,
    stateBytes: smallState,
    fromNumbers: bucketOf,
  }),
];

const BY_NAME: ReadonlyMap<AlgorithmName, Algorithm> = new Map(ALGORITHMS.map((entry) => [entry.name, entry]));
const BY_NUMBER: ReadonlyMap<number, Algorithm> = new Map(ALGORITHMS.map((entry) => [entry.number, entry]));

export function algorithmNamed(name: AlgorithmName): Algorithm {
  const algorithm = BY_NAME.get(name);
  if (algorithm === undefined) {
    throw new TypeError(`cannot find algorithm ${name}: it is not in the list; add a row for it`);
  }
  return algorithm;
}

export function algorithmNumbered(number: number): Algorithm | undefined {
  return BY_NUMBER.get(number);
}

function bucketOf({ nowMs, used, other }: StoredNumbers): BucketState {
  return { atMs: nowMs, used, fraction: other };
}

/** Returns the memory that an object with two or three numbers uses, in bytes. */
function smallState(): number {
  return 80;
}

interface Row<State> extends Steps<State> {
  readonly name: AlgorithmName;
  readonly number: number;
  readonly isBucket: boolean;
  readonly stateBytes: (state: State) => number;
  readonly fromNumbers: ((numbers: StoredNumbers, windowMs: number) => State) | undefined;
}

/** Hides the state type of a row. This is safe, because only the functions of the same algorithm read its states. */
function row<State>(typed: Row<State>): Algorithm {
  return typed as unknown as Algorithm;
}
