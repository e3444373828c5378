/**
 * Answers to calls that have begun before any answer waited: what a peer that takes none can make wait is bounded all the same, for its
 * connection and for all connections together.
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

/** A peer whose windows are shut: it opens all calls, and sends their messages once all are open. */
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

/** How many calls ended with each status. */
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

test.each(['EchoLater', 'Talk'])('of %s, by one connection', async (method) => {
  const server = startMemoryServer({ maxBufferedAnswerBytesPerConnection: MAX_QUEUED });
  await attack(server, method);
  expect(server.budgets.answers.bytes).toBeGreaterThan(MAX_QUEUED);
  expect(server.budgets.answers.bytes).toBeLessThan(2 * MAX_QUEUED + 2 * ANSWER_BYTES);
  expect(statuses(server)).toEqual({ [Status.RESOURCE_EXHAUSTED]: expect.any(Number) });
});

test.each(['EchoLater', 'Talk'])('of %s, by many connections', async (method) => {
  const connections = 20;
  const budgets = { requests: new GlobalBudget(1e9), answers: new GlobalBudget(MAX_QUEUED) };
  for (let count = 0; count < connections; count += 1) {
    await attack(startMemoryServer({}, budgets), method);
  }
  // Each may have an equal share among those that are there when it comes, and one answer.
  const shares = Array.from({ length: connections }, (_, before) => MAX_QUEUED / (before + 1) + 2 * ANSWER_BYTES);
  expect(budgets.answers.bytes).toBeLessThan(shares.reduce((sum, bytes) => sum + bytes, 0));
});
