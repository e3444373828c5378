/**
 * All numbers of the limits of a call as one text, built once per policy, and which script decides such a call.
 *
 * Per limit: the number of the algorithm, limit, window in ms and burst, the length of the field, the field. The algorithm and the length are
 * one character each, a number is six. Invariants:
 *   1. Every character is below 128 (7 bits), so the text is sent as it is: a Buffer would cost node-redis two more writes per call.
 *   2. Six characters of 7 bits hold what a limit may have: 2^36 units, 400 days.
 *   3. A limit is lean if no product of a lean script can leave the exact range of a double: (capacity + 2) * window < 2^52. A fixed
 *      window forms no product. Other limits, and logs, are decided by the general script.
 */
import type { Algorithm } from './algorithms/algorithm.ts';
import type { StepLimit } from './algorithms/step.ts';

export interface PackableLimit {
  readonly algorithm: Algorithm;
  readonly spec: StepLimit;
  readonly capacity: number;
  readonly field: string;
}

const NUMBER_CHARACTERS = 6;
const BASE = 128;
const MAX_LEAN_PRODUCT = 2 ** 52;

export function packLimits(limits: readonly PackableLimit[]): string {
  let packed = '';
  for (const { algorithm, spec, field } of limits) {
    packed += String.fromCharCode(algorithm.number);
    packed += packNumber(spec.limit) + packNumber(spec.windowMs) + packNumber(spec.burst);
    packed += String.fromCharCode(field.length) + field;
  }
  return packed;
}

export function isLean({ algorithm, spec, capacity }: PackableLimit): boolean {
  if (algorithm.name === 'fixed_window') {
    return true;
  }
  return algorithm.fromNumbers !== undefined && (capacity + 2) * spec.windowMs < MAX_LEAN_PRODUCT;
}

function packNumber(value: number): string {
  let packed = '';
  let rest = value;
  for (let index = 0; index < NUMBER_CHARACTERS; index += 1) {
    packed = String.fromCharCode(rest % BASE) + packed;
    rest = Math.floor(rest / BASE);
  }
  return packed;
}
