/**
 * Arguments of `make soak-memory ARGS=...`.
 */
import { parseArgs } from 'node:util';

export interface MemorySoakOptions {
  readonly subjects: number;
  readonly minSubjects: number;
  readonly maxMinutes: number;
}

export const HELP = `make soak-memory ARGS="...": fills the memory stores of the built sidecar beyond their bounds, with the heap flags of a container
of 192Mi. The sidecar must answer every call, and its resident memory must stay below 192 MiB and stop growing once the stores are full.

  --subjects N      number of distinct subjects whose limits are checked (10,000,000)
  --minutes N       maximum time of all phases; the run skips subjects for which there is no time left (60)
  --min-subjects N  minimum number of subjects that must be checked within that time (1,000,000)
  --help            print this text
`;

const MIN_COUNT = 100_000;
/** Maximum number of subjects that eight digits can distinguish. */
const MAX_COUNT = 90_000_000;
const MAX_MINUTES = 1_440;

/** Parses the arguments. Returns undefined for --help. Throws an error with a message for the user if an argument is invalid. */
export function parseMemoryOptions(args: readonly string[]): MemorySoakOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      subjects: { type: 'string', default: '10000000' },
      'min-subjects': { type: 'string', default: '1000000' },
      minutes: { type: 'string', default: '60' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    return undefined;
  }
  const subjects = readNumber('--subjects', values.subjects, { min: MIN_COUNT, max: MAX_COUNT });
  const minSubjects = readNumber('--min-subjects', values['min-subjects'], { min: MIN_COUNT, max: MAX_COUNT });
  const maxMinutes = readNumber('--minutes', values.minutes, { min: 1, max: MAX_MINUTES });
  return { subjects, minSubjects: Math.min(subjects, minSubjects), maxMinutes };
}

function readNumber(name: string, text: string, { min, max }: { min: number; max: number }): number {
  const value = Number(text);
  if (!(Number.isInteger(value) && value >= min && value <= max)) {
    throw new Error(`${name} must be an integer between ${min} and ${max}, got ${text}`);
  }
  return value;
}
