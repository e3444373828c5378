/**
 * The arguments of `make bench-compare BASE=<commit> ARGS=...`.
 */
import { parseArgs } from 'node:util';

export interface CompareOptions {
  /** Any name that git knows for a commit. */
  readonly base: string;
  readonly rounds: number;
  /** Measured time of a figure of one build in each round. */
  readonly seconds: number;
}

export const HELP = `make bench-compare BASE=<commit> ARGS="...": CPU per call and idle memory of this working tree, beside those of another commit

  --base COMMIT    commit to compare with (BASE)
  --rounds N       rounds; each measures the base twice and this working tree once, in another order (15)
  --seconds N      measured time of each call of a build in a round (1.2)
  --help           this text

Exits 1 when a ratio exceeds its limit, or when a call failed. The default run takes about 10 minutes.
`;

const MAX_ROUNDS = 100;
/** A fifth of it is one pass: the kernel counts the CPU of a busy thread in steps of up to 4 ms. */
const MIN_SECONDS = 0.5;
const MAX_SECONDS = 10;

/** Undefined: the help was requested. Throws with a text for the caller if an argument is not accepted. */
export function parseOptions(args: readonly string[]): CompareOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      base: { type: 'string', default: '' },
      rounds: { type: 'string', default: '15' },
      seconds: { type: 'string', default: '1.2' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    return undefined;
  }
  if (values.base === '') {
    throw new Error('--base must be a commit of this repository, got none; run `make bench-compare BASE=<commit>`');
  }
  return {
    base: values.base,
    rounds: readRounds(values.rounds),
    seconds: readSeconds(values.seconds),
  };
}

function readRounds(text: string): number {
  const rounds = Number(text);
  if (!(Number.isInteger(rounds) && rounds >= 1 && rounds <= MAX_ROUNDS)) {
    throw new Error(`--rounds must be an integer between 1 and ${MAX_ROUNDS}, got ${text}`);
  }
  return rounds;
}

function readSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds >= MIN_SECONDS && seconds <= MAX_SECONDS)) {
    throw new Error(`--seconds must be a number between ${MIN_SECONDS} and ${MAX_SECONDS}, got ${text}`);
  }
  return seconds;
}
