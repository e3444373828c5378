/**
 * Tests that unfinished calls are bounded for all connections together, and that a caller with few calls is not
 * affected.
 */
import { fuzzPath } from '../../../../test/fuzz/conversations.ts';
import { startMemoryServer } from '../../../../test/fuzz/memory-server.ts';
import { readOutput } from '../../../../test/fuzz/server-output.ts';
import { answerOf } from '../../../../test/support/http2/answers.ts';
import { AttackRange, attackPath } from '../../../../test/support/http2/attack-range.ts';
import {
  data,
  headers,
  headersOnly,
  many,
  message,
  PREFACE,
  requestBlock,
  settings,
  unaryCall,
} from '../../../../test/support/http2/frames.ts';
import { Http2Peer } from '../../../../test/support/http2/peer.ts';
import { waitFor } from '../../../../test/support/wait.ts';
import { Status } from '../../status.ts';
import { OPEN_CALL_BYTES } from '../calls/connection-calls.ts';

const CALLS = 2_000;
const CONNECTIONS = 8;
/** Request budget, which is large enough for half of the calls. */
const MAX_BUFFERED = (CALLS * CONNECTIONS * OPEN_CALL_BYTES) / 2;
/**
 * Maximum total as a multiple of the budget. The factor is above 1, because each peer may reach the quota that applied
 * when it arrived.
 */
const MAX_QUOTAS = 1 + Math.log(CONNECTIONS);

let range: AttackRange;
let peers: Http2Peer[];

beforeAll(async () => {
  range = await AttackRange.open({ limits: { maxBufferedRequestBytes: MAX_BUFFERED } });
});

beforeEach(() => {
  peers = [];
});

afterEach(async () => {
  for (const peer of peers) {
    peer.destroy();
  }
  await waitFor('all attackers to be disconnected', async () => (await range.report('glance')).connections <= 1);
});

afterAll(async () => {
  await range?.close();
});

test.each([
  { name: 'HEADERS without a message', rest: () => Buffer.alloc(0) },
  { name: 'the first byte of a message', rest: (id: number) => data(id, message(Buffer.from('x'), 100_000)) },
])('refuses calls with only $name of a greedy peer, and keeps memory within the limit', async ({ rest }) => {
  const before = await range.report();
  const block = requestBlock(attackPath('Echo'));
  for (let count = 0; count < CONNECTIONS; count += 1) {
    const peer = await Http2Peer.open(range.port);
    peers.push(peer);
    await peer.sendAll(
      many(CALLS, (index) => Buffer.concat([headers(2 * index + 1, block), rest(2 * index + 1)])),
      unaryCall(2 * CALLS + 1, attackPath('Echo')),
    );
    await peer.roundTrip();
  }
  const after = await range.report();
  expect(after.liveBytes - before.liveBytes).toBeLessThan(MAX_BUFFERED * MAX_QUOTAS);
  const last = await answerOf(peers[CONNECTIONS - 1] as Http2Peer, 2 * CALLS + 1);
  expect(last.grpcStatus).toBe(Status.RESOURCE_EXHAUSTED);
  const modest = await Http2Peer.open(range.port);
  peers.push(modest);
  await modest.send(unaryCall(1, attackPath('Echo')));
  expect((await answerOf(modest, 1)).grpcStatus).toBe(Status.OK);
});

test.each([
  { name: 'sends no RST_STREAM for a refused call with END_STREAM', open: headersOnly, reset: undefined },
  { name: 'sends RST_STREAM NO_ERROR for a refused call without END_STREAM', open: headers, reset: 0 },
])('$name', async ({ open, reset }) => {
  const { socket } = startMemoryServer({ maxBufferedRequestBytesPerConnection: OPEN_CALL_BYTES - 1 });
  socket.receive(Buffer.concat([PREFACE, settings(), open(1, requestBlock(fuzzPath('Echo')))]));
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  const answer = readOutput(Buffer.concat(socket.written)).streams.get(1);
  expect([answer?.fields.get('grpc-status'), answer?.reset]).toEqual([String(Status.RESOURCE_EXHAUSTED), reset]);
  socket.destroy();
});
