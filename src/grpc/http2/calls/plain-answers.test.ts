/**
 * Tests that a request which is not gRPC receives an HTTP error, and that its connection stays usable.
 */
import { connect } from 'node:http2';
import { answerOf } from '../../../../test/support/http2/answers.ts';
import { FrameFlag, FrameType, headers, literal } from '../../../../test/support/http2/frames.ts';
import { Http2Peer } from '../../../../test/support/http2/peer.ts';
import { waitFor } from '../../../../test/support/wait.ts';
import { systemClock } from '../../../lib/clock.ts';
import type { Transport } from '../../transport/transport.ts';
import { startHttp2Transport } from '../http2-transport.ts';

let transport: Transport;

beforeAll(async () => {
  transport = await startHttp2Transport({
    table: new Map(),
    listen: { tcp: { host: '127.0.0.1', port: 0 } },
    defaultDeadlineMs: 10_000,
    clock: systemClock,
    log: { error: () => {} },
  });
});

afterAll(async () => {
  await transport?.close();
});

test.each([
  { method: 'GET', status: '405', hasBody: true },
  { method: 'OPTIONS', status: '405', hasBody: true },
  { method: 'POST', status: '415', hasBody: true },
  { method: 'HEAD', status: '405', hasBody: false },
])('responds to $method with HTTP status $status', async ({ method, status, hasBody }) => {
  const peer = await Http2Peer.open(Number(transport.tcpPort));
  const fields = [literal(':method', method), literal(':scheme', 'http'), literal(':path', '/')];
  await peer.send(headers(1, Buffer.concat(fields), FrameFlag.endHeaders | FrameFlag.endStream));
  const answer = await answerOf(peer, 1);
  expect([answer.httpStatus, answer.body.length > 0, answer.reset]).toEqual([status, hasBody, undefined]);
  expect(peer.count(FrameType.data)).toBe(hasBody ? 1 : 0);
  peer.destroy();
});

test('a Node HTTP/2 client keeps its connection after HEAD requests', async () => {
  const session = connect(`http://127.0.0.1:${transport.tcpPort}`);
  const errors: Error[] = [];
  session.on('error', (error) => errors.push(error));
  for (let sent = 0; sent < 2; sent += 1) {
    const request = session.request({ ':method': 'HEAD', ':path': '/' });
    request.on('error', (error) => errors.push(error));
    request.resume().end();
    await waitFor('the answer', () => request.closed);
  }
  expect([session.closed, errors]).toEqual([false, []]);
  session.destroy();
});
