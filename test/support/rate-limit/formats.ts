/**
 * Reads the committed bytes of stored limits (test/fixtures/formats/rate-limit.json), and repeats the calls that
 * produce these bytes. The calls use the production scripts, but the test sets the time of each call.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LimitSpec } from '../../../src/config/policy-file.ts';
import type { StepOutcome } from '../../../src/rate-limit/algorithms/step.ts';
import { type CompiledLimits, compileLimits } from '../../../src/rate-limit/model.ts';
import type { Redis } from '../../../src/redis/redis.ts';
import { soonMs } from '../redis/client.ts';
import type { RedisNode } from '../redis/server.ts';
import { repositoryRoot } from '../repository.ts';
import { frozenStore } from './frozen-clock.ts';

export interface FormatCase {
  readonly name: string;
  readonly limits: readonly LimitSpec[];
  /** Consecutive calls of `take`: their number, the time between them, and the cost of each. */
  readonly takes: { readonly count: number; readonly everyMs: number; readonly cost: number };
  /** Values by field, in hex. */
  readonly hash: Readonly<Record<string, string>>;
  /** Time of a peek, in ms after START_MS. `outcomes` are the outcomes of this peek. */
  readonly peekAfterMs: number;
  readonly peek: readonly StepOutcome[];
}

/** Start time far in the server's future, so that no key expires by the real clock. */
export const START_MS = 3_000_000_000_123;
export const SUBJECT_KEY = 'test:rl:{s|p|x}';

export function readFormatCases(): readonly FormatCase[] {
  const text = readFileSync(join(repositoryRoot, 'test/fixtures/formats/rate-limit.json'), 'utf8');
  return JSON.parse(text) as FormatCase[];
}

/** Repeats the `take` calls of a case for the subject that all tests use. */
export async function makeTakes(redis: Redis, { limits, takes }: Pick<FormatCase, 'limits' | 'takes'>): Promise<void> {
  for (let index = 0; index < takes.count; index += 1) {
    await takeAt(redis, compileLimits(limits), { atMs: START_MS + index * takes.everyMs, cost: takes.cost });
  }
}

export async function takeAt(
  redis: Redis,
  limits: CompiledLimits,
  { atMs, cost }: { atMs: number; cost: number },
): Promise<readonly StepOutcome[]> {
  const { store } = frozenStore(redis, { nowMs: () => atMs });
  const key = { scope: 's', policy: 'p', subject: 'x' };
  return (await store.take({ key, limits, cost, maxDelayMs: undefined }, soonMs())).outcomes;
}

export async function readHash(redis: Redis): Promise<Record<string, string>> {
  const reply = await redis.send(SUBJECT_KEY, ['HGETALL', SUBJECT_KEY], soonMs());
  const entries = reply instanceof Map ? [...reply] : pairsOf(reply as Buffer[] | Record<string, Buffer>);
  const hash: Record<string, string> = {};
  for (const [field, value] of entries) {
    hash[String(field)] = Buffer.from(value as Buffer).toString('hex');
  }
  return hash;
}

function pairsOf(reply: Buffer[] | Record<string, Buffer>): [unknown, Buffer][] {
  if (!Array.isArray(reply)) {
    return Object.entries(reply);
  }
  const pairs: [unknown, Buffer][] = [];
  for (let index = 0; index < reply.length; index += 2) {
    pairs.push([reply[index], reply[index + 1] as Buffer]);
  }
  return pairs;
}

/** Stores bytes as if a script had written them. */
export async function writeHash(
  redis: Redis,
  server: RedisNode,
  hash: Readonly<Record<string, string>>,
): Promise<void> {
  await server.command('DEL', SUBJECT_KEY);
  for (const [field, hex] of Object.entries(hash)) {
    await redis.send(SUBJECT_KEY, ['HSET', SUBJECT_KEY, field, Buffer.from(hex, 'hex')], soonMs());
  }
  await server.command('PEXPIREAT', SUBJECT_KEY, String(START_MS + 100_000_000));
}
