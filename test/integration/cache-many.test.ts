/**
 * Tests CacheGetMany on a real Redis. The maximum size of a response bounds the bytes that a call fetches. Many
 * concurrent large calls do not overload the connection, and do not exceed the memory of the smallest pod (192 MiB).
 */
import { readFileSync } from 'node:fs';
import { RedisCacheStore } from '../../src/cache/redis-store.ts';
import type { CacheWrite } from '../../src/cache/store.ts';
import { Algorithm } from '../../src/grpc/generated/pannier/v1/Algorithm.ts';
import { CacheOutcome } from '../../src/grpc/generated/pannier/v1/CacheOutcome.ts';
import { DecidedBy } from '../../src/grpc/generated/pannier/v1/DecidedBy.ts';
import { Status } from '../../src/grpc/status.ts';
import { BUCKET_COUNT, bucketOf } from '../../src/lib/key-hash.ts';
import type { RedisCommands } from '../../src/redis/commands.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { connectRedis, keyspace } from '../support/cache/redis.ts';
import { deadline } from '../support/cache/store-contract.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { connectPannier, type PannierClient } from '../support/sidecar/pannier-client.ts';
import { AS_IN_A_CONTAINER, type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

const KEYS = Array.from({ length: 256 }, (_, index) => Buffer.from(`key-${index}`));
const TAGS = Array.from({ length: 16 }, (_, index) => `tag-${index}`);
const BUDGET = { budgetBytes: 3_500_000 };
const LONG_MS = 60_000;

function writeOf(key: Buffer, fields: Partial<CacheWrite> = {}): CacheWrite {
  const value = Buffer.alloc(100, 'v');
  return {
    ...{ namespace: 'n', key, value, absent: false, ttlMs: 600_000, tags: [], condition: { kind: 'none' } },
    ...fields,
  };
}

let node: RedisNode;

beforeAll(async () => {
  node = await startRedis();
});

afterAll(async () => {
  await node?.stop();
});

describe('the store', () => {
  let redis: Redis;
  let store: RedisCacheStore;
  let sent: { name: string; args: number; expectedReplyBytes: number }[] = [];

  beforeAll(async () => {
    redis = await connectRedis(node.url);
    const counting: RedisCommands = {
      run: (script, keys, args, deadlineAtMs, options) => {
        sent.push({ name: script.name, args: keys.length, expectedReplyBytes: options?.expectedReplyBytes ?? 0 });
        return redis.run(script, keys, args, deadlineAtMs, options);
      },
      send: (key, command, deadlineAtMs, options) => {
        const name = String(command[0]);
        sent.push({ name, args: command.length - 1, expectedReplyBytes: options?.expectedReplyBytes ?? 0 });
        return redis.send(key, command, deadlineAtMs, options);
      },
    };
    store = new RedisCacheStore({ commands: counting, keyspace });
    for (const key of KEYS) {
      await store.write(writeOf(key, { tags: TAGS }), deadline());
    }
  });

  beforeEach(() => {
    sent = [];
  });

  afterAll(() => redis?.close());

  function readMany(keys: readonly Buffer[], budgetBytes = BUDGET.budgetBytes) {
    return store.readMany('n', keys, { deadlineAtMs: deadline() + LONG_MS, budgetBytes });
  }

  async function hits(calls: number): Promise<number> {
    const results = await Promise.all(Array.from({ length: calls }, () => readMany(KEYS)));
    return results.flat().filter((result) => result.outcome === 'hit').length;
  }

  test('sends one script per bucket and reads each distinct tag once', async () => {
    expect(await hits(1)).toBe(256);
    const scripts = sent.filter(({ name }) => name === 'cache-read-many');
    const lookups = sent.filter(({ name }) => name === 'MGET');
    expect(scripts.length).toBeLessThanOrEqual(BUCKET_COUNT);
    expect(lookups.reduce((sum, { args }) => sum + args, 0)).toBe(TAGS.length);
    expect(sent).toHaveLength(scripts.length + lookups.length);
  });

  test('states the expected reply bytes of each command, in total less than twice the budget', async () => {
    await readMany(KEYS);
    expect(sent.every(({ expectedReplyBytes }) => expectedReplyBytes > 0)).toBe(true);
    const announced = sent.reduce((sum, { expectedReplyBytes }) => sum + expectedReplyBytes, 0);
    expect(announced).toBeGreaterThan(BUDGET.budgetBytes / 2);
    expect(announced).toBeLessThan(2 * BUDGET.budgetBytes);
  });

  test('serves 4 and 64 concurrent calls of 256 keys with 16 common tags on one connection', async () => {
    const id = await connectionId();
    expect(await hits(4)).toBe(1_024);
    expect(await hits(64)).toBe(16_384);
    expect(await connectionId()).toEqual(id);
  });

  /** Returns the ids of the connections of this store. A new connection has a new id. */
  async function connectionId(): Promise<string[]> {
    const list = String(await node.command('CLIENT', 'LIST'));
    return [...list.matchAll(/^id=(\d+) .* name=pannier /gm)].map((match) => match[1] ?? '');
  }

  test('fetches values above the first-round size only if they fit the remaining budget', async () => {
    const large = Array.from({ length: 256 }, (_, index) => Buffer.from(`large-${index}`));
    for (const key of large) {
      await store.write(writeOf(key, { value: Buffer.alloc(60_000, 'v') }), deadline());
    }
    await node.command('CONFIG', 'RESETSTAT');
    const before = await outputBytes();
    const results = await readMany(large);
    expect(results.filter((result) => result.outcome === 'hit')).toHaveLength(58);
    expect(results.filter((result) => result.outcome === 'skipped')).toHaveLength(198);
    expect((await outputBytes()) - before).toBeLessThan(2 * BUDGET.budgetBytes);
  });

  async function outputBytes(): Promise<number> {
    return Number(/total_net_output_bytes:(\d+)/.exec(String(await node.command('INFO', 'stats')))?.[1]);
  }

  test('removes an entry of the wrong type and reports it as a miss, and returns all others', async () => {
    const broken = KEYS[7] as Buffer;
    const name = String(keyspace.cacheEntry('n', bucketOf(broken), broken));
    await node.command('DEL', name);
    await node.command('LPUSH', name, 'a list');
    const results = await readMany(KEYS);
    expect(results.map((result) => result.outcome)).toEqual(KEYS.map((key) => (key === broken ? 'miss' : 'hit')));
    expect(await node.command('EXISTS', name)).toBe(0);
  });
});

describe('a sidecar', () => {
  let sidecar: Sidecar;
  let client: PannierClient;

  async function start(settings: Record<string, string>, command?: readonly string[]): Promise<void> {
    sidecar = await startSidecar({ PANNIER_REDIS_URL: node.url, ...settings }, command);
    client = connectPannier(sidecar.address);
    await waitFor('a connected Redis', async () => (await client.cacheInvalidate({ namespace: 'n', keys: KEYS })).ok);
  }

  let sampling: NodeJS.Timeout | undefined;

  afterEach(async () => {
    clearInterval(sampling);
    client?.close();
    await sidecar?.stop();
  });

  async function set(keys: readonly Buffer[], fields: { value: Buffer; tags?: string[] }): Promise<void> {
    for (const key of keys) {
      const request = { namespace: 'n', key, ttlMs: 600_000, ...fields };
      const end = await client.cacheSet(request, { deadlineMs: LONG_MS });
      expect(end).toMatchObject({ ok: true, response: { stored: true } });
    }
  }

  async function getMany(calls: number, keys: readonly Buffer[]) {
    const request = { namespace: 'n', keys: [...keys] };
    return await Promise.all(
      Array.from({ length: calls }, () => client.cacheGetMany(request, { deadlineMs: LONG_MS })),
    );
  }

  test('serves 64 concurrent calls of 256 keys with 16 common tags without losing its connection', async () => {
    await start({ PANNIER_REDIS_COMMAND_TIMEOUT_MS: '30000' });
    await set(KEYS, { value: Buffer.alloc(100, 'v'), tags: TAGS });
    const ends = await getMany(64, KEYS);
    const outcomes = ends.flatMap((end) => (end.ok ? end.response.results.map((result) => result.outcome) : []));
    expect(outcomes.filter((outcome) => outcome === CacheOutcome.CACHE_OUTCOME_HIT)).toHaveLength(16_384);
    expect(sidecar.logLines().filter((line) => /lost/.test(String(line.msg)))).toEqual([]);
  }, 120_000);

  test('returns 3 hits for 256 repetitions of a key with a value of 1 MiB, and rejects 257 keys', async () => {
    await start({});
    const key = Buffer.from('1 MiB');
    await set([key], { value: Buffer.alloc(1_048_576, 'v') });
    const [end] = await getMany(1, Array(256).fill(key));
    const outcomes = end?.ok ? end.response.results.map((result) => result.outcome) : [];
    expect(outcomes).toEqual([
      ...Array(3).fill(CacheOutcome.CACHE_OUTCOME_HIT),
      ...Array(253).fill(CacheOutcome.CACHE_OUTCOME_SKIPPED),
    ]);
    expect((await getMany(1, Array(257).fill(key)))[0]).toMatchObject({ code: Status.INVALID_ARGUMENT });
  }, 60_000);

  test('decides rate limits by the store while calls with 256 values of 10 KB are in flight on the same Redis', async () => {
    await start({});
    const medium = Array.from({ length: 256 }, (_, index) => Buffer.from(`medium-${index}`));
    await set(medium, { value: Buffer.alloc(10_000, 'v') });
    let isChecking = true;
    async function readOn(): Promise<number> {
      let values = 0;
      while (isChecking) {
        const [end] = await getMany(1, medium);
        expect(end).toMatchObject({ ok: true });
        values += end?.ok ? end.response.results.filter((result) => result.value.length === 10_000).length : 0;
      }
      return values;
    }
    const readers = Array.from({ length: 3 }, readOn);
    const limits = [{ name: 'n', algorithm: Algorithm.ALGORITHM_TOKEN_BUCKET, limit: 1_000, windowMs: 60_000 }];
    const deciders: unknown[] = [];
    for (let check = 0; check < 200; check += 1) {
      const end = await client.checkRateLimit({ key: 'subject', limits }, { deadlineMs: LONG_MS });
      deciders.push(end.ok ? end.response.decidedBy : end);
    }
    isChecking = false;
    expect(deciders).toEqual(Array(200).fill(DecidedBy.DECIDED_BY_STORE));
    for (const values of await Promise.all(readers)) {
      expect(values).toBeGreaterThan(0);
    }
  }, 120_000);

  test('of the smallest pod stays within its memory under 39 calls of 256 large values and 150 calls of 1 MB', async () => {
    const podBytes = 192 * 1_024 * 1_024;
    // The chart and the injector set these flags for a pod with this memory limit. The sidecar normally reads its
    // memory limit from the cgroup, so the test replaces the function that returns this limit.
    const heapFlags = '--max-semi-space-size=4 --max-old-space-size=96';
    const limit = `--import=data:text/javascript,process.constrainedMemory=()=>${podBytes}`;
    const settings = { PANNIER_REDIS_COMMAND_TIMEOUT_MS: '20000', NODE_OPTIONS: `${heapFlags} ${limit}` };
    await start(settings, AS_IN_A_CONTAINER);
    const large = Array.from({ length: 256 }, (_, index) => Buffer.from(`large-${index}`));
    await set(large, { value: Buffer.alloc(60_000, 'v') });
    let answered = 0;
    let peakBytes = 0;
    sampling = setInterval(() => {
      peakBytes = Math.max(peakBytes, anonymousBytes(sidecar.pid));
    }, 5);
    for (let round = 0; round < 3; round += 1) {
      for (const end of await getMany(39, large)) {
        expect(end.ok || end.code === Status.RESOURCE_EXHAUSTED).toBe(true);
        answered += end.ok ? 1 : 0;
      }
    }
    // The number of successful calls depends on the speed at which the client reads responses.
    expect(answered).toBeGreaterThan(0);
    const key = Buffer.from('1 MB');
    await set([key], { value: Buffer.alloc(1_000_000, 'v') });
    const gets = Array.from({ length: 150 }, () => client.cacheGet({ namespace: 'n', key }, { deadlineMs: LONG_MS }));
    for (const end of await Promise.all(gets)) {
      expect(end.ok || end.code === Status.RESOURCE_EXHAUSTED).toBe(true);
    }
    clearInterval(sampling);
    expect(peakBytes).toBeGreaterThan(0);
    expect(peakBytes).toBeLessThan(podBytes);
  }, 180_000);
});

/**
 * Returns the size of the anonymous memory of a process. The kernel cannot reclaim this memory, and the memory limit of
 * a container applies to it.
 */
function anonymousBytes(pid: number): number {
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024;
}
