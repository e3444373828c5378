/**
 * Measured operations: single commands as baselines, and the operations of the stores. All operations use the same connection code.
 *
 * 1. `run` starts one operation and resolves with its reply. The promise rejects if the reply is not as expected.
 * 2. Operations cycle through the keys of SUBJECTS subjects, so that their keys exist and consecutive operations use different keys.
 * 3. Limits have long windows, so that no round measures the first decision of a subject in a new window.
 */
import { RedisCacheStore } from '../../src/cache/redis-store.ts';
import type { AlgorithmName, LimitSpec } from '../../src/config/policy-file.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { ALGORITHMS } from '../../src/rate-limit/algorithms/algorithm.ts';
import { compileLimits } from '../../src/rate-limit/model.ts';
import { RedisRateLimitStore } from '../../src/rate-limit/redis-store.ts';
import { createKeyspace, type Keyspace } from '../../src/redis/keyspace.ts';
import { defineScript } from '../../src/redis/lua-script.ts';
import type { Redis } from '../../src/redis/redis.ts';
import type { SessionCredential } from '../../src/session/model.ts';
import { RedisSessionStore } from '../../src/session/redis-store.ts';

export interface Operation {
  readonly name: string;
  readonly isBaseline: boolean;
  run(index: number): Promise<unknown>;
}

export const EVALSHA_SET = 'EVALSHA SET';
export const GET = 'GET';
export const INCRBY_EXPIRE = 'INCRBY + EXPIRE';

export const SUBJECTS = 1_000;
const LIMIT_COUNTS = [1, 4, 16] as const;
const HOUR_MS = 3_600_000;
const LARGE_LIMIT = 1_000_000;
const LOG_LIMIT = 10_000;
const VALUE_BYTES = 100;
const DEADLINE_MS = 10_000;

export function limitsName(algorithm: AlgorithmName, count: number): string {
  return `${algorithm} x ${count}`;
}

/** Creates the operations, and resolves when the data that they read exists. */
export async function createOperations(redis: Redis): Promise<Operation[]> {
  const keyspace = createKeyspace('bench:');
  return [
    ...baselines(redis),
    ...ALGORITHMS.flatMap(({ name }) => LIMIT_COUNTS.map((count) => limitsOperation(redis, keyspace, name, count))),
    ...(await cacheOperations(redis, keyspace)),
    ...(await sessionOperations(redis, keyspace)),
  ];
}

function baselines(redis: Redis): Operation[] {
  const set = defineScript('bench-set', "return redis.call('SET', KEYS[1], ARGV[1])", 'write');
  const keys = Array.from({ length: SUBJECTS }, (_, index) => `bench:bare:{scope|policy|subject-${index}}`);
  const keyOf = (index: number): string => keys[index % SUBJECTS] ?? '';
  return [
    {
      name: EVALSHA_SET,
      isBaseline: true,
      run: (index) => redis.run(set, [keyOf(index)], ['1'], soon()),
    },
    { name: GET, isBaseline: true, run: (index) => redis.send(keyOf(index), ['GET', keyOf(index)], soon()) },
    {
      name: INCRBY_EXPIRE,
      isBaseline: true,
      run: (index) => {
        const key = `${keyOf(index)}:count`;
        return Promise.all([
          redis.send(key, ['INCRBY', key, '1'], soon()),
          redis.send(key, ['EXPIRE', key, '3600'], soon()),
        ]);
      },
    },
  ];
}

function limitsOperation(redis: Redis, keyspace: Keyspace, algorithm: AlgorithmName, count: number): Operation {
  const store = new RedisRateLimitStore({ redis, keyspace });
  const limit = algorithm === 'sliding_window_log' ? LOG_LIMIT : LARGE_LIMIT;
  const specs = Array.from({ length: count }, (_, index): LimitSpec => {
    return { name: `limit-${index}`, algorithm, limit, windowMs: (index + 1) * HOUR_MS, burst: limit };
  });
  const limits = compileLimits(specs);
  const policy = `${algorithm}-${count}`;
  return {
    name: limitsName(algorithm, count),
    isBaseline: false,
    run: async (index) => {
      const key = { scope: 'scope', policy, subject: `subject-${index % SUBJECTS}` };
      const { outcomes } = await store.take({ key, limits, cost: 1, maxDelayMs: undefined }, soon());
      expectAnswer(outcomes.length === count, 'the outcomes of all limits');
    },
  };
}

async function cacheOperations(redis: Redis, keyspace: Keyspace): Promise<Operation[]> {
  const store = new RedisCacheStore({ commands: redis, keyspace });
  const keys = Array.from({ length: SUBJECTS }, (_, index) => Buffer.from(`key-${index}`));
  const keyOf = (index: number): Buffer => keys[index % SUBJECTS] ?? Buffer.alloc(0);
  const value = Buffer.alloc(VALUE_BYTES, 1);
  const write = (index: number) =>
    store.write(
      {
        namespace: 'bench',
        key: keyOf(index),
        value,
        absent: false,
        ttlMs: HOUR_MS,
        tags: [],
        condition: { kind: 'none' },
      },
      soon(),
    );
  for (let index = 0; index < SUBJECTS; index += 1) {
    await write(index);
  }
  return [
    {
      name: 'cache read',
      isBaseline: false,
      run: async (index) => {
        const entry = await store.read('bench', keyOf(index), soon());
        expectAnswer(entry !== undefined, 'a hit');
      },
    },
    {
      name: 'cache write',
      isBaseline: false,
      run: async (index) => {
        const { stored } = await write(index);
        expectAnswer(stored, 'a stored value');
      },
    },
  ];
}

async function sessionOperations(redis: Redis, keyspace: Keyspace): Promise<Operation[]> {
  const store = new RedisSessionStore({ commands: redis, keyspace });
  const operations: Operation[] = [];
  for (const [name, userOf] of [
    ['session read, guest', () => ''],
    ['session read, logged in', (index: number) => `user-${index}`],
  ] as const) {
    const credentials: SessionCredential[] = [];
    for (let index = 0; index < SUBJECTS; index += 1) {
      const credential = { handle: handleOf(`${name} ${index}`), verifier: handleOf(`verifier ${index}`) };
      const session = {
        credential,
        userId: userOf(index),
        data: new Map([['name', Buffer.from('value')]]),
        idleTtlMs: HOUR_MS,
        absoluteTtlMs: 12 * HOUR_MS,
        labels: new Map<string, string>(),
      };
      await store.create(session, soon());
      credentials.push(credential);
    }
    operations.push({
      name,
      isBaseline: false,
      run: async (index) => {
        const credential = credentials[index % SUBJECTS] as SessionCredential;
        const session = await store.read(credential, { touch: true }, soon());
        expectAnswer(session !== undefined, 'a live session');
      },
    });
  }
  return operations;
}

/** Returns a string with the length and the alphabet of a real session handle. */
function handleOf(text: string): string {
  return Buffer.from(text.padEnd(16, '.')).toString('base64url').slice(-22);
}

function expectAnswer(isExpected: boolean, what: string): void {
  if (!isExpected) {
    throw new Error(`cannot measure an operation: the answer must be ${what}`);
  }
}

function soon(): number {
  return systemClock.monotonicMs() + DEADLINE_MS;
}
