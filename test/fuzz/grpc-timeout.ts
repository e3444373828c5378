/**
 * Fuzzes the parser of `grpc-timeout`.
 *
 * Invariant: a value that the gRPC specification allows is parsed correctly, and any other value is rejected.
 */
import { parseGrpcTimeout } from '../../src/grpc/deadline.ts';
import type { FastRandom } from '../support/http2/random.ts';
import { mutate } from './mutate.ts';
import { ensure, type FuzzTarget } from './target.ts';

/** Milliseconds per unit. */
const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

export const grpcTimeoutTarget: FuzzTarget = {
  name: 'grpc-timeout',
  share: 8,
  run: (random) => {
    const good = `${random.below(10 ** random.below(10))}${random.pick(Object.keys(UNITS))}`;
    const text = input(good, random);
    const found = parseGrpcTimeout(text);
    const expected = reference(text);
    const isSame = found === expected || Math.abs(Number(found) - Number(expected)) < 1e-9 * Number(expected);
    ensure(isSame, 'a timeout is parsed incorrectly', () => ({ text, found, expected }));
    return undefined;
  },
};

function input(good: string, random: FastRandom): string {
  if (random.once(2)) {
    return good;
  }
  return random.once(4)
    ? random.bytes(random.below(12)).toString('latin1')
    : mutate(Buffer.from(good), random, 2).toString('latin1');
}

/** Parses one to eight digits and a unit, character by character. */
function reference(text: string): number | undefined {
  const digits = [...text.slice(0, -1)];
  const unit = Object.hasOwn(UNITS, text.slice(-1)) ? UNITS[text.slice(-1)] : undefined;
  const areDigits = digits.length >= 1 && digits.length <= 8 && digits.every((digit) => digit >= '0' && digit <= '9');
  return unit === undefined || !areDigits ? undefined : Number(digits.join('')) * unit;
}
