/**
 * The arguments of `make bench-transport ARGS=...`.
 */
import { parseArgs } from 'node:util';
import { CLIENT_NAMES, type ClientName } from './load-client.ts';
import { planRows } from './rows.ts';

export interface BenchOptions {
  /** Measured time of a row in each round. */
  readonly secondsPerRow: number;
  readonly rounds: number;
  readonly only: readonly string[];
  readonly isFull: boolean;
  readonly isJson: boolean;
  /** The engine of the load generator: grpc-go's client, or a thin one that is never the limit; or the one on node:http2. */
  readonly client: ClientName;
}

export const HELP = `make bench-transport ARGS="...": what a call costs on each transport, beside node:http2 and grpc-go

  --only WORDS     measure the rows that have all these words (separated by commas); may be repeated
                   words: tcp unix, closed-1 closed-64 open-500 open-2000 open-5000,
                   empty redis inline, grpc-js node-http2 http2 grpc-go
  --seconds N      measured time of a row in each round (0.6)
  --rounds N       rounds; medians of the calmer half are printed (5)
  --full           every load on the unix socket and with limits of the call as well
  --client NAME    h2: a thin client that is never the limit; grpc: grpc-go's, what a Go caller sees;
                   node: on node:http2, closed loops alone, needs no Go (h2)
  --json           one JSON object instead of the tables
  --help           this text
`;

const MAX_SECONDS = 600;
const MAX_ROUNDS = 100;

/** Undefined: the help was asked for. Throws with a text for the caller on what it does not know. */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '0.6' },
      rounds: { type: 'string', default: '5' },
      only: { type: 'string', multiple: true, default: [] },
      full: { type: 'boolean', default: false },
      client: { type: 'string', default: 'h2' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    return undefined;
  }
  const client = CLIENT_NAMES.find((name) => name === values.client);
  if (client === undefined) {
    throw new Error(`cannot bench: --client is ${values.client}, wanted one of ${CLIENT_NAMES.join(', ')}`);
  }
  if (planRows({ isFull: values.full, only: values.only }).length === 0) {
    throw new Error(`cannot bench: --only is ${values.only.join(' ')}, wanted words of one row (--help lists them)`);
  }
  return {
    secondsPerRow: numberOf('--seconds', values.seconds, MAX_SECONDS),
    rounds: Math.ceil(numberOf('--rounds', values.rounds, MAX_ROUNDS)),
    only: values.only,
    isFull: values.full,
    isJson: values.json,
    client,
  };
}

function numberOf(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!(value > 0 && value <= max)) {
    throw new Error(`cannot bench: ${name} is ${text}, wanted a number above 0 and at most ${max}`);
  }
  return value;
}
