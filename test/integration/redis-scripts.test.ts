/**
 * Tests scripts that a server does not have. The client loads each script once, while all commands that need the script
 * wait. No other command contains the source of the script.
 */
import { StoreError } from '../../src/lib/store-error.ts';
import { defineScript, type Script } from '../../src/redis/lua-script.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { openRedis, soonMs } from '../support/redis/client.ts';
import { startCluster } from '../support/redis/cluster.ts';
import { commandCalls } from '../support/redis/command-stats.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

/** Padding that makes a script as long as a script that contains all algorithms. */
const PADDING = '-- long\n'.repeat(2_400);
const PATIENT = { commandTimeoutMs: 20_000 };

function counter(name: string): Script {
  const text = `${PADDING}local n = redis.call('INCR', KEYS[1]) redis.call('PEXPIRE', KEYS[1], 600000) return n`;
  return defineScript(name, `-- ${name}\n${text}`);
}

const count = counter('count');

let node: RedisNode;
let redis: Redis;

afterEach(async () => {
  redis?.close();
  await node?.stop();
});

async function start(changes = {}): Promise<void> {
  node = await startRedis();
  redis = await openRedis(node.url, { ...PATIENT, ...changes });
}

async function inputBytes(): Promise<number> {
  return Number(/total_net_input_bytes:(\d+)/.exec(String(await node.command('INFO', 'stats')))?.[1]);
}

async function loads(): Promise<number> {
  return await commandCalls(node, ['script|load']);
}

/** Makes concurrent calls, expects all of them to succeed, and returns the number of bytes that Redis received. */
async function bytesOfCalls(calls: number, script: Script, key: string): Promise<number> {
  const before = await inputBytes();
  const replies = await Promise.all(Array.from({ length: calls }, () => redis.run(script, [key], [], soonMs(20_000))));
  expect(new Set(replies).size).toBe(calls);
  expect(Math.max(...replies.map(Number))).toBe(calls);
  return (await inputBytes()) - before;
}

test.each([
  { calls: 500, connectionsPerMaster: 1 },
  { calls: 5_000, connectionsPerMaster: 1 },
  { calls: 5_000, connectionsPerMaster: 3 },
])(
  'loads a missing script once, with at most twice the traffic: $calls concurrent calls, $connectionsPerMaster connections',
  async ({ calls, connectionsPerMaster }) => {
    await start({ connectionsPerMaster });
    const first = await bytesOfCalls(calls, count, 'first');
    expect(await loads()).toBe(1);
    const loaded = await bytesOfCalls(calls, count, 'loaded');
    await node.command('SCRIPT', 'FLUSH');
    const flushed = await bytesOfCalls(calls, count, 'flushed');
    expect(await loads()).toBe(2);
    const sourceBytes = count.source.length;
    for (const bytes of [first, flushed]) {
      expect(bytes).toBeLessThan(2.1 * loaded + 1.1 * sourceBytes);
    }
  },
  60_000,
);

test('after a restart', async () => {
  await start();
  await bytesOfCalls(100, count, 'before');
  const { port } = node;
  await node.kill();
  node = await startRedis({ port });
  await waitFor('connected again', async () => (await redis.send('x', ['EXISTS', 'x'], soonMs())) === 0);
  await bytesOfCalls(1_000, count, 'after');
  expect(await loads()).toBe(1);
});

test('after a failover', async () => {
  const cluster = await startCluster({ masters: 3, replicas: 3 });
  redis = await openRedis(cluster.urls, PATIENT);
  const key = 'a';
  const master = cluster.masterOf(key);
  const replica = cluster.replicaOf(master);
  expect(await redis.run(count, [key], [], soonMs())).toBe(1);
  // After the flush, this replica does not have the scripts of its master.
  await replica.command('SCRIPT', 'FLUSH');
  await replica.command('CLUSTER', 'FAILOVER');
  await waitFor('the promotion', async () => String(await replica.command('ROLE')).startsWith('master'));
  node = replica;
  const replies = await Promise.all(Array.from({ length: 1_000 }, () => redis.run(count, [key], [], soonMs(20_000))));
  expect(Math.max(...replies.map(Number))).toBe(1_001);
  expect(await loads()).toBe(1);
  redis.close();
  await cluster.stop();
}, 60_000);

test('answers every call and counts it once during 30 SCRIPT FLUSH commands with 16 callers', async () => {
  await start();
  let done = 0;
  let isOver = false;
  const callers = Array.from({ length: 16 }, async () => {
    while (!isOver) {
      await redis.run(count, ['n'], [], soonMs());
      done += 1;
    }
  });
  for (let turn = 0; turn < 30; turn += 1) {
    const before = done;
    await node.command('SCRIPT', 'FLUSH');
    await waitFor('calls after it', () => done > before + 16);
  }
  isOver = true;
  await Promise.all(callers);
  expect(Number(await node.command('GET', 'n'))).toBe(done);
  expect(await loads()).toBeLessThanOrEqual(31);
});

test('names the list of permissions in the error for a user that may not load scripts', async () => {
  await start();
  await node.command('ACL', 'SETUSER', 'narrow', 'on', '>secret', '~*', '&*', '+@all', '-script|load');
  const narrow = await openRedis(node.url.replace('redis://', 'redis://narrow:secret@'));
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, () => narrow.run(count, ['n'], [], soonMs()).catch((error: unknown) => error)),
  );
  for (const outcome of outcomes) {
    expect(outcome).toBeInstanceOf(StoreError);
    expect(outcome).toMatchObject({
      kind: 'forbidden',
      serverCode: 'NOPERM',
      message: expect.stringContaining('docs/operations/redis.md'),
    });
  }
  expect(await node.command('GET', 'n')).toBeNull();
  narrow.close();
});
