/**
 * Tests servers that freeze, fail, hang or start late. Every call ends within its time limit, with a reply or a
 * StoreError. A fault does not affect calls to healthy servers, and the client recovers without intervention.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { StoreError } from '../../src/lib/store-error.ts';
import { defineScript } from '../../src/redis/lua-script.ts';
import { createRedis, type Redis } from '../../src/redis/redis.ts';
import { openRedis, redisOptions, soonMs } from '../support/redis/client.ts';
import { type RedisCluster, startCluster } from '../support/redis/cluster.ts';
import { noRedisMetrics } from '../support/redis/no-metrics.ts';
import { freePort, type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

const count = defineScript(
  'count',
  "local n = redis.call('INCR', KEYS[1]) redis.call('PEXPIRE', KEYS[1], 60000) return n",
);

/**
 * Maximum duration of a call: the sum of the command timeout, the interval of the watchdog and one tick of the timer
 * wheel. Tests add the lag of their own event loop to this maximum.
 */
const MAX_CALL_MS = 300;

interface Call {
  readonly beganAtMs: number;
  readonly durationMs: number;
  readonly outcome: string;
}

async function call(redis: Redis, key: string): Promise<Call> {
  const beganAtMs = performance.now();
  let outcome = 'ok';
  try {
    await redis.run(count, [key], [], soonMs());
  } catch (error) {
    outcome = error instanceof StoreError ? error.kind : `not a StoreError: ${String(error)}`;
  }
  return { beganAtMs, durationMs: performance.now() - beganAtMs, outcome };
}

/** Sends calls for one key, four at a time, until a test calls `stop`. */
class Load {
  readonly calls: Call[] = [];
  readonly #loops: Promise<void>[];
  #isStopped = false;

  constructor(redis: Redis, key: string) {
    this.#loops = Array.from({ length: 4 }, () => this.#loop(redis, key));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#loops);
  }

  since(timeMs: number): Call[] {
    return this.calls.filter((one) => one.beganAtMs >= timeMs);
  }

  async #loop(redis: Redis, key: string): Promise<void> {
    while (!this.#isStopped) {
      this.calls.push(await call(redis, key));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}

/** Measures the longest lag of this process's event loop. */
class LagMeter {
  maxMs = 0;
  #lastMs = performance.now();
  readonly #interval = setInterval(() => {
    const nowMs = performance.now();
    this.maxMs = Math.max(this.maxMs, nowMs - this.#lastMs - 5);
    this.#lastMs = nowMs;
  }, 5);

  stop(): void {
    clearInterval(this.#interval);
  }
}

function kinds(calls: readonly Call[]): Set<string> {
  return new Set(calls.map((one) => one.outcome));
}

function slowestMs(calls: readonly Call[]): number {
  return calls.reduce((slowest, one) => Math.max(slowest, one.durationMs), 0);
}

/** Returns three keys, one on each master. */
function keysOf(cluster: RedisCluster): string[] {
  return cluster.masters().map((master) => {
    let index = 0;
    while (cluster.masterOf(`key-${index}`).port !== master.port) {
      index += 1;
    }
    return `key-${index}`;
  });
}

let meter: LagMeter;
const unhandled: unknown[] = [];
const note = (reason: unknown): void => {
  unhandled.push(reason);
};

beforeAll(() => {
  process.on('unhandledRejection', note);
});

beforeEach(() => {
  meter = new LagMeter();
});

afterEach(() => {
  meter.stop();
  expect(unhandled).toEqual([]);
});

afterAll(() => {
  process.off('unhandledRejection', note);
});

describe.each(['frozen', 'killed'] as const)('a master that is %s', (fault) => {
  test('ends its calls in time, does not affect other masters, and serves its slots again after the promotion', async () => {
    const cluster = await startCluster();
    const redis = await openRedis(cluster.urls);
    const keys = keysOf(cluster);
    const loads = keys.map((key) => new Load(redis, key));
    const [victim] = cluster.masters() as [RedisNode];
    const [struck, ...others] = loads as [Load, ...Load[]];
    await waitFor('some calls', () => loads.every((load) => load.calls.length > 50));
    const beganAtMs = performance.now();
    await (fault === 'frozen' ? victim.freeze() : victim.kill());
    await waitFor('an error', () => struck.since(beganAtMs).some((one) => one.outcome !== 'ok'));
    await waitFor(
      'service on the shard after the promotion',
      () => struck.since(beganAtMs).at(-1)?.outcome === 'ok' && struck.calls.at(-20)?.outcome === 'ok',
      20_000,
    );
    if (fault === 'frozen') {
      await victim.thaw();
      await waitFor('the old master a replica', async () => {
        return String(await victim.command('INFO', 'replication')).includes('role:slave');
      });
      const thawedAtMs = performance.now();
      await waitFor('calls after the thaw', () => struck.since(thawedAtMs).length > 200);
    }
    await Promise.all(loads.map((load) => load.stop()));
    const failed = struck.calls.filter((one) => one.outcome !== 'ok');
    expect([...kinds(failed)].filter((kind) => kind !== 'unavailable' && kind !== 'unknown')).toEqual([]);
    expect(slowestMs(struck.calls)).toBeLessThan(MAX_CALL_MS + meter.maxMs);
    expect(kinds(others.flatMap((load) => load.calls))).toEqual(new Set(['ok']));
    // Once Redis has reported the master as failed, calls fail without waiting. Only calls that began before that
    // report have waited.
    const waited = failed.filter((one) => one.durationMs > 100 + meter.maxMs);
    expect(waited.length).toBeLessThan(failed.length / 4);
    await waitFor('nothing in flight', () => redis.describe().every((node) => node.inFlight === 0));
    redis.close();
    await cluster.stop();
  }, 60_000);
});

describe('standalone', () => {
  test('ends calls in time if the server freezes, then fails them at once, and serves them after the thaw', async () => {
    const node = await startRedis();
    const redis = await openRedis(node.url);
    const load = new Load(redis, 'a');
    await waitFor('some calls', () => load.calls.length > 50);
    await node.freeze();
    const frozenAtMs = performance.now();
    await waitFor('calls that fail at once', () => {
      const recent = load.since(frozenAtMs).slice(-50);
      return recent.length === 50 && recent.every((one) => one.outcome === 'unavailable' && one.durationMs < 100);
    });
    expect(redis.isReady()).toBe(false);
    await node.thaw();
    await waitFor('service', () => load.calls.slice(-50).every((one) => one.outcome === 'ok'));
    await load.stop();
    expect(slowestMs(load.calls)).toBeLessThan(MAX_CALL_MS + meter.maxMs);
    expect(kinds(load.calls)).toEqual(new Set(['ok', 'unknown', 'unavailable']));
    redis.close();
    await node.stop();
  });

  test('serves again, with missing scripts, after the server was killed and restarted on its port', async () => {
    const first = await startRedis();
    const redis = await openRedis(first.url);
    expect((await call(redis, 'a')).outcome).toBe('ok');
    await first.kill();
    await waitFor('no service', async () => (await call(redis, 'a')).outcome === 'unavailable');
    const second = await startRedis({ port: first.port });
    await waitFor('service', async () => (await call(redis, 'a')).outcome === 'ok');
    redis.close();
    await second.stop();
  });

  test('fails calls at once while the server is missing at start, and serves them when it starts', async () => {
    const port = await freePort();
    const redis = createRedis(redisOptions(`redis://127.0.0.1:${port}`));
    redis.start();
    const early = await Promise.all(Array.from({ length: 10 }, () => call(redis, 'a')));
    expect(kinds(early)).toEqual(new Set(['unavailable']));
    expect(slowestMs(early)).toBeLessThan(100 + meter.maxMs);
    expect(redis.isReady()).toBe(false);
    const node = await startRedis({ port });
    await waitFor('service', async () => (await call(redis, 'a')).outcome === 'ok');
    expect(redis.isReady()).toBe(true);
    redis.close();
    await node.stop();
  });

  test('does not treat a blocked event loop of this process as silence of the server', async () => {
    const node = await startRedis();
    const lost: string[] = [];
    const metrics = { ...noRedisMetrics, connectionLost: (_node: string, reason: string) => void lost.push(reason) };
    const redis = await openRedis(node.url, { metrics });
    await call(redis, 'a');
    const pending = Array.from({ length: 50 }, () => call(redis, 'a'));
    // Blocks the event loop for longer than the timeout, after the client has written the commands and while the server
    // answers them.
    await new Promise((resolve) => setImmediate(resolve));
    const untilMs = performance.now() + 600;
    while (performance.now() < untilMs) {
      // Keeps the event loop blocked.
    }
    expect(kinds(await Promise.all(pending))).toEqual(new Set(['ok']));
    expect(lost).toEqual([]);
    redis.close();
    await node.stop();
  });
});

test('is not delayed by a server that accepts and never answers, and leaves no socket open', async () => {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const silent = createServer((socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.resume();
  }).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as { port: number };
  const node = await startRedis();
  const alone = createRedis(redisOptions(`redis://127.0.0.1:${port}`));
  alone.start();
  await waitFor('several attempts', () => accepted >= 3);
  const one = await call(alone, 'a');
  expect(one.outcome).toBe('unavailable');
  expect(one.durationMs).toBeLessThan(100 + meter.maxMs);
  // The client uses the other seed once the first seed has been silent for 10 s (redis-masters.test.ts).
  const both = createRedis(redisOptions(`redis://127.0.0.1:${port},${node.url}`));
  both.start();
  await waitFor('the seed that answers', () => both.isReady(), 30_000);
  expect((await call(both, 'a')).outcome).toBe('ok');
  expect(sockets.size).toBeLessThanOrEqual(4);
  alone.close();
  both.close();
  await waitFor('no socket', () => sockets.size === 0);
  silent.close();
  await node.stop();
});
