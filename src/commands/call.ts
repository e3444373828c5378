/**
 * `pannier call METHOD JSON`: one call to a sidecar from a shell, to try it and to look at what it answers.
 *
 * Exit codes: 0 answered; 1 the call failed, its code and text are on stderr; 2 the command line or the request is wrong, and nothing
 * was sent. A stream of answers is printed a line each until it ends or Ctrl-C ends it, which is no failure.
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

interface CallOptions {
  readonly address?: string;
  readonly deadlineMs?: string;
  readonly metadata?: readonly string[];
  readonly text?: boolean;
  readonly compact?: boolean;
  readonly list?: boolean;
}

/** All that it takes to call, checked. */
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
    .description('Call a running sidecar and print its answer as JSON.')
    .argument('[method]', 'e.g. CheckRateLimit, or in full pannier.v1.RateLimitService/CheckRateLimit')
    .argument('[json]', 'the request as JSON; - reads it from standard input', '{}')
    .option('--list', 'print every method with the fields of its request')
    .option('--text', 'bytes are given and printed as text, not as base64 (what is no text: base64:...)')
    .option('--address <host:port|unix:PATH>', 'the sidecar (default: PANNIER_GRPC_ADDRESS, else 127.0.0.1:9470)')
    .option('--deadline-ms <n>', `give up after this long (default: ${DEFAULT_DEADLINE_MS}; streams: never)`)
    .option('--metadata <k=v>', 'send this header; may be repeated', collect)
    .option('--compact', 'print the answer on one line')
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
    complain(`Warning: ${warning}`);
  }
  const client = new Client(prepared.call.address, credentials.createInsecure(), {
    // A proxy of the environment is not meant for a sidecar.
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
    return { problems: ['cannot call: no method is given, wanted one (all: pannier call --list)'] };
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
    return { problems: read.problems.map((problem) => `cannot send ${target.method.name}: ${problem}`) };
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
    return {
      problem: `cannot call: --deadline-ms is ${JSON.stringify(text)}, wanted a whole number from 1 to 999999999`,
    };
  }
  return Number(text);
}

function parseMetadata(pairs: readonly string[]): Metadata | { readonly problem: string } {
  const metadata = new Metadata();
  for (const pair of pairs) {
    const [, key = '', value = ''] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
    try {
      // A -bin header takes bytes; the text stands for its UTF-8.
      metadata.add(key, key.toLowerCase().endsWith('-bin') ? Buffer.from(value, 'utf8') : value);
    } catch {
      return { problem: `cannot call: --metadata ${JSON.stringify(pair)} is no header, wanted key=value in ASCII` };
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
      return { problem: `cannot read the request: it has more than ${MAX_INPUT_BYTES} bytes, wanted fewer` };
    }
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    return { problem: 'cannot read the request: standard input is no UTF-8, wanted JSON in UTF-8' };
  }
}

/** Calls and prints; resolves with the error when the call fails. */
function send(client: Client, call: PreparedCall): Promise<ServiceError | undefined> {
  const { service, method } = call.target;
  const definition = methodsOf(loadContract(), service)[method.name];
  if (definition === undefined || definition.requestStream) {
    throw new Error(`cannot call ${service}/${method.name}: it streams its requests, wanted a method that does not`);
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
    `${name}: no sidecar answers at ${call.address} (${cause}). ` +
    'Start one with `pannier serve`, or say where it listens with --address or PANNIER_GRPC_ADDRESS.'
  );
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}
