/**
 * Tests a watch on a standalone master behind a DNS name. The test promotes a replica, makes the name refer to this
 * replica, and demotes the old master. The subscription must move away from the old master, whether or not the old
 * master can replicate from the new one.
 */
import { type CacheSidecar, startCacheSidecar } from '../support/cache/redis.ts';
import { startWatcher, type Watcher } from '../support/cache/watch.ts';
import { type RedisLink, startRedisLink } from '../support/redis/link.ts';
import { freePort, type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

const LOST_WRITES = 5;
const LOGIN = { username: 'limited', password: 'secret' };

let old: RedisNode;
let next: RedisNode;
let name: RedisLink;
let one: CacheSidecar;
let two: CacheSidecar;
let watcher: Watcher;

async function setUp(options: { args?: readonly string[]; rules?: readonly string[] } = {}): Promise<void> {
  const args = ['--repl-diskless-sync-delay', '0', ...(options.args ?? [])];
  [old, next] = await Promise.all([startRedis({ args }), startRedis({ args })]);
  for (const node of options.rules === undefined ? [] : [old, next]) {
    const rules = ['on', `>${LOGIN.password}`, 'allkeys', 'allchannels', '+@all', ...(options.rules ?? [])];
    await node.command('ACL', 'SETUSER', LOGIN.username, ...rules);
  }
  await next.command('REPLICAOF', '127.0.0.1', String(old.port));
  await waitFor('replication', async () =>
    String(await next.command('INFO', 'replication')).includes('master_link_status:up'),
  );
  name = await startRedisLink(old.port);
  const login = options.rules === undefined ? {} : { login: LOGIN };
  one = await startCacheSidecar(name.url, login);
  two = await startCacheSidecar(name.url, login);
  watcher = await startWatcher(one);
}

afterEach(async () => {
  await watcher?.close();
  one?.close();
  two?.close();
  await name?.close();
  await Promise.all([old?.stop(), next?.stop()]);
});

/** Writes through the second sidecar as soon as the store accepts the write. */
async function setThroughTwo(value: string): Promise<void> {
  await waitFor('the write', () => two.set('key', value).then(() => true), 30_000);
}

async function writeAndReplicate(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await setThroughTwo(`v${index}`);
  }
  await waitFor('all writes on the replica', async () => Number(await old.command('WAIT', '1', '100')) === 1);
}

/**
 * Promotes the replica, writes values to the old master that the replica does not receive, moves the name to the new
 * master, and demotes the old master.
 */
async function failOver(options: { lostWrites: number; linkPort: number }): Promise<void> {
  await next.command('REPLICAOF', 'NO', 'ONE');
  for (let index = 0; index < options.lostWrites; index += 1) {
    await two.set('key', `lost ${index}`);
  }
  await waitFor('the events', () => watcher.events().length >= options.lostWrites);
  name.target = next.port;
  await old.command('REPLICAOF', '127.0.0.1', String(options.linkPort));
}

/**
 * Expects that every confirmation that arrived after `sinceMs`, and before any event beyond the first `eventCount`, had
 * 0 as its `validForMs`.
 */
function expectNoEarlyConfirmation(sinceMs: number, eventCount: number): void {
  const early = watcher.confirmations.filter((each) => {
    return each.atMs >= sinceMs && each.validForMs > 0 && each.eventCount <= eventCount;
  });
  expect(early).toEqual([]);
}

async function expectServedByNext(): Promise<void> {
  await waitFor(
    'the watch at the new master',
    async () => {
      const seen = watcher.events().length;
      await setThroughTwo('after');
      await watcher.confirmed();
      return watcher.events().slice(seen).includes('key key');
    },
    30_000,
  );
}

test.each([
  ['the replica lacks the last acknowledged writes and the old master replicates from it', LOST_WRITES, false],
  ['no write is lost and the replication link of the old master is broken', 0, true],
])(
  'reports a flush and confirms nothing before it if %s',
  async (_what, lostWrites, isBroken) => {
    await setUp();
    await writeAndReplicate(3);
    await watcher.confirmed();
    await failOver({ lostWrites, linkPort: isBroken ? await freePort() : next.port });
    const demotedAtMs = performance.now();
    const before = watcher.events().length;
    await setThroughTwo('new');
    await waitFor('a flush', () => watcher.events().slice(before).includes('flush'));
    await watcher.confirmed();
    expectNoEarlyConfirmation(demotedAtMs, before);
    await expectServedByNext();
  },
  60_000,
);

test.each([
  ['the user may not run ROLE', { rules: ['-role'] }],
  ['ROLE is disabled', { args: ['--rename-command', 'ROLE', ''] }],
])(
  'detects the demotion with INFO replication if %s',
  async (_what, options) => {
    await setUp(options);
    await writeAndReplicate(3);
    await watcher.confirmed();
    await failOver({ lostWrites: 0, linkPort: await freePort() });
    const demotedAtMs = performance.now();
    const before = watcher.events().length;
    await waitFor('a flush', () => watcher.events().slice(before).includes('flush'));
    await watcher.confirmed();
    expectNoEarlyConfirmation(demotedAtMs, before);
  },
  60_000,
);

test('reports a flush for a repeated number if the user may run neither ROLE nor INFO', async () => {
  await setUp({ rules: ['-role', '-info'] });
  await writeAndReplicate(3);
  await watcher.confirmed();
  await failOver({ lostWrites: LOST_WRITES, linkPort: next.port });
  const before = watcher.events().length;
  // The other sidecars do not detect the failover and keep using the old master, so the test writes to the new master
  // through a third sidecar.
  const writer = await startCacheSidecar(next.url);
  try {
    await waitFor('the write', () => writer.set('key', 'new').then(() => true));
    await waitFor('a flush', () => watcher.events().slice(before).includes('flush'));
  } finally {
    writer.close();
  }
}, 60_000);

test('reports a flush and confirms nothing from then on if the subscriber connection is half open', async () => {
  await setUp();
  const link = await startRedisLink(old.port);
  const reader = await startCacheSidecar(old.url, { subscriberUrls: link.url });
  const half = await startWatcher(reader);
  try {
    await half.confirmed();
    link.discardAll();
    const stalledAtMs = performance.now();
    await setThroughTwo('new');
    await waitFor('a flush', () => half.events().includes('flush'));
    const later = half.confirmations.filter(({ atMs }) => atMs >= stalledAtMs);
    await waitFor('more confirmations', () => half.confirmations.length > later.length + 3);
    expect(half.confirmations.filter(({ atMs, validForMs }) => atMs >= stalledAtMs && validForMs > 0)).toEqual([]);
  } finally {
    await half.close();
    reader.close();
    await link.close();
  }
}, 60_000);
