/**
 * `pannier call METHOD JSON`: sends one call to a sidecar and prints the response as JSON.
 *
 * For a stream, the command prints one response per line until the server or Ctrl-C ends the stream. The command
 * succeeds in both cases. Exits with 0 after success. Exits with 1 and prints the status of the call on standard error
 * if the call failed. Exits with 2 and sends nothing if the command line or the request is invalid.
 */
import { Client, credentials, Metadata, type ServiceError, connectivityState as State } from '@grpc/grpc-js';
import { Command } from 'commander';
import { loadContract, methodsOf } from '../grpc/contract.ts';
import { type Contract, readContract } from '../grpc/descriptors.ts';
import { Status, type StatusCode, statusName } from '../grpc/status.ts';
import { requestFromJson, responseToJson } from './call-json.ts';
import { parseJsonText } from './call-json-text.ts';
import { type CallTarget, describeMethods, findAddress, findMethod } from './call-target.ts';

const DEFAULT_DEADLINE_MS = 5_000;
const MAX_INPUT_BYTES = 64 * 1024 * 1024;

const EXAMPLES = `
Examples:
  pannier call CheckRateLimit '{"policy": "api", "key": "ada"}'
  pannier call --text CacheSet '{"key": "greeting", "value": "hello"}'
  pannier call --text CacheGet '{"key": "greeting"}'
  pannier call --list`;

interface CallOptions {
  readonly address?: string;
  readonly deadlineMs?: string;
  readonly metadata?: readonly string[];
  readonly text?: boolean;
  readonly compact?: boolean;
  readonly list?: boolean;
}

/** Call whose method, address, request and headers the command has validated. */
interface PreparedCall {
  readonly contract: Contract;
  readonly target: CallTarget;
  readonly request: object;
  readonly warnings: readonly string[];
  readonly address: string;
  readonly metadata: Metadata;
  readonly deadlineMs: number | undefined;
  readonly asText: boolean;
  readonly compact: boolean;
}

type Prepared = { readonly call: PreparedCall } | { readonly problems: readonly string[] };

export function callCommand(): Command {
  return new Command('call')
    .description('Call a running sidecar and print the response as JSON.')
    .argument('[method]', 'name of the method, such as CheckRateLimit or pannier.v1.RateLimitService/CheckRateLimit')
    .argument('[json]', 'request as JSON, or - to read it from standard input', '{}')
    .option('--list', 'print every method with the fields of its request')
    .option('--text', 'read and print bytes fields as text; bytes that are not UTF-8 appear as base64:...')
    .option(
      '--address <host:port|unix:PATH>',
      'address of the sidecar (default: PANNIER_GRPC_ADDRESS, or else 127.0.0.1:9470)',
    )
    .option('--deadline-ms <n>', `deadline of the call in ms (default: ${DEFAULT_DEADLINE_MS}; none for streams)`)
    .option('--metadata <key=value>', 'request metadata to send; may be repeated', collect)
    .option('--compact', 'print the response on one line')
    .addHelpText('after', EXAMPLES)
    .action(async (method: string | undefined, json: string, options: CallOptions) => {
      process.exitCode = await run(method, json, options);
    });
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

async function run(method: string | undefined, json: string, options: CallOptions): Promise<number> {
  if (options.list === true) {
    process.stdout.write(`${describeMethods(readContract())}\n`);
    return 0;
  }
  const prepared = await prepare(method, json, options);
  if ('problems' in prepared) {
    for (const problem of prepared.problems) {
      complain(problem);
    }
    return 2;
  }
  for (const warning of prepared.call.warnings) {
    complain(`warning: ${warning}`);
  }
  const client = new Client(prepared.call.address, credentials.createInsecure(), {
    // Ignores proxy variables of the environment, because a sidecar is on this machine.
    'grpc.enable_http_proxy': 0,
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
  });
  const error = await send(client, prepared.call);
  const state = client.getChannel().getConnectivityState(false);
  const isConnected = state !== State.TRANSIENT_FAILURE && state !== State.CONNECTING;
  client.close();
  if (error === undefined) {
    return 0;
  }
  complain(describeFailure(error, isConnected, prepared.call));
  return 1;
}

async function prepare(method: string | undefined, json: string, options: CallOptions): Promise<Prepared> {
  if (method === undefined) {
    return {
      problems: ['cannot call the sidecar: no method is given; run "pannier call --list" to list all methods'],
    };
  }
  const contract = readContract();
  const target = findMethod(contract, method);
  const address = findAddress(options.address, process.env);
  const deadlineMs = parseDeadline(options.deadlineMs);
  const metadata = parseMetadata(options.metadata ?? []);
  const problems: string[] = [];
  for (const part of [target, address, deadlineMs, metadata]) {
    if (typeof part === 'object' && 'problem' in part) {
      problems.push(part.problem);
    }
  }
  if ('problem' in target || typeof address === 'object' || typeof deadlineMs === 'object' || 'problem' in metadata) {
    return { problems };
  }
  const text = json === '-' ? await readInput() : json;
  if (typeof text === 'object') {
    return { problems: [text.problem] };
  }
  const parsed = parseJsonText(text.trim() === '' ? '{}' : text);
  if ('problem' in parsed) {
    return { problems: [`cannot read the request: ${parsed.problem}`] };
  }
  const asText = options.text === true;
  const read = requestFromJson(parsed.value, target.method.requestType, { contract, asText });
  if ('problems' in read) {
    return { problems: read.problems };
  }
  const { message: request, warnings } = read;
  const compact = options.compact === true;
  return { call: { contract, target, request, warnings, address, metadata, deadlineMs, asText, compact } };
}

function parseDeadline(text: string | undefined): number | undefined | { readonly problem: string } {
  if (text === undefined) {
    return undefined;
  }
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    return { problem: `--deadline-ms must be an integer from 1 to 999999999, got ${JSON.stringify(text)}` };
  }
  return Number(text);
}

function parseMetadata(pairs: readonly string[]): Metadata | { readonly problem: string } {
  const metadata = new Metadata();
  for (const pair of pairs) {
    const [, key = '', value = ''] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
    try {
      // The value of a -bin header consists of bytes, so the command converts the text to UTF-8.
      metadata.add(key, key.toLowerCase().endsWith('-bin') ? Buffer.from(value, 'utf8') : value);
    } catch {
      return { problem: `--metadata must be KEY=VALUE in ASCII, got ${JSON.stringify(pair)}` };
    }
  }
  return metadata;
}

async function readInput(): Promise<string | { readonly problem: string }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size > MAX_INPUT_BYTES) {
      return { problem: `the request must be at most ${MAX_INPUT_BYTES} bytes, got more on standard input` };
    }
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    return { problem: 'the request must be JSON in UTF-8, got other bytes on standard input' };
  }
}

/** Sends the call and prints its responses. Resolves with the error if the call fails. */
function send(client: Client, call: PreparedCall): Promise<ServiceError | undefined> {
  const { service, method } = call.target;
  const definition = methodsOf(loadContract(), service)[method.name];
  if (definition === undefined || definition.requestStream) {
    throw new Error(`cannot call ${service}/${method.name}: methods that stream requests are not supported`);
  }
  const defaultMs = definition.responseStream ? undefined : DEFAULT_DEADLINE_MS;
  const deadlineMs = call.deadlineMs ?? defaultMs;
  const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
  const { path, requestSerialize, responseDeserialize } = definition;
  return new Promise((resolve) => {
    if (!definition.responseStream) {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        call.request,
        call.metadata,
        options,
        (error, response) => {
          if (error === null && response !== undefined) {
            print(call, response, call.compact);
          }
          resolve(error ?? undefined);
        },
      );
      return;
    }
    const stream = client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      call.request,
      call.metadata,
      options,
    );
    let isEnded = false;
    const end = (): void => {
      isEnded = true;
      stream.cancel();
    };
    process.once('SIGINT', end);
    process.once('SIGTERM', end);
    process.stdout.once('error', end);
    stream.on('data', (response: object) => print(call, response, true));
    stream.on('error', (error: ServiceError) => resolve(isEnded ? undefined : error));
    stream.on('end', () => resolve(undefined));
  });
}

function print(call: PreparedCall, response: object, onOneLine: boolean): void {
  const json = responseToJson(response, call.target.method.responseType, call);
  process.stdout.write(`${JSON.stringify(json, null, onOneLine ? undefined : 2)}\n`);
}

function describeFailure(error: ServiceError, isConnected: boolean, call: PreparedCall): string {
  const name = statusName(error.code as StatusCode);
  if (isConnected) {
    return `${name}: ${error.details}`;
  }
  const inTime = error.code === Status.DEADLINE_EXCEEDED ? ' in time' : '';
  const cause = /\b(E[A-Z]{4,})\b/.exec(error.details)?.[1] ?? `no connection${inTime}`;
  return (
    `${name}: cannot reach a sidecar at ${call.address}: ${cause}; ` +
    'start one with "pannier serve", or set its address with --address or PANNIER_GRPC_ADDRESS'
  );
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}
