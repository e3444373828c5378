/**
 * Fuzzes a whole connection: sends valid and mutated conversations to a connection on a memory socket.
 *
 * Invariants:
 *   1. The connection throws nothing and logs no unexpected error.
 *   2. The output follows the rules of server-output.ts, and is at most MAX_OUTPUT_PER_INPUT times as long as the
 *      input, plus MAX_OUTPUT_BYTES.
 *   3. Every call of a valid conversation receives its response.
 *   4. After the peer has disconnected, the server buffers no bytes for it.
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
/** Maximum output that is independent of the input: the first frames of the server. */
const MAX_OUTPUT_BYTES = 2_000;
/** Maximum output per input byte. The maximum allows for an error message in response to a request of a few bytes. */
const MAX_OUTPUT_PER_INPUT = 40;

/** One run: its input and the server that received the input. */
interface Run extends MemoryServer {
  readonly input: Buffer;
}

export const connectionTarget: FuzzTarget = {
  name: 'connection',
  share: 6,
  run: (random) => {
    const sent = conversation(random);
    const isValid = random.once(3);
    const input = isValid ? Buffer.concat(sent.frames) : spoiled(sent, random);
    const run = { ...startMemoryServer(LIMITS), input };
    const isDisturbed = !isValid && disturb(run, random);
    feed(run, cut(input, random));
    run.connection.sweep();
    return () => {
      check(run, isValid ? sent : undefined, isDisturbed);
    };
  },
};

function spoiled(sent: Conversation, random: FastRandom): Buffer {
  const frames = random.once(2) ? mutateFrames(sent.frames, random) : sent.frames;
  const bytes = Buffer.concat(frames);
  return random.once(3) ? bytes : mutate(bytes, random, 3);
}

/** Stops the peer from reading, drains the connection or lets deadlines pass at a random time. */
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

/** Checks a run after the turns of the event loop in which handlers settle and responses are written. */
function check(run: Run, valid: Conversation | undefined, isDisturbed: boolean): void {
  const { socket, budgets, unexpected, input } = run;
  const context = (): unknown => ({
    input: input.toString('hex'),
    output: Buffer.concat(socket.written).toString('hex'),
  });
  ensure(socket.bufferedIsIntact(), 'buffered bytes of the socket were overwritten', context);
  socket.unstick();
  ensure(unexpected.length === 0, 'an unexpected error was logged', () => ({
    unexpected,
    input: input.toString('hex'),
  }));
  const bytes = Buffer.concat(socket.written);
  const maxBytes = MAX_OUTPUT_BYTES + MAX_OUTPUT_PER_INPUT * input.length;
  ensure(bytes.length <= maxBytes, `output must have at most ${maxBytes} bytes, got ${bytes.length}`, context);
  const output = readOutput(bytes);
  if (valid !== undefined && !isDisturbed) {
    checkResponses(output, valid, context);
  }
  socket.destroy();
  socket.emit('close');
  const { requests, answers } = budgets;
  ensure(requests.bytes === 0 && answers.bytes === 0, 'bytes are still buffered for a peer that is gone', () => ({
    requests: requests.bytes,
    answers: answers.bytes,
    input: input.toString('hex'),
  }));
}

function checkResponses(output: ServerOutput, valid: Conversation, context: () => unknown): void {
  ensure(output.goaway === undefined, 'a valid conversation was ended by GOAWAY', context);
  for (const { streamId, bytes } of valid.echoes) {
    const answer = output.streams.get(streamId);
    const isAnswered = answer?.hasEnded === true && answer.fields.get('grpc-status') === expectedStatus(bytes);
    ensure(isAnswered, `the call on stream ${streamId} has no response`, context);
    const isSame = bytes.length > LIMITS.maxMessageBytes || answer?.body.equals(message(bytes));
    ensure(isSame === true, `the response on stream ${streamId} is not the echoed request`, context);
  }
}

function expectedStatus(bytes: Buffer): string {
  return String(bytes.length > LIMITS.maxMessageBytes ? Status.RESOURCE_EXHAUSTED : Status.OK);
}
