/**
 * Which script a decision runs: Redis keeps every script that it has seen, so they must not become ever more.
 */
import type { RedisArgument, RedisCommands } from '../redis/commands.ts';
import { createKeyspace } from '../redis/keyspace.ts';
import type { Script } from '../redis/script.ts';
import { type CompiledLimits, compileLimits } from './policy.ts';
import { RedisRateLimitStore } from './redis-store.ts';

let runs: { script: Script; args: readonly RedisArgument[] }[];
let store: RedisRateLimitStore;

beforeEach(() => {
  runs = [];
  const redis: RedisCommands = {
    run: async (script, _keys, args) => {
      runs.push({ script, args });
      return [1, 1, 9, 0, 1_000, 0, 0];
    },
    send: async () => null,
  };
  store = new RedisRateLimitStore({ redis, keyspace: createKeyspace('test:') });
});

function policy(limit: number, isKept = true): CompiledLimits {
  return compileLimits([{ name: 'a', algorithm: 'fixed_window', limit, windowMs: 1_000, burst: limit }], isKept);
}

async function take(limits: CompiledLimits): Promise<void> {
  const key = { scope: 's', policy: 'p', subject: 'x' };
  await store.take({ key, limits, cost: 1, maxDelayMs: undefined }, Number.POSITIVE_INFINITY);
}

function scriptsRun(): number {
  return new Set(runs.map(({ script }) => script.sha1)).size;
}

test('a policy has a script of its own, and the same one after a reload that leaves it as it was', async () => {
  await take(policy(5));
  await take(policy(5));
  await take(policy(5, false));
  expect(scriptsRun()).toBe(2);
  expect(runs.map(({ args }) => args.length)).toEqual([0, 0, 7]);
});

test('hundreds of policies, and reloads that change them, share the common script once there are many of their own', async () => {
  const kept = Array.from({ length: 300 }, (_, index) => policy(index + 1));
  for (const limits of [...kept, ...kept]) {
    await take(limits);
  }
  expect(scriptsRun()).toBeLessThanOrEqual(101);
  const last = runs.at(-1);
  expect(last?.args).toEqual(['1', '-1', '1', '1:1000:a', '300', '1000', '300']);
  expect(last?.script.source).toBe(runs.at(250)?.script.source);
});
