/**
 * Compares the bytes that the cache stores in Redis with the bytes in test/fixtures/formats/cache.json, which another
 * program generated. The scripts must be able to read the bytes of the fixture. They must write the same bytes, except
 * for random parts and times. A release that changes the format must be able to read both formats.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeEntry, versionIn } from '../../src/cache/model.ts';
import { RedisCacheStore } from '../../src/cache/redis-store.ts';
import { bucketOf, keyHash } from '../../src/lib/key-hash.ts';
import { decodeInvalidationMessage } from '../../src/near/invalidation-message.ts';
import { changeSince, decodeRingEntry, EVERY_KEY_HASH, RING_SIZE } from '../../src/near/ring.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { connectRedis, keyspace } from '../support/cache/redis.ts';
import { deadline } from '../support/cache/store-contract.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { repositoryRoot } from '../support/repository.ts';
import { waitFor } from '../support/wait.ts';

const fixture = JSON.parse(readFileSync(join(repositoryRoot, 'test/fixtures/formats/cache.json'), 'utf8'));
const { names, namespace } = fixture;
const KEY = Buffer.from(fixture.key);
const TAGS = Object.keys(fixture.tagVersions);
/** Offsets at which the bucket's incarnation begins and ends in a stored entry. */
const INCARNATION = [3, 11] as const;
const CREATED_OFFSET = 19;
/** Offset of the field that contains the length of the first tag. */
const TAG_BLOCK_OFFSET = 41;
const MESSAGE_VERSION = [27, 51] as const;

let node: RedisNode;
let redis: Redis;
let store: RedisCacheStore;

beforeAll(async () => {
  node = await startRedis();
  redis = await connectRedis(node.url);
  store = new RedisCacheStore({ commands: redis, keyspace });
});

beforeEach(async () => {
  await node.command('FLUSHALL');
});

afterAll(async () => {
  redis?.close();
  await node?.stop();
});

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex, 'hex');
}

async function send(...command: (string | Buffer)[]) {
  return await redis.send(command[1] ?? '', command, deadline());
}

async function fieldsOf(key: string, fields: readonly string[]): Promise<Buffer[]> {
  return (await send('HMGET', key, ...fields)) as Buffer[];
}

/** Returns the entry with the current time as its creation time, so that the entry has not expired. */
function writtenNow(hex: string): Buffer {
  const bytes = bytesOf(hex);
  bytes.writeBigUInt64BE(BigInt(Date.now()), CREATED_OFFSET);
  return bytes;
}

/** Stores the sequence of the fixture with `number` as the number of its last change. */
async function loadSequence(number: number): Promise<void> {
  const { sequence } = fixture;
  const ring = Object.entries<string>(sequence.ring).flatMap(([field, hex]) => [field, bytesOf(hex)]);
  await send('HSET', names.sequence, 'inc', bytesOf(sequence.inc), 'n', String(number), ...ring);
}

async function load(entry: string): Promise<void> {
  await loadSequence(2);
  await send('SET', names.entry, writtenNow(fixture.entries[entry]), 'PX', '60000');
  for (const tag of TAGS) {
    await send('SET', names.tag[tag], bytesOf(fixture.tagVersions[tag]), 'PX', '60000');
  }
}

test('keys and channels have the committed names', () => {
  expect(keyHash(KEY).toString('hex')).toBe(fixture.keyHash);
  expect(bucketOf(KEY)).toBe(fixture.bucket);
  expect(keyspace.cacheEntry(namespace, fixture.bucket, KEY).toString()).toBe(names.entry);
  expect(keyspace.cacheSequence(namespace, fixture.bucket)).toBe(names.sequence);
  expect(keyspace.cacheChannel(namespace, fixture.bucket)).toBe(names.channel);
  expect(Object.fromEntries(TAGS.map((tag) => [tag, keyspace.cacheTag(namespace, tag)]))).toEqual(names.tag);
  expect(keyspace.cacheTagSequence(namespace, bucketOf('red'))).toBe(names.tagSequence);
  expect(keyspace.cacheTagChannel(namespace, bucketOf('red'))).toBe(names.tagChannel);
});

describe('committed entries are read', () => {
  test.each([
    ['value', { absent: false, value: 'value', tags: [] }],
    ['absent', { absent: true, value: '', tags: [] }],
    ['tagged', { absent: false, value: 'tagged value', tags: TAGS }],
    ['ofANewerRelease', { absent: false, value: 'tagged value', tags: TAGS }],
  ])('%s', async (name, expected) => {
    await load(name);
    const options = { deadlineAtMs: deadline(), budgetBytes: 1e6 };
    const [many] = await store.readMany(namespace, [KEY], options);
    for (const read of [
      await store.read(namespace, KEY, deadline()),
      many?.outcome === 'hit' ? many.entry : undefined,
    ]) {
      expect(read).toMatchObject({ ...expected, value: Buffer.from(expected.value) });
      // The entry contains a mark, which refers to the second change of the bucket.
      expect(read?.mark).toEqual({ incarnation: 'incarnat', number: 2, stamp: 'stamp002' });
      expect(read?.ttlMs).toBeGreaterThan(0);
      const condition = { kind: 'if_version', version: read?.version ?? KEY } as const;
      expect(read?.version.length).toBe(24);
      expect(condition.version.subarray(0, 16)).toEqual(bytesOf(fixture.entries[name]).subarray(3, 19));
    }
  });

  test('with the header fields of a newer release', () => {
    expect(decodeEntry(bytesOf(fixture.entries.ofANewerRelease))).toMatchObject({ staleMs: 5_000, loadMs: 250 });
  });

  test.each(['withAnUnknownFlag', 'ofAnUnknownFormat'])('as a miss: %s', async (name) => {
    await load(name);
    expect(await store.read(namespace, KEY, deadline())).toBeUndefined();
    const options = { deadlineAtMs: deadline(), budgetBytes: 1e6 };
    expect(await store.readMany(namespace, [KEY], options)).toEqual([{ outcome: 'miss' }]);
    // A release that cannot read an entry treats the entry as absent. The number of removed entries therefore does not
    // include this entry.
    expect(await store.remove(namespace, [KEY], deadline())).toBe(0);
  });

  test('as a miss if the sequence has a later flush', async () => {
    await load('value');
    await loadSequence(3);
    await send('HSET', names.sequence, 'f', fixture.sequence.f);
    expect(await store.read(namespace, KEY, deadline())).toBeUndefined();
  });

  test('by conditional writes, which accept the version of an entry with tags once', async () => {
    await load('ofANewerRelease');
    const version = (await store.read(namespace, KEY, deadline()))?.version ?? Buffer.alloc(0);
    const write = { namespace, key: KEY, value: KEY, absent: false, ttlMs: 60_000, tags: [] };
    expect(await store.write({ ...write, condition: { kind: 'if_absent' } }, deadline())).toEqual({ stored: false });
    const condition = { kind: 'if_version', version } as const;
    expect(await store.write({ ...write, condition }, deadline())).toMatchObject({ stored: true });
    expect(await store.write({ ...write, condition }, deadline())).toEqual({ stored: false });
  });

  test('as a miss by reads and conditional writes if its tags cannot be decoded', async () => {
    await load('tagged');
    await send('SETRANGE', names.entry, String(TAG_BLOCK_OFFSET), Buffer.of(0xff));
    expect(await store.read(namespace, KEY, deadline())).toBeUndefined();
    const write = { namespace, key: KEY, value: KEY, absent: false, ttlMs: 60_000, tags: [] };
    const version = ((await send('GETRANGE', names.entry, '3', '26')) ?? KEY) as Buffer;
    const conditionOnIt = { kind: 'if_version', version } as const;
    expect(await store.write({ ...write, condition: conditionOnIt }, deadline())).toEqual({ stored: false });
    expect(await store.write({ ...write, condition: { kind: 'if_absent' } }, deadline())).toMatchObject({
      stored: true,
    });
  });
});

test('decodes the ring of the committed sequence', () => {
  const entries = Array.from({ length: RING_SIZE }, (_, field) =>
    decodeRingEntry(bytesOf(fixture.sequence.ring[field] ?? '')),
  );
  const hash = keyHash(KEY).toString('latin1');
  expect(entries[1]).toEqual({ number: 1, keyHash: hash, stamp: 'incarnat' });
  expect(entries[3]).toEqual({ number: 3, keyHash: EVERY_KEY_HASH.toString('latin1'), stamp: 'stamp003' });
  const ring = { incarnation: 'incarnat', number: 3, entries };
  expect(changeSince({ incarnation: 'incarnat', number: 1, stamp: 'incarnat' }, ring, hash)).toBe('changed');
  expect(changeSince({ incarnation: 'incarnat', number: 3, stamp: 'stamp003' }, ring, hash)).toBe('unchanged');
});

test('decodes committed messages of every kind', () => {
  const read = (name: string) => decodeInvalidationMessage(bytesOf(fixture.messages[name]));
  const common = { incarnation: 'incarnat' };
  const write = { ...common, kind: 'names', sequence: 1, stamp: 'incarnat', names: [fixture.key] };
  expect(read('writeOfAnOlderRelease')).toEqual(write);
  expect(read('write')).toEqual({ ...write, version: versionIn(bytesOf(fixture.entries.value)).toString('latin1') });
  expect(read('remove')).toMatchObject({ kind: 'names', sequence: 2, names: [fixture.key, fixture.key] });
  expect(read('flush')).toEqual({ ...common, kind: 'flush', sequence: 3, stamp: 'stamp003', names: [] });
  expect(read('removeTags')).toMatchObject({ kind: 'names', names: ['red'] });
  expect(read('ofANewerRelease')).toEqual(read('write'));
});

test('the scripts write the committed bytes, except random parts and times', async () => {
  const received: { channel: string; message: Buffer }[] = [];
  const live = new Set<string>();
  const subscriber = redis.createSubscriber({
    onMessage: (channel, message) => received.push({ channel, message }),
    onLive: (channel) => live.add(channel),
    onLost: (channel) => live.delete(channel),
  });
  subscriber.subscribe(names.channel);
  subscriber.subscribe(names.tagChannel);
  await waitFor('live channels', () => live.size === 2);
  const write = { namespace, key: KEY, ttlMs: 60_000, condition: { kind: 'none' } } as const;

  const outcome = await store.write(
    { ...write, value: Buffer.from('tagged value'), absent: false, tags: TAGS },
    deadline(),
  );
  const version = outcome.stored ? outcome.version : KEY;
  const [incarnation = KEY] = await fieldsOf(names.sequence, ['inc']);
  expect(await writtenEntry(incarnation)).toEqual(fixture.entries.tagged);
  await store.remove(namespace, [KEY, KEY], deadline());
  await store.flush(namespace, deadline());
  await store.removeTags(namespace, ['red'], deadline());
  await waitFor('all messages', () => received.length === 4);

  const [, second = KEY, third = KEY] = await fieldsOf(names.sequence, ['1', '2', '3']);
  const stamps = new Map([
    [incarnation, 'incarnat'],
    [second.subarray(16), 'stamp002'],
    [third.subarray(16), 'stamp003'],
  ]);
  const [n, f, ...ring] = await fieldsOf(names.sequence, ['n', 'f', '1', '2', '3']);
  expect([String(n), String(f)]).toEqual([fixture.sequence.n, fixture.sequence.f]);
  expect(ring.map((bytes) => masked(bytes, stamps))).toEqual(
    ['1', '2', '3'].map((field) => fixture.sequence.ring[field]),
  );
  expect(await send('HGET', names.sequence, '4')).toBeNull();

  const [tagIncarnation = KEY] = await fieldsOf(names.tagSequence, ['inc']);
  stamps.set(tagIncarnation, 'incarnat');
  const { messages } = fixture;
  const [{ message: writeMessage = KEY } = {}] = received;
  expect(writeMessage.subarray(...MESSAGE_VERSION)).toEqual(version);
  bytesOf(messages.write).copy(writeMessage, MESSAGE_VERSION[1] - 8, MESSAGE_VERSION[1] - 8, MESSAGE_VERSION[1]);
  expect(received.map(({ message }) => masked(message, stamps))).toEqual([
    messages.write,
    messages.remove,
    messages.flush,
    messages.removeTags,
  ]);
  expect(received.map(({ channel }) => channel)).toEqual([
    ...[names.channel, names.channel, names.channel],
    names.tagChannel,
  ]);
  subscriber.close();
});

/**
 * Returns the entry as a hexadecimal string. Replaces the incarnation, the time and the tag versions with the values in
 * the fixture.
 */
async function writtenEntry(incarnation: Buffer): Promise<string> {
  const bytes = (await send('GET', names.entry)) as Buffer;
  expect(bytes.subarray(...INCARNATION)).toEqual(incarnation);
  expect(Math.abs(Number(bytes.readBigUInt64BE(CREATED_OFFSET)) - Date.now())).toBeLessThan(60_000);
  bytesOf(fixture.entries.tagged).copy(bytes, CREATED_OFFSET, CREATED_OFFSET, CREATED_OFFSET + 8);
  const known = new Map([[incarnation, 'incarnat']]);
  for (const tag of TAGS) {
    known.set((await send('GET', names.tag[tag])) as Buffer, bytesOf(fixture.tagVersions[tag]).toString());
  }
  return masked(bytes, known);
}

/** Returns the bytes as a hexadecimal string. Replaces known random parts with the values in the fixture. */
function masked(bytes: Buffer, known: ReadonlyMap<Buffer, string>): string {
  let text = bytes.toString('hex');
  for (const [random, name] of known) {
    text = text.replaceAll(random.toString('hex'), Buffer.from(name).toString('hex'));
  }
  return text;
}
