/**
 * A peer that opens more calls than it may, as one does that has not read our SETTINGS: docs/internals/transport.md says what it meets.
 */
import { fuzzPath } from '../../../../test/fuzz/conversations.ts';
import { startMemoryServer } from '../../../../test/fuzz/memory-server.ts';
import { readOutput } from '../../../../test/fuzz/server-output.ts';
import { Http2Error, many, PREFACE, settings, unaryCall } from '../../../../test/support/http2/frames.ts';
import { TRANSPORT_LIMITS } from '../../transport/transport.ts';
import { HTTP2_LIMITS } from './http2-limits.ts';

/** A refusal, and the DATA of the call that is refused. */
const POINTS_PER_CALL = 3;
const MAX_REFUSED = Math.floor(HTTP2_LIMITS.maxFrameBudget / POINTS_PER_CALL) - 10;

/** Calls that do not end, all in one breath; what became of them. */
async function open(calls: number): Promise<{ refused: number; goaway: number | undefined }> {
  const { socket } = startMemoryServer({});
  const all = many(calls, (index) => unaryCall(2 * index + 1, fuzzPath('Nothing')));
  socket.receive(Buffer.concat([PREFACE, settings(), all]));
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { streams, goaway } = readOutput(Buffer.concat(socket.written));
  socket.destroy();
  return { refused: [...streams.values()].filter(({ reset }) => reset === Http2Error.refusedStream).length, goaway };
}

test('those beyond the limit are refused, the others go on', async () => {
  const outcome = await open(TRANSPORT_LIMITS.maxStreamsPerConnection + MAX_REFUSED);
  expect(outcome).toEqual({ refused: MAX_REFUSED, goaway: undefined });
});

test('one that goes on and on is sent away', async () => {
  const { goaway } = await open(TRANSPORT_LIMITS.maxStreamsPerConnection + MAX_REFUSED + 100);
  expect(goaway).toBe(Http2Error.enhanceYourCalm);
});
