/**
 * Tests scripts and commands on real servers, including missing scripts, moving slots and wrong passwords.
 */
import { StoreError } from '../../src/lib/store-error.ts';
import { defineScript } from '../../src/redis/lua-script.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { createRedis } from '../../src/redis/redis.ts';
import { openRedis, PATIENT, redisOptions, soonMs } from '../support/redis/client.ts';
import { type RedisCluster, startCluster } from '../support/redis/cluster.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { migrateSlot, slotOf } from '../support/redis/slot-migration.ts';
import { waitFor } from '../support/wait.ts';

const count = defineScript(
  'count',
  "local n = redis.call('INCR', KEYS[1]) redis.call('PEXPIRE', KEYS[1], 60000) return n",
);
const pair = defineScript('pair', "return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])}");

async function kindOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return error instanceof StoreError ? error.kind : `not a StoreError: ${String(error)}`;
  }
}

describe('standalone', () => {
  let node: RedisNode;
  let redis: Redis;

  beforeAll(async () => {
    node = await startRedis();
    redis = await openRedis(node.url, PATIENT);
  });

  afterAll(async () => {
    redis?.close();
    await node?.stop();
  });

  test('returns blob strings as Buffer, simple strings as text, integers as number, nil as null', async () => {
    const value = Buffer.from([0xff, 0x00, 0xfe]);
    expect(await redis.send('k', ['SET', 'k', value, 'PX', '60000'], soonMs())).toBe('OK');
    expect(await redis.send('k', ['GET', 'k'], soonMs())).toEqual(value);
    expect(await redis.send('k', ['GET', 'none'], soonMs())).toBeNull();
    expect(await redis.send('k', ['STRLEN', 'k'], soonMs())).toBe(3);
  });

  test('runs a script that is missing in the script cache of the server', async () => {
    expect(await redis.run(count, ['counter'], [], soonMs())).toBe(1);
    await node.command('SCRIPT', 'FLUSH');
    expect(await redis.run(count, ['counter'], [], soonMs())).toBe(2);
  });

  test('sends nothing for a call after its deadline', async () => {
    expect(await kindOf(redis.run(count, ['late'], [], soonMs(-1)))).toBe('deadline');
    expect(await redis.send('late', ['EXISTS', 'late'], soonMs())).toBe(0);
  });

  test('reports a wrong type and an unknown command as forbidden, and a script replaces a key of a wrong type', async () => {
    await redis.send('list', ['RPUSH', 'list', 'x'], soonMs());
    expect(await kindOf(redis.send('list', ['GET', 'list'], soonMs()))).toBe('forbidden');
    expect(await redis.run(count, ['list'], [], soonMs())).toBe(1);
    expect(await kindOf(redis.send('list', ['NOSUCHCOMMAND', 'list'], soonMs()))).toBe('forbidden');
  });

  test('rejects more commands in flight than the limit', async () => {
    const small = await openRedis(node.url, { ...PATIENT, maxQueue: 10 });
    const kinds = await Promise.all(
      Array.from({ length: 30 }, () => kindOf(small.run(count, ['burst'], [], soonMs()))),
    );
    const taken = kinds.filter((kind) => kind === 'none').length;
    // A topology query may also be in flight.
    expect([9, 10]).toContain(taken);
    expect(kinds.filter((kind) => kind === 'unavailable').length).toBe(30 - taken);
    small.close();
  });

  test('rejects more bytes in flight than the limit, and stores the accepted ones', async () => {
    const value = Buffer.alloc(8 * 1_048_576, 1);
    await node.command('CONFIG', 'SET', 'proto-max-bulk-len', '64mb');
    const patient = await openRedis(node.url, { commandTimeoutMs: 20_000 });
    const kinds = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        kindOf(patient.send('big', ['SET', `big-${index}`, value, 'PX', '60000'], soonMs(20_000))),
      ),
    );
    expect(kinds.filter((kind) => kind === 'none').length).toBe(7);
    expect(kinds.filter((kind) => kind === 'unavailable').length).toBe(13);
    expect(await kindOf(patient.send('big', ['SET', 'big', value, 'PX', '60000'], soonMs(20_000)))).toBe('none');
    patient.close();
    await node.command('FLUSHALL');
  });

  test('reads the eviction policy', async () => {
    expect(await redis.readEvictionPolicy()).toBe('noeviction');
  });
});

describe('a password', () => {
  test('that is wrong is forbidden, and commands are served once it is corrected', async () => {
    const node = await startRedis({ args: ['--requirepass', 'right'], password: 'right' });
    let password = 'wrong';
    const redis = createRedis(redisOptions(node.url, { credentials: async () => ({ username: undefined, password }) }));
    redis.start();
    await waitFor('the refusal', async () => (await kindOf(redis.run(count, ['a'], [], soonMs()))) === 'forbidden');
    password = 'right';
    await waitFor('commands served', async () => (await kindOf(redis.run(count, ['a'], [], soonMs()))) === 'none');
    redis.close();
    await node.stop();
  });
});

describe('a Cluster', () => {
  let cluster: RedisCluster;
  let redis: Redis;

  beforeAll(async () => {
    cluster = await startCluster();
    redis = await openRedis(cluster.urls, PATIENT);
  });

  afterAll(async () => {
    redis?.close();
    await cluster?.stop();
  });

  test('serves keys of all masters from one seed', async () => {
    const one = await openRedis(cluster.nodes[0]?.url ?? '', PATIENT);
    const counts = await Promise.all(
      Array.from({ length: 60 }, (_, index) => one.run(count, [`key-${index}`], [], soonMs())),
    );
    expect(counts).toEqual(new Array(60).fill(1));
    expect(one.describe().map((node) => node.isReady)).toEqual([true, true, true]);
    one.close();
  });

  test('leaves no connection for commands or messages after close', async () => {
    async function ours(): Promise<number> {
      const lists = await Promise.all(cluster.nodes.map((node) => node.command('CLIENT', 'LIST')));
      return lists.join('').split('name=pannier').length - 1;
    }
    const before = await ours();
    const short = await openRedis(cluster.urls, { ...PATIENT, connectionsPerMaster: 2 });
    const live: string[] = [];
    const subscriber = short.createSubscriber({
      onMessage: () => undefined,
      onLive: (channel) => live.push(channel),
      onLost: () => undefined,
    });
    for (let index = 0; index < 20; index += 1) {
      subscriber.subscribe(`channel-${index}`);
    }
    await waitFor('all channels', () => live.length === 20);
    await waitFor('two connections and a subscriber per master', async () => (await ours()) === before + 9);
    short.close();
    await waitFor('none of them', async () => (await ours()) === before);
  });

  test('follows ASK for moved keys, ends TRYAGAIN as unavailable, and follows MOVED after the migration', async () => {
    const [source, target] = cluster.masters() as [RedisNode, RedisNode];
    const tag = tagOn(cluster, source);
    await redis.run(count, [`{${tag}}stays`], [], soonMs());
    await redis.send(`{${tag}}a`, ['SET', `{${tag}}a`, '1', 'PX', '60000'], soonMs());
    await redis.send(`{${tag}}b`, ['SET', `{${tag}}b`, '2', 'PX', '60000'], soonMs());
    const migration = migrateSlot({ slot: slotOf(`{${tag}}`), source, target, cluster });
    await migration.begin();
    expect(await redis.run(count, [`{${tag}}stays`], [], soonMs())).toBe(2);
    expect(await redis.run(count, [`{${tag}}new`], [], soonMs())).toBe(1);
    expect(await redis.run(count, [`{${tag}}new`], [], soonMs())).toBe(2);
    await source.command('MIGRATE', target.host, String(target.port), '', '0', '5000', 'KEYS', `{${tag}}a`);
    const torn = redis.run(pair, [`{${tag}}a`, `{${tag}}b`], [], soonMs());
    expect(await kindOf(torn)).toBe('unavailable');
    await migration.moveKeys();
    expect(await redis.run(pair, [`{${tag}}a`, `{${tag}}b`], [], soonMs())).toEqual([
      Buffer.from('1'),
      Buffer.from('2'),
    ]);
    await migration.finish();
    expect(await redis.run(count, [`{${tag}}stays`], [], soonMs())).toBe(3);
    expect(await redis.run(count, [`{${tag}}new`], [], soonMs())).toBe(3);
  });

  test('survives SCRIPT FLUSH on all nodes, also behind ASK', async () => {
    for (const master of cluster.masters()) {
      await master.command('SCRIPT', 'FLUSH');
    }
    const kinds = await Promise.all(
      Array.from({ length: 60 }, (_, index) => kindOf(redis.run(count, [`key-${index}`], [], soonMs()))),
    );
    expect(new Set(kinds)).toEqual(new Set(['none']));
  });
});

/** Returns a hash tag whose slot this master owns. */
function tagOn(cluster: RedisCluster, master: RedisNode): string {
  for (let index = 0; ; index += 1) {
    if (cluster.masterOf(`{tag${index}}`).port === master.port) {
      return `tag${index}`;
    }
  }
}
