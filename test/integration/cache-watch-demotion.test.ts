/**
 * A watch on a standalone master behind a name, when the name is moved to a replica that was promoted and the old master is demoted (A2):
 * the subscription does not stay with it, whatever its replication brings or does not bring.
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

/** As soon as the store takes it. */
async function setThroughTwo(value: string): Promise<void> {
  await waitFor('the write', () => two.set('key', value).then(() => true), 30_000);
}

async function writeAndReplicate(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await setThroughTwo(`v${index}`);
  }
  await waitFor('the replica having all', async () => Number(await old.command('WAIT', '1', '100')) === 1);
}

/** Promotes the replica, which lacks what is written after that, moves the name, demotes the old master. */
async function failOver(options: { lostWrites: number; linkPort: number }): Promise<void> {
  await next.command('REPLICAOF', 'NO', 'ONE');
  for (let index = 0; index < options.lostWrites; index += 1) {
    await two.set('key', `lost ${index}`);
  }
  await waitFor('the events', () => watcher.events().length >= options.lostWrites);
  name.target = next.port;
  await old.command('REPLICAOF', '127.0.0.1', String(options.linkPort));
}

/** No confirmation asked for since then was above 0 before the watch had received something. */
function expectNoneBlind(sinceMs: number, eventCount: number): void {
  const blind = watcher.confirmations.filter((each) => {
    return each.atMs >= sinceMs && each.validForMs > 0 && each.eventCount <= eventCount;
  });
  expect(blind).toEqual([]);
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
  ['the replica lacks the last acknowledged writes, and the old master replicates from it', LOST_WRITES, false],
  ['no write is lost, and the replication link of the old master is broken', 0, true],
])(
  '%s: a flush, and no confirmation before it',
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
    expectNoneBlind(demotedAtMs, before);
    await expectServedByNext();
  },
  60_000,
);

test.each([
  ['the user may not ask ROLE', { rules: ['-role'] }],
  ['ROLE is renamed away', { args: ['--rename-command', 'ROLE', ''] }],
])(
  '%s: INFO replication reports the same',
  async (_what, options) => {
    await setUp(options);
    await writeAndReplicate(3);
    await watcher.confirmed();
    await failOver({ lostWrites: 0, linkPort: await freePort() });
    const demotedAtMs = performance.now();
    const before = watcher.events().length;
    await waitFor('a flush', () => watcher.events().slice(before).includes('flush'));
    await watcher.confirmed();
    expectNoneBlind(demotedAtMs, before);
  },
  60_000,
);

test('the user may ask neither: watching works, and a number that comes again is a flush', async () => {
  await setUp({ rules: ['-role', '-info'] });
  await writeAndReplicate(3);
  await watcher.confirmed();
  await failOver({ lostWrites: LOST_WRITES, linkPort: next.port });
  const before = watcher.events().length;
  // Not through the sidecars: they receive nothing, and stay with the old master.
  const writer = await startCacheSidecar(next.url);
  try {
    await waitFor('the write', () => writer.set('key', 'new').then(() => true));
    await waitFor('a flush', () => watcher.events().slice(before).includes('flush'));
  } finally {
    writer.close();
  }
}, 60_000);

test('a half-open way to the messages: a flush, and no confirmation from then on', async () => {
  await setUp();
  const link = await startRedisLink(old.port);
  const deaf = await startCacheSidecar(old.url, { subscriberUrls: link.url });
  const half = await startWatcher(deaf);
  try {
    await half.confirmed();
    link.discardAll();
    const stalledAtMs = performance.now();
    await setThroughTwo('new');
    await waitFor('a flush', () => half.events().includes('flush'));
    const later = half.confirmations.filter(({ atMs }) => atMs >= stalledAtMs);
    await waitFor('more answers', () => half.confirmations.length > later.length + 3);
    expect(half.confirmations.filter(({ atMs, validForMs }) => atMs >= stalledAtMs && validForMs > 0)).toEqual([]);
  } finally {
    await half.close();
    deaf.close();
    await link.close();
  }
}, 60_000);
