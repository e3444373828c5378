/**
 * Tests connections that are cut while the server works. No read fails, and a write fails only if it was in flight when
 * its connection was cut.
 */
import { StoreError } from '../../src/lib/store-error.ts';
import { defineScript } from '../../src/redis/lua-script.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { openRedis, soonMs } from '../support/redis/client.ts';
import { noRedisMetrics } from '../support/redis/no-metrics.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

const count = defineScript(
  'count',
  "local n = redis.call('INCR', KEYS[1]) redis.call('PEXPIRE', KEYS[1], 600000) return n",
);
const read = defineScript('read', "return redis.call('GET', KEYS[1])", 'read');
const KILLS = 10;
/** Interval in ms between calls of the same kind, which results in about 60 calls per second. */
const CALL_EVERY_MS = 16;

interface Call {
  readonly kind: 'script' | 'bare' | 'write';
  readonly beganAtMs: number;
  readonly endedAtMs: number;
  readonly outcome: string;
}

function startCalls(redis: Redis): { readonly calls: Call[]; stop(): Promise<void> } {
  const calls: Call[] = [];
  const open = new Set<Promise<void>>();
  async function call(kind: Call['kind'], promise: Promise<unknown>): Promise<void> {
    const beganAtMs = performance.now();
    let outcome = 'ok';
    try {
      await promise;
    } catch (error) {
      outcome = error instanceof StoreError ? error.kind : `not a StoreError: ${String(error)}`;
    }
    calls.push({ kind, beganAtMs, endedAtMs: performance.now(), outcome });
  }
  function begin(kind: Call['kind'], promise: Promise<unknown>): void {
    const ended = call(kind, promise).finally(() => open.delete(ended));
    open.add(ended);
  }
  const timer = setInterval(() => {
    begin('script', redis.run(read, ['a'], [], soonMs(1_000)));
    begin('bare', redis.send('a', ['GET', 'a'], soonMs(1_000)));
    begin('write', redis.run(count, ['n'], [], soonMs(1_000)));
  }, CALL_EVERY_MS);
  return {
    calls,
    stop: async () => {
      clearInterval(timer);
      await Promise.all(open);
    },
  };
}

test.each([1, 2])(
  'fails no read, and only writes in flight, in ten cuts of all connections under load (%d per master)',
  async (connectionsPerMaster) => {
    const node: RedisNode = await startRedis();
    const lostAtMs: number[] = [];
    const connectionLost = (): void => void lostAtMs.push(performance.now());
    const redis = await openRedis(node.url, { connectionsPerMaster, metrics: { ...noRedisMetrics, connectionLost } });
    const load = startCalls(redis);
    await waitFor('calls', () => load.calls.length > 30);
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const lossesBefore = lostAtMs.length;
      await node.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      const callsBefore = load.calls.length;
      await waitFor('the losses, and calls after them', () => {
        return lostAtMs.length >= lossesBefore + connectionsPerMaster && load.calls.length > callsBefore + 60;
      });
    }
    await load.stop();
    const failed = load.calls.filter(({ outcome }) => outcome !== 'ok');
    expect(failed.filter(({ kind }) => kind !== 'write')).toEqual([]);
    for (const write of failed) {
      expect(write.outcome).toBe('unknown');
      expect(lostAtMs.some((atMs) => atMs >= write.beganAtMs && atMs <= write.endedAtMs)).toBe(true);
    }
    const done = load.calls.filter(({ kind, outcome }) => kind === 'write' && outcome === 'ok').length;
    const counted = Number(await node.command('GET', 'n'));
    // The server counts no call twice, but may have counted failed calls that were in flight.
    expect(counted).toBeGreaterThanOrEqual(done);
    expect(counted).toBeLessThanOrEqual(done + failed.length);
    redis.close();
    await node.stop();
  },
  60_000,
);

test('continues reads of a lost connection at once on another one', async () => {
  const node = await startRedis();
  const redis = await openRedis(node.url, { connectionsPerMaster: 2 });
  const ours = async (): Promise<string[]> =>
    String(await node.command('CLIENT', 'LIST'))
      .split('\n')
      .filter((line) => line.includes('name=pannier'));
  await waitFor('both connections', async () => (await ours()).length === 2);
  await node.command('SET', 'a', 'x');
  await redis.run(read, ['a'], [], soonMs());
  // Prevents new connections, so that the client can repeat lost reads only on the other connection.
  const others = Number((await ours()).length);
  await node.command('CONFIG', 'SET', 'maxclients', String(others));
  const reads = Array.from({ length: 200 }, () => redis.run(read, ['a'], [], soonMs()));
  const id = /^id=(\d+)/.exec((await ours())[0] ?? '')?.[1] ?? '';
  await node.command('CLIENT', 'KILL', 'ID', id);
  expect(new Set((await Promise.all(reads)).map(String))).toEqual(new Set(['x']));
  await node.command('CONFIG', 'SET', 'maxclients', '10000');
  // The client opens its second connection again once maxclients allows this.
  await waitFor('both connections again', async () => (await ours()).length === 2);
  redis.close();
  await node.stop();
});

test('succeeds with every call to a server that closes idle connections', async () => {
  const node = await startRedis({ args: ['--timeout', '1'] });
  const lost: string[] = [];
  const redis = await openRedis(node.url, {
    metrics: { ...noRedisMetrics, connectionLost: (_node, reason) => lost.push(reason) },
  });
  for (let turn = 1; turn <= 4; turn += 1) {
    expect(await redis.run(count, ['n'], [], soonMs())).toBe(turn);
    await waitFor('the connection closed by the server', () => lost.length >= turn);
  }
  redis.close();
  await node.stop();
}, 30_000);

test('fails no call if the server pauses for less than the command timeout', async () => {
  const node = await startRedis({ args: ['--enable-debug-command', 'local'] });
  const redis = await openRedis(node.url, { commandTimeoutMs: 600 });
  const load = startCalls(redis);
  await waitFor('calls', () => load.calls.length > 30);
  for (let turn = 0; turn < 3; turn += 1) {
    await node.command('DEBUG', 'SLEEP', '0.2');
    const before = load.calls.length;
    await waitFor('calls after it', () => load.calls.length > before + 30);
  }
  await load.stop();
  expect(load.calls.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
  redis.close();
  await node.stop();
});
