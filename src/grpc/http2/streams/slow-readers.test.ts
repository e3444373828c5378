/**
 * Which answers are given up when a peer takes them slowly: those that it does not take, not those that wait until it has taken others.
 *
 * The sweeps of a connection are its clock here: each stands for a second.
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
/** The stream of the call without an end. */
const FLOOD = 101;

let server: MemoryServer;

afterEach(() => {
  server.socket.destroy();
});

/** Lets handlers and writes happen. */
async function turns(): Promise<void> {
  for (let left = 4; left > 0; left -= 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function send(...parts: readonly Buffer[]): Promise<void> {
  server.socket.receive(Buffer.concat(parts));
  await turns();
}

/** A connection with `calls` echoes, of which the connection's window lets six begin; the windows of the streams are `streamBytes`. */
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

/** So many seconds, in each of which the peer sends what `everySecond` makes. */
async function pass(seconds: number, everySecond: () => Buffer = () => Buffer.alloc(0)): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    await send(everySecond());
    server.connection.sweep();
    await turns();
  }
}

/** How many calls are answered, and how many given up. */
function outcome(): { answered: number; givenUp: number } {
  const streams = [...readOutput(Buffer.concat(server.socket.written)).streams.values()];
  return {
    answered: streams.filter((stream) => stream.fields.get('grpc-status') === '0').length,
    givenUp: streams.filter((stream) => stream.reset !== undefined).length,
  };
}

test('answers that wait for the connection are kept as long as the peer takes others', async () => {
  await begin({ calls: 40 });
  // 400,000 bytes at 5,000 a second: most of them wait much longer than a peer may stand still.
  await pass(80, () => windowUpdate(0, 5_000));
  expect(outcome()).toEqual({ answered: 40, givenUp: 0 });
});

test('each has its turn: a stream without an end does not keep the others waiting', async () => {
  await begin({ calls: 0 });
  await send(
    call(FLOOD, 'Flood', Buffer.alloc(ANSWER_BYTES)),
    many(10, (index) => echo(FLOOD + 2 + 2 * index)),
  );
  await pass(20, () => windowUpdate(0, 16_384));
  expect(outcome()).toEqual({ answered: 10, givenUp: 0 });
});

test('a slow socket is not the fault of the answers behind it', async () => {
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

describe('answers are given up', () => {
  const STALLED = STALL_SECONDS + 1;

  test('when the peer takes nothing', async () => {
    await begin({ calls: 40 });
    await pass(STALL_SECONDS);
    expect(outcome()).toEqual({ answered: 6, givenUp: 0 });
    await pass(1);
    expect(outcome()).toEqual({ answered: 6, givenUp: 34 });
  });

  test('when it opens the window of the connection by a few bytes', async () => {
    await begin({ calls: 40 });
    await pass(STALLED, () => windowUpdate(0, 300));
    expect(outcome()).toEqual({ answered: 6, givenUp: 34 });
  });

  test('when it would be at it for ever', async () => {
    await begin({ calls: 40, limits: { maxBacklogMs: 30_000 } });
    // More than the least of bytes in a second, yet 68 seconds for what waits.
    await pass(STALLED, () => windowUpdate(0, 5_000));
    expect(outcome().givenUp).toBeGreaterThan(0);
  });

  test.each([
    { name: 'shut', opened: 0 },
    { name: 'a byte wide', opened: 1 },
  ])('when their own windows stay $name, however much it takes of another', async ({ opened }) => {
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
