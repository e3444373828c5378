/**
 * Fuzzes a whole connection: conversations, right and mutated, into a socket in memory. Promises: nothing is thrown and nothing is
 * logged as unexpected; what comes out keeps the rules (server-output.ts) and is bounded by what went in; a conversation that is right is
 * answered, call by call; and when the peer is gone nothing is held for it any more.
 */
import type { AnyMethod, CallContext, MethodTable, ResponseStream } from '../../src/grpc/method.ts';
import { Status, StatusError } from '../../src/grpc/status.ts';
import { Http2Connection } from '../../src/grpc/transports/http2/connection.ts';
import { HTTP2_LIMITS } from '../../src/grpc/transports/http2/limits.ts';
import { Pool, type SharedBudget } from '../../src/grpc/transports/http2/shared-budget.ts';
import { TRANSPORT_LIMITS } from '../../src/grpc/transports/transport.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { message } from '../support/http2-frames.ts';
import type { FastRandom } from '../support/http2-random.ts';
import { type Conversation, conversation, fuzzPath, mutateFrames } from './conversations.ts';
import { MemorySocket } from './memory-socket.ts';
import { cut, mutate } from './mutate.ts';
import { readOutput, type ServerOutput } from './server-output.ts';
import { ensure, type FuzzTarget } from './target.ts';

const LIMITS = { ...TRANSPORT_LIMITS, ...HTTP2_LIMITS, lingerMsMax: 1, messageBytesMax: 1_500 };
/** The greeting, and for each byte that comes in what an error text may have for a request of a few bytes. */
const OUTPUT_BYTES_MAX = 2_000;
const OUTPUT_PER_INPUT_MAX = 40;

/** One run: what was sent, what came of it. */
interface Run {
  readonly socket: MemorySocket;
  readonly connection: Http2Connection;
  readonly budget: SharedBudget;
  readonly unexpected: string[];
  readonly input: Buffer;
}

export const connectionTarget: FuzzTarget = {
  name: 'connection',
  share: 6,
  run: (random) => {
    const sent = conversation(random);
    const isRight = random.once(3);
    const input = isRight ? Buffer.concat(sent.frames) : spoiled(sent, random);
    const run = start(input);
    const isDisturbed = !isRight && disturb(run, random);
    feed(run, cut(input, random));
    run.connection.sweep();
    return () => {
      judge(run, isRight ? sent : undefined, isDisturbed);
    };
  },
};

function spoiled(sent: Conversation, random: FastRandom): Buffer {
  const frames = random.once(2) ? mutateFrames(sent.frames, random) : sent.frames;
  const bytes = Buffer.concat(frames);
  return random.once(3) ? bytes : mutate(bytes, random, 3);
}

function start(input: Buffer): Run {
  const socket = new MemorySocket();
  const budget = { held: new Pool(LIMITS.heldBytesMax), waiting: new Pool(LIMITS.waitingBytesMax) };
  const unexpected: string[] = [];
  const connection = new Http2Connection(socket.asSocket(), {
    rules: { table: METHODS, metadataBytesMax: 4_000, metadataFieldsMax: 50 },
    limits: LIMITS,
    clock: systemClock,
    log: { error: (fields, text) => unexpected.push(`${text} ${JSON.stringify(fields)}`) },
    defaultDeadlineMs: 60_000,
    budget,
    watchDeadline: () => {},
    closed: () => {},
    dropped: () => {},
  });
  return { socket, connection, budget, unexpected, input };
}

/** The peer stops reading, or we drain, or deadlines pass, at some time. */
function disturb(run: Run, random: FastRandom): boolean {
  switch (random.below(4)) {
    case 0:
      run.socket.isStuck = true;
      return true;
    case 1:
      setImmediate(() => run.connection.drain());
      return true;
    case 2:
      setImmediate(() => run.connection.expire(Number.MAX_VALUE));
      return true;
    default:
      return false;
  }
}

function feed(run: Run, chunks: readonly Buffer[]): void {
  for (const chunk of chunks) {
    if (!run.socket.destroyed) {
      run.socket.emit('data', chunk);
    }
  }
}

/** After the turns in which handlers settled and what they answered was written. */
function judge(run: Run, right: Conversation | undefined, isDisturbed: boolean): void {
  const { socket, budget, unexpected, input } = run;
  const context = (): unknown => ({
    input: input.toString('hex'),
    output: Buffer.concat(socket.written).toString('hex'),
  });
  ensure(socket.heldIsIntact(), 'What waits in the socket was written over', context);
  socket.unstick();
  ensure(unexpected.length === 0, 'An unexpected error was logged', () => ({
    unexpected,
    input: input.toString('hex'),
  }));
  const bytes = Buffer.concat(socket.written);
  const bytesMax = OUTPUT_BYTES_MAX + OUTPUT_PER_INPUT_MAX * input.length;
  ensure(bytes.length <= bytesMax, `The server sent ${bytes.length} bytes, more than ${bytesMax}`, context);
  const output = readOutput(bytes);
  if (right !== undefined && !isDisturbed) {
    judgeAnswers(output, right, context);
  }
  socket.destroy();
  socket.emit('close');
  ensure(budget.held.bytes === 0 && budget.waiting.bytes === 0, 'Bytes are held for a peer that is gone', () => ({
    held: budget.held.bytes,
    waiting: budget.waiting.bytes,
    input: input.toString('hex'),
  }));
}

function judgeAnswers(output: ServerOutput, right: Conversation, context: () => unknown): void {
  ensure(output.goaway === undefined, 'A conversation that is right was ended', context);
  for (const { streamId, bytes } of right.echoes) {
    const answer = output.streams.get(streamId);
    const isAnswered = answer?.hasEnded === true && answer.fields.get('grpc-status') === expectedStatus(bytes);
    ensure(isAnswered, `The call on stream ${streamId} was not answered`, context);
    const isSame = bytes.length > LIMITS.messageBytesMax || answer?.body.equals(message(bytes));
    ensure(isSame === true, `The answer on stream ${streamId} is not what was asked for`, context);
  }
}

function expectedStatus(bytes: Buffer): string {
  return String(bytes.length > LIMITS.messageBytesMax ? Status.RESOURCE_EXHAUSTED : Status.OK);
}

const METHODS: MethodTable = new Map(
  (
    [
      { ...codec('Echo'), kind: 'unary', handle: (request: Buffer) => request },
      { ...codec('EchoLater'), kind: 'unary', handle: async (request: Buffer) => await Promise.resolve(request) },
      { ...codec('Fail'), kind: 'unary', handle: fail },
      { ...codec('Nothing'), kind: 'unary', handle: (_request: Buffer, context: CallContext) => whenOver(context) },
      { ...codec('Stream'), kind: 'server_stream', handle: sendThree },
      { ...codec('Talk'), kind: 'bidi_stream', handle: talk },
    ] satisfies AnyMethod[]
  ).map((method) => [method.path, method]),
);

function codec(name: string) {
  return {
    path: fuzzPath(name),
    decode: (bytes: Buffer) => Buffer.from(bytes),
    encode: (response: Buffer) => response,
  };
}

function fail(): never {
  throw new StatusError(Status.ABORTED, 'Cannot do it: ä %');
}

function whenOver(context: CallContext): Promise<Buffer> {
  return new Promise((resolve) => context.onOver(() => resolve(Buffer.alloc(0))));
}

async function sendThree(request: Buffer, _context: CallContext, responses: ResponseStream<Buffer>): Promise<void> {
  for (let count = 0; count < 3; count += 1) {
    if (!responses.send(request)) {
      await responses.writable();
    }
  }
}

async function talk(
  requests: AsyncIterable<Buffer>,
  _context: CallContext,
  responses: ResponseStream<Buffer>,
): Promise<void> {
  for await (const request of requests) {
    responses.send(request);
  }
}
