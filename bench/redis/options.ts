/**
 * Arguments of `make bench-redis ARGS=...`.
 */
import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** Measured time of an operation in each round and load, in seconds. */
  readonly secondsPerRow: number;
  readonly rounds: number;
  /** The benchmark measures the operations whose names contain one of these strings, and always the baselines. */
  readonly only: readonly string[];
  readonly isStrict: boolean;
  readonly isJson: boolean;
}

export const HELP = `make bench-redis ARGS="...": measures the CPU of the Redis process per operation, compared with single commands

  --rounds N       number of interleaved rounds, whose medians and spreads are printed (5)
  --seconds N      measured time of an operation in each round and load (0.6)
  --quick          short run: 2 rounds of 0.15 s
  --only TEXT      measure only operations whose name contains TEXT, and the baselines; repeatable
  --strict         exit with code 1 if a target is not met
  --json           print one JSON object instead of tables
  --help           print this text
`;

const DEFAULTS = { rounds: '5', seconds: '0.6' };
const QUICK = { rounds: '2', seconds: '0.15' };
const MAX_SECONDS = 60;
const MAX_ROUNDS = 100;

/** Parses the arguments. Returns undefined for --help. Throws an error with a message for the user if an argument is invalid. */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      strict: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    return undefined;
  }
  const defaults = values.quick ? QUICK : DEFAULTS;
  return {
    secondsPerRow: readNumber('--seconds', values.seconds ?? defaults.seconds, MAX_SECONDS),
    rounds: Math.ceil(readNumber('--rounds', values.rounds ?? defaults.rounds, MAX_ROUNDS)),
    only: values.only,
    isStrict: values.strict,
    isJson: values.json,
  };
}

function readNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!(value > 0 && value <= max)) {
    throw new Error(`${name} must be a number above 0 and at most ${max}, got ${text}`);
  }
  return value;
}
