/**
 * The arguments of `make soak ARGS=...`.
 */
import { parseArgs } from 'node:util';

export interface SoakOptions {
  readonly calls: number;
  readonly maxGrowthBytes: number;
  readonly transport: string;
}

export const HELP = `make soak ARGS="...": many calls against the built sidecar, which must neither grow nor fail one

  --calls N         calls (50,000,000)
  --growth-mb N     how much more may be live at the end than in the first half (4)
  --transport NAME  http2 or grpc-js (http2)
  --help            this text
`;

const MIN_CALLS = 100_000;
const MAX_CALLS = 10_000_000_000;
const MAX_GROWTH_MB = 1_000;

/** Undefined: the help was asked for. Throws with a text for the caller on what it does not know. */
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
    throw new Error(`cannot soak: --calls is ${values.calls}, wanted ${MIN_CALLS} to ${MAX_CALLS}`);
  }
  const growthMb = Number(values['growth-mb']);
  if (!(growthMb > 0 && growthMb <= MAX_GROWTH_MB)) {
    throw new Error(`cannot soak: --growth-mb is ${values['growth-mb']}, wanted above 0 and at most ${MAX_GROWTH_MB}`);
  }
  return { calls, maxGrowthBytes: growthMb * 1_000_000, transport: values.transport };
}
