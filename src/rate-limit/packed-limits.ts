/**
 * Packs the limits of a call into one string argument for the Lua scripts, and decides whether a lean script can
 * process them.
 *
 * A packed limit consists of the algorithm number, the limit, the window in ms, the burst, the length of the field
 * name, and the field name. The algorithm number and the length take one character each, and the other numbers take six
 * characters each. The limits of a policy are packed only once.
 *
 * Invariants:
 *   1. The code of every character is below 128, so node-redis sends the string without a conversion. A Buffer would
 *      cost two more socket writes per call.
 *   2. Six characters of 7 bits can represent the largest allowed numbers: 2^36 units and 400 days in ms.
 *   3. A lean script can decide a limit only if doubles represent all products of the script exactly: (capacity + 2) *
 *      window < 2^52. This condition does not apply to a fixed window, because its script computes no product. The
 *      general script decides all other limits, including every sliding window log.
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
