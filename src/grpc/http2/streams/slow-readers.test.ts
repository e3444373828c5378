/**
 * Tests that a peer which reads slowly loses only the responses that it does not read, and not the responses that wait
 * behind other responses.
 *
 * The sweeps of a connection are the clock of these tests: each sweep represents one second.
 */
import { fuzzPath } from '../../../../test/fuzz/conversations.ts';
import { type MemoryServer, startMemoryServer } from '../../../../test/fuzz/memory-server.ts';
import { readOutput } from '../../../../test/fuzz/server-output.ts';
import {
  data,
  FrameFlag,
  headers,
  many,
  message,
  PREFACE,
  requestBlock,
  SettingId,
  settings,
  windowUpdate,
} from '../../../../test/support/http2/frames.ts';

const STALL_SECONDS = 3;
const ANSWER_BYTES = 10_000;
const OPEN_BYTES = 10_000_000;
/** Stream of a call that never ends. */
const FLOOD = 101;

let server: MemoryServer;

afterEach(() => {
  server.socket.destroy();
});

/** Waits until handlers have run and writes have completed. */
async function turns(): Promise<void> {
  for (let left = 4; left > 0; left -= 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function send(...parts: readonly Buffer[]): Promise<void> {
  server.socket.receive(Buffer.concat(parts));
  await turns();
}

/**
 * Opens a connection and starts `calls` echo calls. The connection's window is initially large enough for six
 * responses. The initial window of each stream is `streamBytes`.
 */
async function begin(options: { calls: number; streamBytes?: number; limits?: object }): Promise<void> {
  const { calls, streamBytes = OPEN_BYTES, limits } = options;
  const slowness = { maxStalledWriteMs: STALL_SECONDS * 1_000, slowReaderBytesPerSecond: 1_024 };
  server = startMemoryServer({ ...slowness, ...limits });
  await send(PREFACE, settings([[SettingId.initialWindowSize, streamBytes]]));
  await send(many(calls, (index) => echo(2 * index + 1)));
  await pass(1);
}

function echo(streamId: number): Buffer {
  return call(streamId, 'Echo', Buffer.alloc(ANSWER_BYTES));
}

function call(streamId: number, method: string, request: Buffer): Buffer {
  const block = headers(streamId, requestBlock(fuzzPath(method)));
  return Buffer.concat([block, data(streamId, message(request), FrameFlag.endStream)]);
}

/** Simulates the passage of some seconds. In each second, the peer sends the bytes that `everySecond` returns. */
async function pass(seconds: number, everySecond: () => Buffer = () => Buffer.alloc(0)): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    await send(everySecond());
    server.connection.sweep();
    await turns();
  }
}

/** Returns the number of completed calls and the number of reset calls. */
function outcome(): { answered: number; givenUp: number } {
  const streams = [...readOutput(Buffer.concat(server.socket.written)).streams.values()];
  return {
    answered: streams.filter((stream) => stream.fields.get('grpc-status') === '0').length,
    givenUp: streams.filter((stream) => stream.reset !== undefined).length,
  };
}

test('keeps responses that wait for the connection window while the peer reads others', async () => {
  await begin({ calls: 40 });
  // The peer reads 400,000 bytes at 5,000 per second, so most responses wait much longer than maxStalledWriteMs.
  await pass(80, () => windowUpdate(0, 5_000));
  expect(outcome()).toEqual({ answered: 40, givenUp: 0 });
});

test('lets streams take turns, so that an endless stream does not block the others', async () => {
  await begin({ calls: 0 });
  await send(
    call(FLOOD, 'Flood', Buffer.alloc(ANSWER_BYTES)),
    many(10, (index) => echo(FLOOD + 2 + 2 * index)),
  );
  await pass(20, () => windowUpdate(0, 16_384));
  expect(outcome()).toEqual({ answered: 10, givenUp: 0 });
});

test('keeps the responses behind a slow socket', async () => {
  await begin({ calls: 0, limits: { maxUnsentBytes: 20_000 } });
  await send(windowUpdate(0, OPEN_BYTES));
  server.socket.isStuck = true;
  await send(many(20, (index) => echo(2 * index + 1)));
  for (let second = 0; second < 10; second += 1) {
    server.socket.take(1_500);
    await pass(1);
  }
  server.socket.unstick();
  await turns();
  expect(outcome()).toEqual({ answered: 20, givenUp: 0 });
});

describe('resets responses', () => {
  const STALLED = STALL_SECONDS + 1;

  test('when the peer reads nothing', async () => {
    await begin({ calls: 40 });
    await pass(STALL_SECONDS);
    expect(outcome()).toEqual({ answered: 6, givenUp: 0 });
    await pass(1);
    expect(outcome()).toEqual({ answered: 6, givenUp: 34 });
  });

  test('when the peer opens the connection window by a few bytes at a time', async () => {
    await begin({ calls: 40 });
    await pass(STALLED, () => windowUpdate(0, 300));
    expect(outcome()).toEqual({ answered: 6, givenUp: 34 });
  });

  test('when the peer would need longer than maxBacklogMs for all of them', async () => {
    await begin({ calls: 40, limits: { maxBacklogMs: 30_000 } });
    // The peer reads more than slowReaderBytesPerSecond, but would need 68 seconds for the queued bytes.
    await pass(STALLED, () => windowUpdate(0, 5_000));
    expect(outcome().givenUp).toBeGreaterThan(0);
  });

  test.each([
    { name: 'closed', opened: 0 },
    { name: 'a byte wide', opened: 1 },
  ])('when their stream windows stay $name, however much the peer reads of another stream', async ({ opened }) => {
    await begin({ calls: 0, streamBytes: 0 });
    await send(call(FLOOD, 'Flood', Buffer.alloc(ANSWER_BYTES)), windowUpdate(FLOOD, OPEN_BYTES));
    await send(many(10, (index) => echo(FLOOD + 2 + 2 * index)));
    await pass(STALLED, () =>
      Buffer.concat([
        windowUpdate(0, 20_000),
        many(opened === 0 ? 0 : 10, (index) => windowUpdate(FLOOD + 2 + 2 * index, opened)),
      ]),
    );
    expect(outcome()).toEqual({ answered: 0, givenUp: 10 });
  });
});
