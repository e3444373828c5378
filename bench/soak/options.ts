/**
 * The arguments of `make soak ARGS=...`.
 */
import { parseArgs } from 'node:util';

export interface SoakOptions {
  readonly calls: number;
  readonly growthBytesMax: number;
  readonly transport: string;
}

export const HELP = `make soak ARGS="...": many calls against the built sidecar, which must neither grow nor fail one

  --calls N         calls (50,000,000)
  --growth-mb N     how much more may be live at the end than in the first half (4)
  --transport NAME  http2 or grpc-js (http2)
  --help            this text
`;

const CALLS_MIN = 100_000;
const CALLS_MAX = 10_000_000_000;
const GROWTH_MB_MAX = 1_000;

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
  if (!(Number.isInteger(calls) && calls >= CALLS_MIN && calls <= CALLS_MAX)) {
    throw new Error(`Cannot soak: --calls is ${values.calls}, wanted ${CALLS_MIN} to ${CALLS_MAX}`);
  }
  const growthMb = Number(values['growth-mb']);
  if (!(growthMb > 0 && growthMb <= GROWTH_MB_MAX)) {
    throw new Error(`Cannot soak: --growth-mb is ${values['growth-mb']}, wanted above 0 and at most ${GROWTH_MB_MAX}`);
  }
  return { calls, growthBytesMax: growthMb * 1_000_000, transport: values.transport };
}
