/**
 * Tests what happens to the calls of a peer that opens more calls than the limit allows. A client may do so before it
 * has read our SETTINGS. docs/internals/transport.md describes the outcome.
 */
import { fuzzPath } from '../../../../test/fuzz/conversations.ts';
import { startMemoryServer } from '../../../../test/fuzz/memory-server.ts';
import { readOutput } from '../../../../test/fuzz/server-output.ts';
import { Http2Error, many, PREFACE, settings, unaryCall } from '../../../../test/support/http2/frames.ts';
import { TRANSPORT_LIMITS } from '../../transport/transport.ts';
import { HTTP2_LIMITS } from './http2-limits.ts';

/** Cost of one refused call: two points for the refusal, and one point for the DATA of the call. */
const POINTS_PER_CALL = 3;
const MAX_REFUSED = Math.floor(HTTP2_LIMITS.maxFrameBudget / POINTS_PER_CALL) - 10;

/** Sends calls whose requests arrive in more than one chunk, and returns the outcome of the calls. */
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

test('refuses the calls beyond the limit and keeps the others', async () => {
  const outcome = await open(TRANSPORT_LIMITS.maxStreamsPerConnection + MAX_REFUSED);
  expect(outcome).toEqual({ refused: MAX_REFUSED, goaway: undefined });
});

test('closes the connection of a peer that exhausts its frame budget with refused calls', async () => {
  const { goaway } = await open(TRANSPORT_LIMITS.maxStreamsPerConnection + MAX_REFUSED + 100);
  expect(goaway).toBe(Http2Error.enhanceYourCalm);
});
