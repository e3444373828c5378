/**
 * Calls at their deadline: the text says whether their handler had begun.
 */
import { fuzzPath } from '../../../../test/fuzz/conversations.ts';
import { startMemoryServer } from '../../../../test/fuzz/memory-server.ts';
import { readOutput } from '../../../../test/fuzz/server-output.ts';
import {
  data,
  FrameFlag,
  headers,
  literal,
  message,
  PREFACE,
  requestBlock,
  settings,
} from '../../../../test/support/http2/frames.ts';
import { Status } from '../../status.ts';

const TIMEOUT = literal('grpc-timeout', '300m');

async function answerAtDeadline(...frames: readonly Buffer[]): Promise<readonly [string, string]> {
  const { socket, connection } = startMemoryServer({});
  socket.receive(Buffer.concat([PREFACE, settings(), ...frames]));
  // The deadline of HEADERS alone is watched from the next sweep on.
  connection.sweep();
  connection.expire(Number.MAX_VALUE);
  await new Promise((resolve) => setImmediate(resolve));
  const fields = readOutput(Buffer.concat(socket.written)).streams.get(1)?.fields;
  return [fields?.get('grpc-status') ?? '', decodeURIComponent(fields?.get('grpc-message') ?? '')];
}

test.each([
  ['HEADERS alone', [headers(1, requestBlock(fuzzPath('Nothing'), [TIMEOUT]))]],
  [
    'a message without the end of the request',
    [headers(1, requestBlock(fuzzPath('Nothing'), [TIMEOUT])), data(1, message(Buffer.alloc(3)))],
  ],
])('%s: nothing was done', async (_name, frames) => {
  expect(await answerAtDeadline(...frames)).toEqual([
    String(Status.DEADLINE_EXCEEDED),
    'cannot answer in time: the deadline was over before anything was done',
  ]);
});

test.each(['Nothing', 'Talk'])('%s, whose handler has begun: it may have happened', async (name) => {
  const request = headers(1, requestBlock(fuzzPath(name), [TIMEOUT]));
  const end = data(1, message(Buffer.alloc(3)), name === 'Talk' ? 0 : FrameFlag.endStream);
  expect(await answerAtDeadline(request, end)).toEqual([
    String(Status.DEADLINE_EXCEEDED),
    'cannot answer in time: the deadline runs out, it may have happened',
  ]);
});
