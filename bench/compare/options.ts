/**
 * Arguments of `make bench-compare BASE=<commit> ARGS=...`.
 */
import { parseArgs } from 'node:util';

export interface CompareOptions {
  /** Name of a commit that git can resolve. */
  readonly base: string;
  readonly rounds: number;
  /** Measured time of each figure and build in a round, in seconds. */
  readonly seconds: number;
}

export const HELP = `make bench-compare BASE=<commit> ARGS="...": compares CPU per call and idle memory of this working tree with another commit

  --base COMMIT    commit to compare with (BASE)
  --rounds N       number of rounds; each measures the base twice and this working tree once, in varying order (15)
  --seconds N      measured time of each call and build in a round (1.2)
  --help           print this text

The exit code is 1 if a ratio exceeds its limit, or if a call failed. The default run takes about 10 minutes.
`;

const MAX_ROUNDS = 100;
/** Minimum for `--seconds`. Each of five passes takes a fifth of this time, and the kernel counts CPU time in steps of up to 4 ms. */
const MIN_SECONDS = 0.5;
const MAX_SECONDS = 10;

/** Parses the arguments. Returns undefined for --help. Throws an error with a message for the user if an argument is invalid. */
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
