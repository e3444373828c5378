/**
 * Tests which script decides a call, and which arguments the script receives. The scripts do not depend on the
 * policies.
 */
import type { LimitSpec } from '../config/policy-file.ts';
import { StoredFormatError } from '../lib/store-error.ts';
import type { RedisArgument, RedisCommands } from '../redis/commands.ts';
import { createKeyspace } from '../redis/keyspace.ts';
import type { Script } from '../redis/lua-script.ts';
import { type CompiledLimits, compileLimits } from './model.ts';
import { RedisRateLimitStore } from './redis-store.ts';

let runs: { script: Script; args: readonly RedisArgument[] }[];
let reply: Buffer | number;
let store: RedisRateLimitStore;

beforeEach(() => {
  runs = [];
  reply = Buffer.from('F');
  const redis: RedisCommands = {
    run: async (script, _keys, args) => {
      runs.push({ script, args });
      return script.name === 'rate-limit-take' || script.kind === 'read' ? generalReply() : reply;
    },
    send: async () => null,
  };
  store = new RedisRateLimitStore({ redis, keyspace: createKeyspace('test:') });
});

/** Returns the reply of a general script for one limit that allows the call. */
function generalReply(): Buffer {
  const bytes = Buffer.alloc(34);
  bytes[0] = 1;
  bytes[1] = 1;
  return bytes;
}

function policy(limit: number, changes: Partial<LimitSpec> = {}): CompiledLimits {
  return compileLimits([{ name: 'a', algorithm: 'fixed_window', limit, windowMs: 1_000, burst: limit, ...changes }]);
}

async function take(limits: CompiledLimits, cost = 1, maxDelayMs?: number): Promise<void> {
  const key = { scope: 's', policy: 'p', subject: 'x' };
  await store.take({ key, limits, cost, maxDelayMs }, Number.POSITIVE_INFINITY);
}

function scriptsRun(): string[] {
  return runs.map(({ script }) => script.name);
}

test('runs the same script with one argument for each of 600 policies', async () => {
  for (let index = 1; index <= 600; index += 1) {
    await take(policy(index));
  }
  const lean = runs.filter(({ script }) => script.name === 'rate-limit-take-fixed-window');
  expect(lean).toHaveLength(600);
  expect(new Set(runs.map(({ script }) => script.sha1)).size).toBe(2);
  expect(new Set(lean.map(({ args }) => args.length))).toEqual(new Set([1]));
});

test('sends the cost and the maximum delay only if they differ from the defaults', async () => {
  await take(policy(5), 2);
  await take(policy(5, { algorithm: 'leaky_bucket' }), 1, 70);
  const lean = runs.filter(({ script }) => script.name !== 'rate-limit-take');
  expect(lean.map(({ args }) => args.slice(1))).toEqual([['2'], ['1', '70']]);
});

test('runs the general script if a lean script does not decide', async () => {
  await take(policy(5));
  expect(scriptsRun()).toEqual(['rate-limit-take-fixed-window', 'rate-limit-take']);
});

test.each([
  ['a peek', policy(5), 0],
  ['a cost above the capacity', policy(5), 6],
] as const)('runs the read-only script for %s', async (_name, limits, cost) => {
  await take(limits, cost);
  expect(scriptsRun()).toEqual(['rate-limit-peek']);
});

test.each([
  ['a log', policy(5, { algorithm: 'sliding_window_log' })],
  ['numbers whose products are not exact', policy(2 ** 30, { algorithm: 'token_bucket', windowMs: 2 ** 30 })],
])('runs the general script directly for %s', async (_name, limits) => {
  await take(limits);
  expect(scriptsRun()).toEqual(['rate-limit-take']);
});

test('packs limits of any numbers into 7-bit text', () => {
  for (const limit of [1, 127, 128, 16_383, 2 ** 36]) {
    expect(policy(limit, { windowMs: 34_560_000_000 }).packed).toMatch(/^[\0-\x7f]+$/);
  }
});

test('rejects a value of a newer layout as forbidden and names the remedy', async () => {
  reply = 3;
  const key = { scope: 's', policy: '', subject: 'x' };
  const failure = store.reset(key, policy(5), Number.POSITIVE_INFINITY);
  await expect(failure).rejects.toThrow(StoredFormatError);
  await expect(failure).rejects.toMatchObject({
    kind: 'forbidden',
    message: expect.stringContaining('upgrade this sidecar'),
  });
});
