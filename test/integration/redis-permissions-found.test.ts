/**
 * Tests the effects of a missing permission on replies, the log, the near cache and recovery, before and after a probe
 * has detected the missing permission.
 */

import { callContext, getRequest, TestStream } from '../support/cache/requests.ts';
import { silentLogger } from '../support/lib/silent-logger.ts';
import { ACL_PASSWORD, ACL_USER, createAclUser } from '../support/redis/acl.ts';
import { type RedisCluster, startCluster } from '../support/redis/cluster.ts';
import { endingOf, openPermissionCalls, type PermissionCalls, PREFIX } from '../support/redis/permission-calls.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

const LOGIN = { username: ACL_USER, password: ACL_PASSWORD };
/** Value of `source` in a CacheGet response from the near cache. */
const NEAR = 1;

let node: RedisNode;
let cluster: RedisCluster | undefined;
let world: PermissionCalls;
let lines: { readonly level: string; readonly text: string; readonly detail: string }[];

function note(level: string) {
  return (fields: object, text: string): void => {
    lines.push({ level, text, detail: String((fields as { detail?: string }).detail) });
  };
}

const log = { ...silentLogger, error: note('error'), warn: note('warn'), info: note('info') };

function errorsAbout(permission: string): number {
  return lines.filter(({ level, detail }) => level === 'error' && detail.includes(` ${permission} `)).length;
}

async function start(...changes: readonly string[]): Promise<void> {
  node = await startRedis();
  await createAclUser(node, { prefix: PREFIX });
  await change(...changes);
}

async function change(...rules: readonly string[]): Promise<void> {
  if (rules.length > 0) {
    await node.command('ACL', 'SETUSER', ACL_USER, ...rules);
  }
}

beforeEach(() => {
  lines = [];
});

afterEach(async () => {
  world?.close();
  await node?.stop();
  await cluster?.stop();
  cluster = undefined;
});

describe('before a probe', () => {
  test('ends CreateSession without +time as UNKNOWN and leaves no key', async () => {
    await start('-time');
    world = await openPermissionCalls(node.url, { login: LOGIN });
    expect(await world.call('CreateSession')).toEqual({
      status: 'UNKNOWN',
      // Redis 7.2 and later include the command in the error.
      text: expect.stringMatching(
        /^cannot use the store: Redis refused a command inside a script: the ACL user lacks (a permission|the permission \+time) \(see docs\/operations\/redis\.md for the list\); the call may have been executed$/,
      ),
      retryPushbackMs: undefined,
    });
    expect(await node.command('DBSIZE')).toBe(0);
  });

  test('consumes no units in the first CheckRateLimit of a key without +pexpireat', async () => {
    await start('-pexpireat');
    world = await openPermissionCalls(node.url, { login: LOGIN });
    for (const name of ['CheckRateLimit', 'CheckRateLimit of two', 'CheckRateLimit of a log']) {
      expect(await world.call(name)).toMatchObject({ status: 'FAILURE_MODE' });
    }
    expect(await node.command('DBSIZE')).toBe(0);
  });

  test('ends CacheInvalidate and CacheSet without +spublish as UNKNOWN without a pushback', async () => {
    await start('-spublish');
    world = await openPermissionCalls(node.url, { login: LOGIN });
    for (const name of ['CacheInvalidate a key', 'CacheInvalidate a tag', 'CacheInvalidate all', 'CacheSet']) {
      const ending = await world.call(name);
      expect(ending).toMatchObject({ status: 'UNKNOWN', retryPushbackMs: undefined });
      expect(ending.text).not.toContain('repeat');
    }
  });

  test('ends GetSession without +hgetall as FAILED_PRECONDITION, because its script writes nothing', async () => {
    await start('-hgetall');
    world = await openPermissionCalls(node.url, { login: LOGIN });
    await world.call('CreateSession');
    expect(await world.call('GetSession')).toMatchObject({ status: 'FAILED_PRECONDITION' });
  });
});

describe('after a probe', () => {
  test('sends nothing without +spublish, and still serves reads of the cache and limits', async () => {
    await start('-spublish');
    world = await openPermissionCalls(node.url, { login: LOGIN, log });
    await waitFor('the report', () => errorsAbout('+spublish') > 0);
    await node.command('ACL', 'LOG', 'RESET');
    const text =
      'cannot use the store: the ACL user lacks the permission +spublish (see docs/operations/redis.md for the list); ' +
      'correct the Redis server or the settings';
    const names = [
      'CacheInvalidate a key',
      'CacheInvalidate a tag',
      'CacheInvalidate all',
      'CacheSet',
      'CacheSet with tags',
    ];
    for (const name of names) {
      expect([name, await world.call(name)]).toEqual([
        name,
        { status: 'FAILED_PRECONDITION', text, retryPushbackMs: undefined },
      ]);
    }
    expect(await node.command('DBSIZE')).toBe(0);
    expect(await node.command('ACL', 'LOG')).toEqual([]);
    expect((await world.call('CacheGet')).status).toBe('OK');
    expect((await world.call('CheckRateLimit')).status).toBe('OK');
    expect((await world.call('CreateSession')).status).toBe('OK');
    expect(errorsAbout('+spublish')).toBe(1);
  });

  test('decides limits by their failure mode without their key pattern, and serves sessions', async () => {
    await start('resetkeys', `~${PREFIX}session:*`, `~${PREFIX}user:*`, `~${PREFIX}cache*`);
    world = await openPermissionCalls(node.url, { login: LOGIN, log });
    await waitFor('the report', () => errorsAbout(`~${PREFIX}rl:*`) > 0);
    expect((await world.call('CheckRateLimit')).status).toBe('FAILURE_MODE');
    expect((await world.call('ResetRateLimit')).text).toContain(`~${PREFIX}rl:*`);
    expect((await world.call('CreateSession')).status).toBe('OK');
    expect(lines.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  test('names the missing pattern of the channels', async () => {
    await start('resetchannels');
    world = await openPermissionCalls(node.url, { login: LOGIN, log });
    await waitFor('the report', () => errorsAbout(`&${PREFIX}cache-inv:*`) > 0);
    expect((await world.call('CacheSet')).text).toContain(`&${PREFIX}cache-inv:*`);
  });

  test('finds a revoked permission by the call that needs it, and detects when it is granted again', async () => {
    await start();
    world = await openPermissionCalls(node.url, { login: LOGIN, log });
    await waitFor('service', async () => (await world.call('CreateSession')).status === 'OK');
    await change('-hset');
    await waitFor('the refusal', async () =>
      (await world.call('CreateSession')).text.includes('lacks the permission +hset'),
    );
    // Redis 7.2 and later include the command in the error, so the report can precede the probe.
    await waitFor('the report', () => errorsAbout('+hset') === 1);
    await change('+hset');
    await waitFor('service', async () => (await world.call('CreateSession')).status === 'OK');
    await waitFor('the line', () => lines.some(({ text }) => text === 'Redis no longer refuses commands'));
    expect(lines.filter(({ level }) => level === 'error')).toHaveLength(1);
  });
});

describe('without +client|info', () => {
  const get = () => world.values.handlers.CacheGet(getRequest({ key: Buffer.from('plain') }), callContext());
  const connections = async (): Promise<string[]> => {
    const list = String(await node.command('CLIENT', 'LIST')).split('\n');
    return list.filter((line) => line.includes('name=pannier')).map((line) => line.split(' ', 1)[0] ?? '');
  };

  test('does not use the near cache, does not reconnect, and ends a watch as FAILED_PRECONDITION', async () => {
    await start('-client|info');
    world = await openPermissionCalls(node.url, { login: LOGIN, log });
    await waitFor('the report', () => errorsAbout('+client|info') > 0);
    expect((await world.call('CacheSet')).status).toBe('OK');
    const before = await connections();
    const untilMs = performance.now() + 3_000;
    let nearReads = 0;
    await waitFor('three seconds of reads', async () => {
      nearReads += (await get()).source === NEAR ? 1 : 0;
      return performance.now() >= untilMs;
    });
    expect(nearReads).toBe(0);
    // Probes open and close connections.
    expect(await connections()).toEqual(expect.arrayContaining(before.slice(0, 2)));
    expect(lines.filter(({ text }) => text.startsWith('lost the'))).toEqual([]);
    expect(errorsAbout('+client|info')).toBe(1);
    const call = callContext();
    const watch = await endingOf(() =>
      world.values.handlers.WatchInvalidations({ namespace: 'n' }, call, new TestStream(call)),
    );
    expect(watch).toMatchObject({ status: 'FAILED_PRECONDITION', retryPushbackMs: undefined });
    expect(watch.text).toContain('+client|info');
  });

  test('uses the near cache once the permission is granted', async () => {
    await start('-client|info');
    world = await openPermissionCalls(node.url, { login: LOGIN, log });
    await waitFor('the report', () => errorsAbout('+client|info') > 0);
    await world.call('CacheSet');
    await get();
    await change('+client|info');
    await waitFor('a read from the near cache', async () => (await get()).source === NEAR, 30_000);
  });

  test('stops using the near cache when the permission is revoked from a live subscription', async () => {
    await start();
    world = await openPermissionCalls(node.url, { login: LOGIN, log });
    await world.call('CacheSet');
    await waitFor('a read from the near cache', async () => (await get()).source === NEAR);
    await change('-client|info');
    await waitFor('the report', () => errorsAbout('+client|info') > 0);
    expect((await get()).source).not.toBe(NEAR);
  });
});

describe('in a Cluster', () => {
  test('reports nothing missing for the documented user, and rejects calls to a master that permits less', async () => {
    cluster = await startCluster({ replicas: 0 });
    const masters = cluster.masters();
    const [first] = masters;
    for (const master of masters) {
      await createAclUser(master, { prefix: PREFIX });
      await master.command('ACL', 'LOG', 'RESET');
    }
    await first?.command('ACL', 'SETUSER', ACL_USER, '-hset', '-asking');
    world = await openPermissionCalls(cluster.urls, { login: LOGIN, log });
    await waitFor('the reports', () => errorsAbout('+hset +asking') === 2);
    const endings: string[] = [];
    for (let index = 0; index < 60; index += 1) {
      endings.push((await endingOf(() => world.createSession(''))).status);
    }
    expect(new Set(endings)).toEqual(new Set(['OK', 'FAILED_PRECONDITION']));
    expect(await Promise.all(masters.slice(1).map((master) => master.command('ACL', 'LOG')))).toEqual([[], []]);
    expect(lines.filter(({ level }) => level === 'error')).toHaveLength(2);
  });
});
