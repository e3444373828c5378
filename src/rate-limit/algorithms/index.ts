/**
 * The algorithms: one typed list. Adding one is a pair of files (.ts and .lua) and a row here.
 *
 * `number` is the value of `pannier.v1.Algorithm`; it names the algorithm on the wire, in Redis and in the script.
 */
import type { AlgorithmName } from '../../config/policy-file.ts';
import { stepFixedWindow } from './fixed-window.ts';
import { stepLeakyBucket } from './leaky-bucket.ts';
import { stepSlidingWindowCounter } from './sliding-window-counter.ts';
import { type SlidingWindowLogState, slidingWindowLogBytes, stepSlidingWindowLog } from './sliding-window-log.ts';
import type { StepFunction } from './step.ts';
import { stepTokenBucket } from './token-bucket.ts';

/** A state as stores hold it: made by a step of an algorithm and given back to the same one, never looked into. */
export type AlgorithmState = { readonly __state: never };

export interface Algorithm {
  readonly name: AlgorithmName;
  readonly number: number;
  readonly step: StepFunction<AlgorithmState>;
  /** Whether `burst` may differ from `limit`. */
  readonly isBucket: boolean;
  /** About what a state takes in memory. */
  stateBytes(state: AlgorithmState): number;
}

export const ALGORITHMS: readonly Algorithm[] = [
  row({ name: 'fixed_window', number: 1, step: stepFixedWindow, isBucket: false, stateBytes: smallState }),
  row({
    name: 'sliding_window_log',
    number: 2,
    step: stepSlidingWindowLog,
    isBucket: false,
    stateBytes: (state: SlidingWindowLogState) => slidingWindowLogBytes(state),
  }),
  row({
    name: 'sliding_window_counter',
    number: 3,
    step: stepSlidingWindowCounter,
    isBucket: false,
    stateBytes: smallState,
  }),
  row({ name: 'token_bucket', number: 4, step: stepTokenBucket, isBucket: true, stateBytes: smallState }),
  row({ name: 'leaky_bucket', number: 5, step: stepLeakyBucket, isBucket: true, stateBytes: smallState }),
];

const BY_NAME: ReadonlyMap<AlgorithmName, Algorithm> = new Map(ALGORITHMS.map((entry) => [entry.name, entry]));
const BY_NUMBER: ReadonlyMap<number, Algorithm> = new Map(ALGORITHMS.map((entry) => [entry.number, entry]));

export function algorithmNamed(name: AlgorithmName): Algorithm {
  const algorithm = BY_NAME.get(name);
  if (algorithm === undefined) {
    throw new TypeError(`Cannot find algorithm ${name}: it is not in the list, wanted a row for it`);
  }
  return algorithm;
}

export function algorithmNumbered(number: number): Algorithm | undefined {
  return BY_NUMBER.get(number);
}

/** Two or three numbers and their object. */
function smallState(): number {
  return 80;
}

/** Forgets the type of an algorithm's state, which no one but its own step looks into. */
function row<State>(typed: {
  name: AlgorithmName;
  number: number;
  step: StepFunction<State>;
  isBucket: boolean;
  stateBytes: (state: State) => number;
}): Algorithm {
  return typed as unknown as Algorithm;
}
