/**
 * Tests that buffered responses are bounded, per connection and in total, if a peer reads no responses. All calls of
 * the peer start before any response is buffered.
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
} from '../../../../test/support/http2/frames.ts';
import { Status } from '../../status.ts';
import { GlobalBudget } from './global-budget.ts';

const ANSWER_BYTES = 15_000;
const CALLS = 40;
const MAX_QUEUED = 100_000;

let servers: MemoryServer[];

beforeEach(() => {
  servers = [];
});

afterEach(() => {
  for (const { socket } of servers) {
    socket.destroy();
  }
});

async function turns(): Promise<void> {
  for (let left = 5; left > 0; left -= 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Opens all calls from a peer whose windows are closed, and then sends all their messages. */
async function attack(server: MemoryServer, method: string): Promise<void> {
  const { socket } = server;
  servers.push(server);
  socket.receive(Buffer.concat([PREFACE, settings([[SettingId.initialWindowSize, 0]])]));
  socket.receive(many(CALLS, (index) => headers(2 * index + 1, requestBlock(fuzzPath(method)))));
  await turns();
  const body = message(Buffer.alloc(ANSWER_BYTES));
  socket.receive(many(CALLS, (index) => data(2 * index + 1, body, FrameFlag.endStream)));
  await turns();
}

/** Returns the number of calls per status. */
function statuses({ socket }: MemoryServer): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { fields } of readOutput(Buffer.concat(socket.written)).streams.values()) {
    const status = fields.get('grpc-status');
    if (status !== undefined) {
      counts[status] = (counts[status] ?? 0) + 1;
    }
  }
  return counts;
}

test.each(['EchoLater', 'Talk'])('bounds the buffered responses of %s for one connection', async (method) => {
  const server = startMemoryServer({ maxBufferedAnswerBytesPerConnection: MAX_QUEUED });
  await attack(server, method);
  expect(server.budgets.answers.bytes).toBeGreaterThan(MAX_QUEUED);
  expect(server.budgets.answers.bytes).toBeLessThan(2 * MAX_QUEUED + 2 * ANSWER_BYTES);
  expect(statuses(server)).toEqual({ [Status.RESOURCE_EXHAUSTED]: expect.any(Number) });
});

test.each(['EchoLater', 'Talk'])(
  'bounds the buffered responses of %s for many connections together',
  async (method) => {
    const connections = 20;
    const budgets = { requests: new GlobalBudget(1e9), answers: new GlobalBudget(MAX_QUEUED) };
    for (let count = 0; count < connections; count += 1) {
      await attack(startMemoryServer({}, budgets), method);
    }
    // Each connection may buffer the equal quota that applied when the connection arrived, plus one response.
    const quotas = Array.from({ length: connections }, (_, before) => MAX_QUEUED / (before + 1) + 2 * ANSWER_BYTES);
    expect(budgets.answers.bytes).toBeLessThan(quotas.reduce((sum, bytes) => sum + bytes, 0));
  },
);
