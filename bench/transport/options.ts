/**
 * Arguments of `make bench-transport ARGS=...`.
 */
import { parseArgs } from 'node:util';
import { CLIENT_NAMES, type ClientName } from './load-client.ts';
import { planRows } from './rows.ts';

export interface BenchOptions {
  /** Measured time of a row in each round, in seconds. */
  readonly secondsPerRow: number;
  readonly rounds: number;
  readonly only: readonly string[];
  readonly isFull: boolean;
  readonly isJson: boolean;
  /** Load generator: grpc-go's client, a minimal client that does not limit the server, or the client on node:http2. */
  readonly client: ClientName;
}

export const HELP = `make bench-transport ARGS="...": measures the cost of a call on each transport, compared with node:http2 and grpc-go

  --only WORDS     measure only the rows that have all these words (separated by commas); repeatable
                   words: tcp unix, closed-1 closed-64 open-500 open-2000 open-5000,
                   empty redis inline, grpc-js node-http2 http2 grpc-go
  --seconds N      measured time of a row in each round (0.6)
  --rounds N       number of rounds; the medians of the quieter half are printed (5)
  --full           also measure every load on the unix socket and with limits in the request
  --client NAME    load generator (h2): h2 is a minimal client that does not limit the server, grpc is grpc-go's client,
                   and node is a client on node:http2 that needs no Go and only supports closed loops
  --json           print one JSON object instead of tables
  --help           print this text
`;

const MAX_SECONDS = 600;
const MAX_ROUNDS = 100;

/** Parses the arguments. Returns undefined for --help. Throws an error with a message for the user if an argument is invalid. */
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
    throw new Error(`--client must be one of ${CLIENT_NAMES.join(', ')}, got ${values.client}`);
  }
  if (planRows({ isFull: values.full, only: values.only }).length === 0) {
    throw new Error(`--only must be words of one row, got ${values.only.join(' ')}; run with --help for the words`);
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
    throw new Error(`${name} must be a number above 0 and at most ${max}, got ${text}`);
  }
  return value;
}
