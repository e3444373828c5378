/**
 * Fuzzes a whole connection: conversations, right and mutated, into a socket in memory. Promises: nothing is thrown and nothing is
 * logged as unexpected; what comes out keeps the rules (server-output.ts) and is bounded by what went in; a conversation that is right is
 * answered, call by call; and when the peer is gone nothing is buffered for it any more.
 */
import { Status } from '../../src/grpc/status.ts';
import { message } from '../support/http2/frames.ts';
import type { FastRandom } from '../support/http2/random.ts';
import { type Conversation, conversation, mutateFrames } from './conversations.ts';
import { type MemoryServer, startMemoryServer } from './memory-server.ts';
import { cut, mutate } from './mutate.ts';
import { readOutput, type ServerOutput } from './server-output.ts';
import { ensure, type FuzzTarget } from './target.ts';

const LIMITS = { maxMessageBytes: 1_500, maxMetadataBytes: 4_000, maxMetadataFields: 50 };
/** The greeting, and for each byte that comes in what an error text may have for a request of a few bytes. */
const MAX_OUTPUT_BYTES = 2_000;
const MAX_OUTPUT_PER_INPUT = 40;

/** One run: what was sent, what came of it. */
interface Run extends MemoryServer {
  readonly input: Buffer;
}

export const connectionTarget: FuzzTarget = {
  name: 'connection',
  share: 6,
  run: (random) => {
    const sent = conversation(random);
    const isRight = random.once(3);
    const input = isRight ? Buffer.concat(sent.frames) : spoiled(sent, random);
    const run = { ...startMemoryServer(LIMITS), input };
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
    run.socket.receive(chunk);
  }
}

/** After the turns in which handlers settled and what they answered was written. */
function judge(run: Run, right: Conversation | undefined, isDisturbed: boolean): void {
  const { socket, budgets, unexpected, input } = run;
  const context = (): unknown => ({
    input: input.toString('hex'),
    output: Buffer.concat(socket.written).toString('hex'),
  });
  ensure(socket.bufferedIsIntact(), 'What waits in the socket was written over', context);
  socket.unstick();
  ensure(unexpected.length === 0, 'An unexpected error was logged', () => ({
    unexpected,
    input: input.toString('hex'),
  }));
  const bytes = Buffer.concat(socket.written);
  const maxBytes = MAX_OUTPUT_BYTES + MAX_OUTPUT_PER_INPUT * input.length;
  ensure(bytes.length <= maxBytes, `The server sent ${bytes.length} bytes, more than ${maxBytes}`, context);
  const output = readOutput(bytes);
  if (right !== undefined && !isDisturbed) {
    judgeAnswers(output, right, context);
  }
  socket.destroy();
  socket.emit('close');
  const { requests, answers } = budgets;
  ensure(requests.bytes === 0 && answers.bytes === 0, 'Bytes are buffered for a peer that is gone', () => ({
    requests: requests.bytes,
    answers: answers.bytes,
    input: input.toString('hex'),
  }));
}

function judgeAnswers(output: ServerOutput, right: Conversation, context: () => unknown): void {
  ensure(output.goaway === undefined, 'A conversation that is right was ended', context);
  for (const { streamId, bytes } of right.echoes) {
    const answer = output.streams.get(streamId);
    const isAnswered = answer?.hasEnded === true && answer.fields.get('grpc-status') === expectedStatus(bytes);
    ensure(isAnswered, `The call on stream ${streamId} was not answered`, context);
    const isSame = bytes.length > LIMITS.maxMessageBytes || answer?.body.equals(message(bytes));
    ensure(isSame === true, `The answer on stream ${streamId} is not what was asked for`, context);
  }
}

function expectedStatus(bytes: Buffer): string {
  return String(bytes.length > LIMITS.maxMessageBytes ? Status.RESOURCE_EXHAUSTED : Status.OK);
}
