/**
 * Tests a standalone server that is demoted while its connections stay open. One second after the demotion, the client
 * no longer uses the server for any call, even if the sidecar only reads. The client sends no role queries on an idle
 * connection or in a Cluster.
 */
import { StoreError } from '../../src/lib/store-error.ts';
import { defineScript } from '../../src/redis/lua-script.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { openRedis, soonMs } from '../support/redis/client.ts';
import { startCluster } from '../support/redis/cluster.ts';
import { startRedisLink } from '../support/redis/link.ts';
import { noRedisMetrics } from '../support/redis/no-metrics.ts';
import { freePort, type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

const DEMOTION_MS = 1_000;
const read = defineScript('read', "return redis.call('GET', KEYS[1])", 'read');
const ARGS = ['--repl-diskless-sync-delay', '0', '--replica-serve-stale-data', 'yes'];

interface Answer {
  readonly atMs: number;
  /** Value that the read returned, or the kind of the StoreError. */
  readonly text: string;
}

async function answerOf(promise: Promise<unknown>): Promise<Answer> {
  let text: string;
  try {
    text = String(await promise);
  } catch (error) {
    text = error instanceof StoreError ? error.kind : `not a StoreError: ${String(error)}`;
  }
  return { atMs: performance.now(), text };
}

/** Simulates a sidecar that only reads. Alternates between a script and a bare command until a test calls `stop`. */
class Reader {
  readonly answers: Answer[] = [];
  readonly #loop: Promise<void>;
  #isStopped = false;

  constructor(redis: Redis) {
    this.#loop = this.#run(redis);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#loop;
  }

  since(timeMs: number): string[] {
    return this.answers.filter(({ atMs }) => atMs > timeMs).map(({ text }) => text);
  }

  async #run(redis: Redis): Promise<void> {
    while (!this.#isStopped) {
      this.answers.push(await answerOf(redis.run(read, ['a'], [], soonMs())));
      this.answers.push(await answerOf(redis.send('a', ['GET', 'a'], soonMs())));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

function roleCalls(info: unknown): number {
  return Number(/cmdstat_role:calls=(\d+)/.exec(String(info))?.[1] ?? 0);
}

function hasPassed(durationMs: number): () => boolean {
  const untilMs = performance.now() + durationMs;
  return () => performance.now() >= untilMs;
}

let servers: RedisNode[] = [];
let redis: Redis;

afterEach(async () => {
  redis?.close();
  await Promise.all(servers.map((server) => server.stop()));
});

async function start(count: number): Promise<void> {
  servers = await Promise.all(Array.from({ length: count }, () => startRedis({ args: ARGS })));
}

describe.each([
  { what: 'a user with all permissions', rules: [] },
  { what: 'a user without ROLE', rules: ['-role'] },
])('a demoted server with a broken replication link, $what', ({ rules }) => {
  test('answers no read from 1 s after the demotion', async () => {
    await start(1);
    const [server] = servers as [RedisNode];
    await server.command('ACL', 'SETUSER', 'reader', 'on', '>secret', '~*', '&*', '+@all', ...rules);
    await server.command('SET', 'a', 'old');
    const losses: string[] = [];
    redis = await openRedis(server.url.replace('redis://', 'redis://reader:secret@'), {
      metrics: { ...noRedisMetrics, connectionLost: (_node, reason) => losses.push(reason) },
    });
    const reader = new Reader(redis);
    await waitFor('answers', () => reader.answers.length > 20);
    expect(new Set(reader.since(0))).toEqual(new Set(['old']));
    const demotedAtMs = performance.now();
    await server.command('REPLICAOF', '127.0.0.1', String(await freePort()));
    await waitFor('3 s of reads', hasPassed(3_000));
    const late = reader.since(demotedAtMs + DEMOTION_MS);
    expect(late.length).toBeGreaterThan(20);
    expect(late.filter((text) => text !== 'unavailable')).toEqual([]);
    expect(await server.command('GET', 'a')).toBe('old');
    // Either the first read or the topology refresh detected the demotion.
    expect(losses[0]).toBe('demoted');
    await server.command('REPLICAOF', 'NO', 'ONE');
    await waitFor('service', () => reader.answers.at(-1)?.text === 'old');
    await reader.stop();
  });
});

// A refused write causes a topology refresh, which detects that the server is a replica. The metrics must show the same
// reason as when a read detects the demotion.
test('reports the loss of a demoted server as demoted if the sidecar only writes', async () => {
  await start(1);
  const [server] = servers as [RedisNode];
  const losses: string[] = [];
  const metrics = { ...noRedisMetrics, connectionLost: (_node: string, reason: string) => void losses.push(reason) };
  redis = await openRedis(server.url, { metrics });
  await server.command('REPLICAOF', '127.0.0.1', String(await freePort()));
  await expect(redis.send('a', ['SET', 'a', '1', 'PX', '60000'], soonMs())).rejects.toThrow(StoreError);
  await waitFor('the loss', () => losses.length > 0, 20_000);
  expect(losses).toEqual(['demoted']);
});

// The client assumes that a server is a master if the server allows neither ROLE nor INFO.
test('serves reads from a server that does not report its role', async () => {
  await start(1);
  const [server] = servers as [RedisNode];
  await server.command('ACL', 'SETUSER', 'reader', 'on', '>secret', '~*', '&*', '+@all', '-role', '-info');
  await server.command('SET', 'a', 'old');
  redis = await openRedis(server.url.replace('redis://', 'redis://reader:secret@'));
  const reader = new Reader(redis);
  await waitFor('reads for longer than a vouch holds', hasPassed(700));
  await reader.stop();
  expect(new Set(reader.since(0))).toEqual(new Set(['old']));
});

test('answers reads in flight from the new master after a demotion', async () => {
  await start(2);
  const [old, next] = servers as [RedisNode, RedisNode];
  await old.command('SET', 'a', 'old');
  await next.command('SET', 'a', 'new');
  const link = await startRedisLink(old.port);
  redis = await openRedis(link.url);
  const reader = new Reader(redis);
  await waitFor('answers', () => reader.answers.length > 20);
  link.target = next.port;
  const demotedAtMs = performance.now();
  await old.command('REPLICAOF', '127.0.0.1', String(await freePort()));
  await waitFor('answers of the new master', () => reader.answers.at(-1)?.text === 'new');
  await waitFor('a while', hasPassed(DEMOTION_MS));
  await reader.stop();
  expect(new Set(reader.since(demotedAtMs + DEMOTION_MS))).toEqual(new Set(['new']));
  // The client repeats reads in flight on the new master, so none of them fails.
  expect(new Set(reader.since(0))).toEqual(new Set(['old', 'new']));
  await link.close();
});

test('queries the role at most twice a second while there are reads, and not on an idle connection', async () => {
  await start(1);
  const [server] = servers as [RedisNode];
  redis = await openRedis(server.url);
  const calls = async (): Promise<number> => roleCalls(await server.command('INFO', 'commandstats'));
  const before = await calls();
  const beganAtMs = performance.now();
  const reader = new Reader(redis);
  await waitFor('questions', async () => (await calls()) >= before + 4, 20_000);
  await reader.stop();
  // A topology refresh may also have queried the role.
  expect(await calls()).toBeLessThanOrEqual(before + 2 + (performance.now() - beganAtMs) / 500);
  expect(reader.answers.length).toBeGreaterThan(50);
  const idleFrom = await calls();
  await waitFor('an idle time', hasPassed(1_500));
  expect((await calls()) - idleFrom).toBeLessThanOrEqual(1);
});

test('does not query the role in a Cluster', async () => {
  const cluster = await startCluster({ replicas: 0 });
  redis = await openRedis(cluster.urls);
  const reader = new Reader(redis);
  await waitFor('reads for longer than a vouch holds', hasPassed(1_200));
  await reader.stop();
  const stats = await Promise.all(cluster.masters().map((master) => master.command('INFO', 'commandstats')));
  expect(stats.map(roleCalls)).toEqual([0, 0, 0]);
  expect(reader.answers.length).toBeGreaterThan(20);
  redis.close();
  await cluster.stop();
});
