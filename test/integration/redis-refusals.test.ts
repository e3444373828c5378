/**
 * Tests errors from real servers that refuse commands: callers receive the StoreError that corresponds to the error,
 * and later calls succeed.
 */
import { StoreError } from '../../src/lib/store-error.ts';
import { defineScript } from '../../src/redis/lua-script.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { openRedis, PATIENT, soonMs } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

const count = defineScript(
  'count',
  "local n = redis.call('INCR', KEYS[1]) redis.call('PEXPIRE', KEYS[1], 60000) return n",
);

async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'ok';
  } catch (error) {
    return error instanceof StoreError
      ? `${error.kind} ${error.serverCode ?? ''}`.trim()
      : `not a StoreError: ${error}`;
  }
}

let node: RedisNode;
let redis: Redis;

function countOnce(key = 'a'): Promise<string> {
  return outcomeOf(redis.run(count, [key], [], soonMs()));
}

afterEach(async () => {
  redis?.close();
  await node?.stop();
});

async function start(args: readonly string[] = []): Promise<void> {
  node = await startRedis({ args });
  redis = await openRedis(node.url, PATIENT);
  expect(await countOnce()).toBe('ok');
}

test('is unavailable when out of memory with noeviction, still serves reads, and accepts writes once there is space', async () => {
  await start(['--maxmemory-policy', 'noeviction']);
  await node.command('CONFIG', 'SET', 'maxmemory', '1');
  expect(await countOnce()).toBe('unavailable OOM');
  expect(await outcomeOf(redis.send('a', ['SET', 'a', 'x'], soonMs()))).toBe('unavailable OOM');
  expect(await outcomeOf(redis.send('a', ['GET', 'a'], soonMs()))).toBe('ok');
  await node.command('CONFIG', 'SET', 'maxmemory', '0');
  expect(await countOnce()).toBe('ok');
});

test('is unavailable while the server is a replica, and serves once it is a master again', async () => {
  const master = await startRedis();
  await start();
  await node.command('REPLICAOF', '127.0.0.1', String(master.port));
  expect(await countOnce()).toMatch(/^unavailable( READONLY| MASTERDOWN)?$/);
  await node.command('REPLICAOF', 'NO', 'ONE');
  await waitFor('service', async () => (await countOnce()) === 'ok');
  await master.stop();
});

test('is unavailable with too few replicas', async () => {
  await start();
  await node.command('CONFIG', 'SET', 'min-replicas-to-write', '1');
  expect(await countOnce()).toBe('unavailable NOREPLICAS');
  await node.command('CONFIG', 'SET', 'min-replicas-to-write', '0');
  expect(await countOnce()).toBe('ok');
});

test('ends calls in time while the server is busy with a script, and serves them afterwards', async () => {
  await start(['--busy-reply-threshold', '20']);
  const other = await openRedis(node.url, PATIENT);
  const endless = outcomeOf(other.send('a', ['EVAL', 'while true do end', '0'], soonMs()));
  const outcomes = new Set<string>();
  await waitFor('the refusal', async () => {
    outcomes.add(await countOnce());
    return outcomes.has('unavailable BUSY');
  });
  expect([...outcomes].filter((outcome) => !/^(ok|unknown|unavailable( BUSY)?)$/.test(outcome))).toEqual([]);
  await node.command('SCRIPT', 'KILL');
  await waitFor('service', async () => (await countOnce()) === 'ok');
  expect(await endless).toMatch(/^unknown/);
  other.close();
});

test('is unavailable while the server loads its data, and serves afterwards', async () => {
  // Loading takes 5 ms for each of 200 keys. For about a second, the server replies to every command with LOADING.
  await start(['--enable-debug-command', 'local', '--loading-process-events-interval-bytes', '1024']);
  await node.command('CONFIG', 'SET', 'key-load-delay', '5000');
  await node.command('DEBUG', 'POPULATE', '200', 'filler', '1024');
  const reload = node.command('DEBUG', 'RELOAD');
  const outcomes = new Set<string>();
  await waitFor('the refusal', async () => {
    outcomes.add(await countOnce());
    return outcomes.has('unavailable LOADING');
  });
  expect([...outcomes].filter((outcome) => !/^(ok|unknown|unavailable( LOADING)?)$/.test(outcome))).toEqual([]);
  await reload;
  await waitFor('service', async () => (await countOnce()) === 'ok');
});

test('is forbidden without a permission, and the text does not contain the command', async () => {
  await start();
  const rules = ['reset', 'on', '>secret', '~*', '+@all', '-evalsha', '-eval', '-get'];
  await node.command('ACL', 'SETUSER', 'narrow', ...rules);
  const narrow = await openRedis(node.url.replace('redis://', 'redis://narrow:secret@'), PATIENT);
  const error = await narrow.send('canary-key', ['GET', 'canary-key'], soonMs()).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ kind: 'forbidden', serverCode: 'NOPERM' });
  expect(String((error as Error).message)).not.toContain('canary');
  expect(await outcomeOf(narrow.run(count, ['a'], [], soonMs()))).toBe('forbidden NOPERM');
  narrow.close();
});

test('is unknown with the cause if a script fails', async () => {
  await start();
  const broken = defineScript('broken', "redis.call('SET', KEYS[1], 'x') return nil + 1");
  const error = await redis.run(broken, ['a'], [], soonMs()).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ kind: 'unknown', serverCode: 'ERR' });
  expect((error as Error).cause).toBeInstanceOf(Error);
});

describe('reads while writes are refused', () => {
  const read = defineScript('read', "return redis.call('GET', KEYS[1])", 'read');
  const shrink = defineScript('shrink', "return redis.call('UNLINK', KEYS[1])", 'write_in_place');

  async function startWith(args: readonly string[] = []): Promise<void> {
    await start(args);
    expect(await outcomeOf(redis.run(read, ['a'], [], soonMs()))).toBe('ok');
  }

  async function expectReads(): Promise<void> {
    expect(await outcomeOf(redis.run(read, ['a'], [], soonMs()))).toBe('ok');
    expect(await outcomeOf(redis.send('a', ['GET', 'a'], soonMs()))).toBe('ok');
    // The wait is longer than the time for which a verified role is valid, so the server must also reply to the role
    // query.
    await waitFor('more than half a second', hasPassed(600));
    expect(await outcomeOf(redis.run(read, ['a'], [], soonMs()))).toBe('ok');
  }

  test('answers MISCONF to writes if the server cannot save, and serves reads', async () => {
    await startWith(['--enable-protected-configs', 'local']);
    await node.command('CONFIG', 'SET', 'save', '3600 1');
    // No user can create files in /proc.
    await node.command('CONFIG', 'SET', 'dir', '/proc');
    await node.command('BGSAVE');
    await waitFor('a failed save', async () =>
      String(await node.command('INFO', 'persistence')).includes('rdb_last_bgsave_status:err'),
    );
    expect(await countOnce()).toBe('unavailable MISCONF');
    await expectReads();
    await node.command('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no');
    expect(await countOnce()).toBe('ok');
  });

  test('answers OOM to writes that need memory, and serves reads and writes that need none', async () => {
    await startWith();
    expect(await outcomeOf(redis.run(shrink, ['b'], [], soonMs()))).toBe('ok');
    await node.command('CONFIG', 'SET', 'maxmemory', '1');
    expect(await countOnce()).toBe('unavailable OOM');
    await expectReads();
    expect(await outcomeOf(redis.run(shrink, ['a'], [], soonMs()))).toBe('ok');
  });

  test('answers NOREPLICAS to writes with too few replicas, and serves reads', async () => {
    await startWith();
    await node.command('CONFIG', 'SET', 'min-replicas-to-write', '1');
    expect(await countOnce()).toBe('unavailable NOREPLICAS');
    await expectReads();
  });

  test('serves reads during a pause of writes', async () => {
    await startWith();
    await node.command('CLIENT', 'PAUSE', '3000', 'WRITE');
    await expectReads();
    await node.command('CLIENT', 'UNPAUSE');
    expect(await countOnce()).toBe('ok');
  });
});

function hasPassed(durationMs: number): () => boolean {
  const untilMs = performance.now() + durationMs;
  return () => performance.now() >= untilMs;
}
