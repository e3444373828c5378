/**
 * Tests how the iteration over the request messages of a streaming call ends.
 */
import { gzipSync } from 'node:zlib';
import type { AnyMethod } from '../../method.ts';
import { Status } from '../../status.ts';
import { requestMessage } from '../../transport/request-message.ts';
import type { RequestHeaders } from '../messages/request-headers.ts';
import type { ReceiveWindow } from '../streams/receive-window.ts';
import type { Sender } from '../streams/sender.ts';
import { Http2Stream } from '../streams/stream.ts';
import { StreamingState } from '../streams/streaming-state.ts';
import { StreamingCall } from './streaming-call.ts';

/** Message that is long enough to be decompressed in another thread. */
const LONG = gzipSync(Buffer.alloc(1024 * 1024));

/** Returns a call with one compressed request message. The sender and the receive window are stubs. */
function callWith(bytes: Buffer) {
  const stream = new Http2Stream({
    id: 1,
    request: {} as RequestHeaders,
    deadlineAtMs: Number.MAX_SAFE_INTEGER,
    receiveWindowBytes: 0,
    sendWindowBytes: 0,
    sweep: 0,
    turn: 0,
  });
  const state = new StreamingState();
  stream.streaming = state;
  const call = new StreamingCall({
    stream,
    state,
    method: { path: '/x', decode: (whole: Buffer) => whole.length } as unknown as AnyMethod,
    sender: {} as Sender,
    receiveWindow: { messageTaken: () => {} } as unknown as ReceiveWindow,
  });
  state.deliver(requestMessage(1, bytes, { encoding: 'gzip', maxBytes: 4 * 1024 * 1024 }));
  return { stream, requests: call.requests() };
}

test('delivers a message that is decompressed in another thread', async () => {
  const { requests } = callWith(LONG);
  expect(await requests.next()).toEqual({ done: false, value: 1024 * 1024 });
});

test('ends reading without an error when the call ends during decompression', async () => {
  const { stream, requests } = callWith(LONG);
  const next = requests.next();
  stream.cancel();
  expect(await next).toEqual({ done: true, value: undefined });
});

test('rejects reading when a message of an open call cannot be decompressed', async () => {
  const { requests } = callWith(Buffer.alloc(100_000));
  await expect(requests.next()).rejects.toMatchObject({ code: Status.INTERNAL });
});
