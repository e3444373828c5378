/**
 * Fuzzes the flow control of the data that the server sends. The client opens windows by a few bytes or shrinks them
 * with SETTINGS, the socket blocks temporarily, and the server's periodic sweeps run.
 *
 * Invariants:
 *   1. The server never sends more than the windows allow.
 *   2. No byte is lost, duplicated or reordered.
 *   3. Once the windows are open, every call ends successfully.
 *   4. The buffers that unsent bytes keep alive are at most twice as large as these bytes, plus a constant.
 */
import {
  data,
  FrameFlag,
  FrameType,
  HEADER_BYTES,
  headers,
  message,
  PREFACE,
  requestBlock,
  SettingId,
  settings,
  windowUpdate,
} from '../support/http2/frames.ts';
import { FastRandom } from '../support/http2/random.ts';
import { fuzzPath } from './conversations.ts';
import { type MemoryServer, startMemoryServer } from './memory-server.ts';
import { readOutput } from './server-output.ts';
import { ensure, type FuzzTarget } from './target.ts';

const DEFAULT_WINDOW = 65_535;
const OPEN_WINDOW = 4_000_000;
const INITIAL_WINDOWS = [0, 1, 17, 300, 20_000, DEFAULT_WINDOW];
/** Values for maxUnsentBytes, from a few bytes to 1 MiB. */
const MAX_UNSENT = [10, 3_000, 1024 * 1024];
const MAX_STEPS = 40;
const TURNS = 3;
const LAST_TURNS = 30;
/** Constant of invariant 4: the size of two buffers that are partly sent. */
const MAX_BUFFERS_HELD_BYTES = 2 * 64 * 1024;

interface Call {
  readonly streamId: number;
  readonly expected: Buffer;
}

/** State of the client: the windows that it has granted, and the DATA that it has received. */
interface Client {
  readonly server: MemoryServer;
  readonly calls: readonly Call[];
  readonly windows: Map<number, number>;
  connectionWindow: number;
  initialWindow: number;
  chunksRead: number;
  dataBytes: number;
  readonly steps: string[];
  /** Window reductions in SETTINGS frames that the server has not acknowledged yet. */
  readonly unacknowledged: number[];
}

export const flowControlTarget: FuzzTarget = {
  name: 'flow-control',
  share: 1,
  run: (random) => play(new FastRandom(random.next(), random.next())),
};

async function play(random: FastRandom): Promise<void> {
  const client = begin(random);
  await turn(client);
  for (let left = random.below(MAX_STEPS); left > 0; left -= 1) {
    step(client, random);
    await turn(client);
  }
  client.server.socket.unstick();
  changeInitialWindow(client, OPEN_WINDOW);
  growConnection(client, OPEN_WINDOW);
  for (let left = LAST_TURNS; left > 0 && !hasAll(client); left -= 1) {
    await turn(client);
  }
  end(client);
}

function begin(random: FastRandom): Client {
  const client: Client = {
    server: startMemoryServer({ maxUnsentBytes: random.pick(MAX_UNSENT), maxStalledWriteMs: MAX_STEPS * 1_000 }),
    calls: Array.from({ length: 1 + random.below(6) }, (_, index) => makeCall(2 * index + 1, random)),
    windows: new Map(),
    connectionWindow: DEFAULT_WINDOW,
    initialWindow: random.pick(INITIAL_WINDOWS),
    chunksRead: 0,
    dataBytes: 0,
    steps: [],
    // The first SETTINGS frame reduces no window.
    unacknowledged: [0],
  };
  feed(
    client,
    `begin ${client.initialWindow}`,
    PREFACE,
    settings([[SettingId.initialWindowSize, client.initialWindow]]),
  );
  for (const { streamId } of client.calls) {
    client.windows.set(streamId, client.initialWindow);
  }
  feed(client, 'calls', ...client.calls.map((call) => requests.get(call) ?? Buffer.alloc(0)));
  return client;
}

/** Encoded requests of the calls. */
const requests = new WeakMap<Call, Buffer>();

function makeCall(streamId: number, random: FastRandom): Call {
  const method = random.pick(['Echo', 'EchoLater', 'Stream']);
  const bytes = Buffer.alloc(random.below(random.pick([20, 2_000, 15_000])), streamId);
  const answer = message(bytes);
  const call = { streamId, expected: method === 'Stream' ? Buffer.concat([answer, answer, answer]) : answer };
  const request = [
    headers(streamId, requestBlock(fuzzPath(method))),
    data(streamId, message(bytes), FrameFlag.endStream),
  ];
  requests.set(call, Buffer.concat(request));
  return call;
}

function step(client: Client, random: FastRandom): void {
  const { socket } = client.server;
  switch (random.below(7)) {
    case 0:
      changeInitialWindow(client, random.pick(INITIAL_WINDOWS));
      return;
    case 1:
      growConnection(client, 1 + random.below(random.pick([5, 5_000, 100_000])));
      return;
    case 2:
      socket.isStuck = true;
      return;
    case 3:
      socket.unstick();
      return;
    case 4:
      // A sweep represents one second. All sweeps of a run together represent less time than maxStalledWriteMs.
      client.steps.push('sweep');
      client.server.connection.sweep();
      return;
    default: {
      const { streamId } = random.pick(client.calls);
      const bytes = 1 + random.below(random.pick([3, 300, 30_000]));
      client.windows.set(streamId, (client.windows.get(streamId) ?? 0) + bytes);
      feed(client, `stream ${streamId} +${bytes}`, windowUpdate(streamId, bytes));
    }
  }
}

/** Changes the initial window size. The server may use the larger window until it acknowledges a reduction. */
function changeInitialWindow(client: Client, bytes: number): void {
  const change = bytes - client.initialWindow;
  client.initialWindow = bytes;
  client.unacknowledged.push(Math.min(0, change));
  changeWindows(client, Math.max(0, change));
  feed(client, `initial ${bytes}`, settings([[SettingId.initialWindowSize, bytes]]));
}

function changeWindows(client: Client, change: number): void {
  for (const [streamId, window] of client.windows) {
    client.windows.set(streamId, window + change);
  }
}

function growConnection(client: Client, bytes: number): void {
  client.connectionWindow += bytes;
  feed(client, `connection +${bytes}`, windowUpdate(0, bytes));
}

function feed(client: Client, what: string, ...parts: readonly Buffer[]): void {
  client.steps.push(what);
  client.server.socket.receive(Buffer.concat(parts));
}

/** Waits until handlers have run and writes have completed, and subtracts the received DATA from the windows. */
async function turn(client: Client): Promise<void> {
  for (let left = TURNS; left > 0; left -= 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { socket } = client.server;
  const { written } = socket;
  const maxHeld = MAX_BUFFERS_HELD_BYTES + 2 * socket.writableLength;
  ensure(
    socket.bufferedMemoryBytes() <= maxHeld,
    `buffers of unsent bytes must have at most ${maxHeld} bytes, got ${socket.bufferedMemoryBytes()}`,
    () => client.steps,
  );
  const bytes = Buffer.concat(written.slice(client.chunksRead));
  client.chunksRead = written.length;
  for (let at = 0; at < bytes.length; at += HEADER_BYTES + bytes.readUIntBE(at, 3)) {
    const type = bytes.readUInt8(at + 3);
    if (type === FrameType.data) {
      received(client, bytes.readUInt32BE(at + 5), bytes.readUIntBE(at, 3));
    } else if (type === FrameType.settings && bytes.readUInt8(at + 4) === FrameFlag.ack) {
      changeWindows(client, client.unacknowledged.shift() ?? 0);
    }
  }
}

function received(client: Client, streamId: number, bytes: number): void {
  const window = (client.windows.get(streamId) ?? 0) - bytes;
  client.windows.set(streamId, window);
  client.connectionWindow -= bytes;
  client.dataBytes += bytes;
  ensure(bytes === 0 || window >= 0, `stream ${streamId} sent more than its window`, () => ({
    window,
    steps: client.steps,
  }));
  ensure(client.connectionWindow >= 0, 'the server sent more than the connection window', () => client.steps);
}

/** Returns whether all response bytes have arrived. A later step checks how the calls ended. */
function hasAll(client: Client): boolean {
  const expected = client.calls.reduce((sum, call) => sum + call.expected.length, 0);
  return client.server.socket.writableLength === 0 && client.dataBytes >= expected;
}

function end(client: Client): void {
  const { socket, unexpected, budgets } = client.server;
  const output = readOutput(Buffer.concat(socket.written));
  const context = (): unknown => ({ steps: client.steps, goaway: output.goaway, unexpected });
  ensure(output.goaway === undefined && unexpected.length === 0, 'the connection was ended', context);
  for (const { streamId, expected } of client.calls) {
    const answer = output.streams.get(streamId);
    const isDone = answer?.hasEnded === true && answer.fields.get('grpc-status') === '0';
    ensure(isDone, `the call on stream ${streamId} did not end successfully`, context);
    ensure(
      answer?.body.equals(expected) === true,
      `the response on stream ${streamId} is not the expected one`,
      context,
    );
  }
  ensure(budgets.answers.bytes === 0, 'bytes count as buffered although all are sent', context);
  socket.destroy();
}
