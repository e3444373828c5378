/**
 * Arguments of `make soak ARGS=...`.
 */
import { parseArgs } from 'node:util';

export interface SoakOptions {
  readonly calls: number;
  readonly maxGrowthBytes: number;
  readonly transport: string;
}

export const HELP = `make soak ARGS="...": checks that the built sidecar neither leaks memory nor fails a call in a long run

  --calls N         number of calls (50,000,000)
  --growth-mb N     maximum growth of live memory, in MB, between the first half of the calls and the end (4)
  --transport NAME  transport of the sidecar, http2 or grpc-js (http2)
  --help            print this text
`;

const MIN_CALLS = 100_000;
const MAX_CALLS = 10_000_000_000;
const MAX_GROWTH_MB = 1_000;

/** Parses the arguments. Returns undefined for --help. Throws an error with a message for the user if an argument is invalid. */
export function parseOptions(args: readonly string[]): SoakOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      calls: { type: 'string', default: '50000000' },
      'growth-mb': { type: 'string', default: '4' },
      transport: { type: 'string', default: 'http2' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    return undefined;
  }
  const calls = Number(values.calls);
  if (!(Number.isInteger(calls) && calls >= MIN_CALLS && calls <= MAX_CALLS)) {
    throw new Error(`--calls must be an integer between ${MIN_CALLS} and ${MAX_CALLS}, got ${values.calls}`);
  }
  const growthMb = Number(values['growth-mb']);
  if (!(growthMb > 0 && growthMb <= MAX_GROWTH_MB)) {
    throw new Error(`--growth-mb must be a number above 0 and at most ${MAX_GROWTH_MB}, got ${values['growth-mb']}`);
  }
  return { calls, maxGrowthBytes: growthMb * 1_000_000, transport: values.transport };
}
