/**
 * Tests the error that a caller receives at the deadline of a call. The error message states whether the handler had
 * started.
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
  // The server starts to watch the deadline of an incomplete call only at the next sweep.
  connection.sweep();
  connection.expire(Number.MAX_VALUE);
  await new Promise((resolve) => setImmediate(resolve));
  const fields = readOutput(Buffer.concat(socket.written)).streams.get(1)?.fields;
  return [fields?.get('grpc-status') ?? '', decodeURIComponent(fields?.get('grpc-message') ?? '')];
}

test.each([
  ['HEADERS without DATA', [headers(1, requestBlock(fuzzPath('Nothing'), [TIMEOUT]))]],
  [
    'a message without END_STREAM',
    [headers(1, requestBlock(fuzzPath('Nothing'), [TIMEOUT])), data(1, message(Buffer.alloc(3)))],
  ],
])('reports that nothing was done when the deadline passes after %s', async (_name, frames) => {
  expect(await answerAtDeadline(...frames)).toEqual([
    String(Status.DEADLINE_EXCEEDED),
    'cannot answer in time: the deadline passed before the call was executed',
  ]);
});

test.each(['Nothing', 'Talk'])(
  'reports an unknown outcome when the deadline passes while the handler of %s runs',
  async (name) => {
    const request = headers(1, requestBlock(fuzzPath(name), [TIMEOUT]));
    const end = data(1, message(Buffer.alloc(3)), name === 'Talk' ? 0 : FrameFlag.endStream);
    expect(await answerAtDeadline(request, end)).toEqual([
      String(Status.DEADLINE_EXCEEDED),
      'cannot answer in time: the handler did not finish before the deadline; the call may have been executed',
    ]);
  },
);
