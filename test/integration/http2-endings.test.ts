/**
 * Tests calls and connections of the built-in HTTP/2 server that end for several reasons at once. Each call ends
 * exactly once, and its client receives a status.
 */
import { startHttp2Transport } from '../../src/grpc/http2/http2-transport.ts';
import { methodPath } from '../support/grpc/test-methods.ts';
import { openFixture, type TransportFixture } from '../support/grpc/transport-contract.ts';
import {
  data,
  FrameFlag,
  FrameType,
  frame,
  goaway,
  headers,
  literal,
  message,
  requestBlock,
  windowUpdate,
} from '../support/http2/frames.ts';
import { Http2Peer } from '../support/http2/peer.ts';
import { waitFor } from '../support/wait.ts';

/** Identifier of SETTINGS_INITIAL_WINDOW_SIZE. */
const INITIAL_WINDOW_SIZE = 4;
const PIECE_BYTES = 14_000;
const PIECES = 5;

let fixture: TransportFixture;

beforeEach(async () => {
  fixture = await openFixture(startHttp2Transport);
});

afterEach(async () => {
  await fixture.close();
});

function endsOf(peer: Http2Peer, streamId: number): number {
  const isEnd = (flags: number): boolean => (flags & FrameFlag.endStream) !== 0;
  return peer.frames.filter((one) => one.streamId === streamId && isEnd(one.flags)).length;
}

/** Sends a call whose response is longer than the window of the connection, and waits until the window is exhausted. */
async function fillWindow(peer: Http2Peer): Promise<void> {
  const body = message(Buffer.alloc(PIECE_BYTES * PIECES - 5));
  const pieces = Array.from({ length: PIECES }, (_, index) => {
    const piece = body.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES);
    return data(1, piece, index === PIECES - 1 ? FrameFlag.endStream : 0);
  });
  await peer.send(headers(1, requestBlock(methodPath('Echo'))), ...pieces);
  await waitFor('the window to be used up', () => peer.dataBytes === 65_535);
}

test('a stream whose deadline passes while it waits for the window ends once', async () => {
  const peer = await Http2Peer.open(fixture.port, { settings: [[INITIAL_WINDOW_SIZE, 10_000_000]] });
  await fillWindow(peer);
  await peer.send(
    headers(3, requestBlock(methodPath('Flood'), [literal('grpc-timeout', '200m')])),
    data(3, message(Buffer.from('late:100')), FrameFlag.endStream),
  );
  await waitFor('the deadline to end the stream', () => endsOf(peer, 3) === 1);
  await peer.send(windowUpdate(0, 1_000_000));
  await waitFor('the other call to end', () => endsOf(peer, 1) === 1);
  await peer.roundTrip();
  expect(endsOf(peer, 3)).toBe(1);
  peer.destroy();
});

test('a peer that sent GOAWAY does not delay a drain, and its streams are ended', async () => {
  const peer = await Http2Peer.open(fixture.port);
  await peer.send(
    headers(1, requestBlock(methodPath('HoldStream'))),
    data(1, message(Buffer.from('watcher')), FrameFlag.endStream),
    goaway(0, 0),
  );
  await waitFor('the handler to start', () => fixture.notebook.held.has('watcher'));
  let isDrained = false;
  const drained = fixture.transport.drain(30_000).then(() => {
    isDrained = true;
  });
  const ping = await peer.frame('the PING of the drain', ({ type, flags }) => type === FrameType.ping && flags === 0);
  await peer.send(frame(FrameType.ping, FrameFlag.ack, 0, ping.payload));
  await waitFor('the stream to end', () => endsOf(peer, 1) === 1);
  await waitFor('the drain to end long before its grace period', () => isDrained);
  await drained;
});

test('a call whose message never arrives ends at its deadline', async () => {
  const peer = await Http2Peer.open(fixture.port);
  await peer.send(headers(1, requestBlock(methodPath('Echo'), [literal('grpc-timeout', '200m')])));
  await waitFor('the deadline to end the stream', () => endsOf(peer, 1) === 1);
  peer.destroy();
});
