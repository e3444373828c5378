/**
 * Tests the stored format of sessions and users with bytes from a fixture. The current release must read these bytes as
 * the session that the fixture describes. A new session must have the same bytes, except for times and random values.
 * The release must reject a value with an unknown layout without changing the value.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectedErrorStatus } from '../../src/grpc/error-status.ts';
import { Status } from '../../src/grpc/status.ts';
import { StoreError } from '../../src/lib/store-error.ts';
import { createKeyspace } from '../../src/redis/keyspace.ts';
import { defineScript } from '../../src/redis/lua-script.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { parseSessionId, type SessionCredential, USER_TTL_MARGIN_MS } from '../../src/session/model.ts';
import { RedisSessionStore } from '../../src/session/redis-store.ts';
import { openRedis, PATIENT, soonMs } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { repositoryRoot } from '../support/repository.ts';
import { NO_CHANGE, UPDATE } from '../support/session/steps.ts';

interface StoredHash {
  readonly key: string;
  /** Values in base64. */
  readonly fields: Readonly<Record<string, string>>;
}

interface Fixture {
  readonly sessionId: string;
  readonly previousSessionId: string;
  readonly userId: string;
  readonly idleTtlMs: number;
  readonly absoluteTtlMs: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, string>>;
  readonly session: StoredHash;
  readonly user: StoredHash;
}

const path = join(repositoryRoot, 'test', 'fixtures', 'formats', 'session.json');
const fixture = JSON.parse(readFileSync(path, 'utf8')) as Fixture;
const credential = credentialOf(fixture.sessionId);
const data = new Map(Object.entries(fixture.data).map(([name, value]) => [name, Buffer.from(value, 'base64')]));
const labels = new Map(Object.entries(fixture.labels));
/** Runs HGETALL in a script, because the bare command returns a map. */
const READ_ALL = defineScript('read-all', "return redis.call('HGETALL', KEYS[1])", 'read');

let server: RedisNode;
let redis: Redis;
let store: RedisSessionStore;

beforeAll(async () => {
  server = await startRedis();
  redis = await openRedis(server.url, PATIENT);
  store = new RedisSessionStore({ commands: redis, keyspace: createKeyspace('') });
}, 60_000);

afterAll(async () => {
  redis?.close();
  await server?.stop();
});

beforeEach(async () => {
  await server.command('FLUSHALL');
});

function credentialOf(sessionId: string): SessionCredential {
  const parsed = parseSessionId(sessionId);
  if (parsed === undefined) {
    throw new Error('cannot read the fixture: it has no session id');
  }
  return parsed.credential;
}

async function put(hash: StoredHash, changes: Readonly<Record<string, string>> = {}): Promise<void> {
  const fields = new Map(Object.entries(hash.fields).map(([name, value]) => [name, Buffer.from(value, 'base64')]));
  for (const [name, value] of Object.entries(changes)) {
    fields.set(name, Buffer.from(value));
  }
  await redis.send(hash.key, ['HSET', hash.key, ...[...fields].flat()], soonMs());
  await redis.send(hash.key, ['PEXPIRE', hash.key, '600000'], soonMs());
}

async function stored(key: string): Promise<Record<string, string>> {
  const reply = await redis.run(READ_ALL, [key], [], soonMs());
  const list = reply as Buffer[];
  const entries: [string, string][] = [];
  for (let index = 0; index < list.length; index += 2) {
    entries.push([String(list[index]), list[index + 1]?.toString('base64') ?? '']);
  }
  return Object.fromEntries(entries);
}

function textOf(hash: Readonly<Record<string, string>>, field: string): string {
  return Buffer.from(hash[field] ?? '', 'base64').toString();
}

test('reads the committed bytes of a session and its user with a known result', async () => {
  await put(fixture.session);
  await put(fixture.user);
  const createdAtMs = Number(textOf(fixture.session.fields, 'c'));
  const expected = {
    handle: credential.handle,
    userId: fixture.userId,
    data,
    version: 1,
    createdAtMs,
    lastSeenAtMs: createdAtMs,
    idleTtlMs: fixture.idleTtlMs,
    absoluteEndMs: createdAtMs + fixture.absoluteTtlMs,
  };
  expect(await store.read(credential, { touch: true }, soonMs())).toMatchObject(expected);
  expect(await store.read(credentialOf(fixture.previousSessionId), { touch: true }, soonMs())).toMatchObject(expected);
  expect(await store.read({ ...credential, verifier: 'other' }, { touch: true }, soonMs())).toBeUndefined();
  expect(await store.list(fixture.userId, soonMs())).toMatchObject([
    {
      handle: credential.handle,
      createdAtMs,
      lastSeenAtMs: createdAtMs,
      expiresAtMs: createdAtMs + fixture.idleTtlMs,
      labels,
    },
  ]);
  // Field `k` identifies the session that a logout everywhere did not end, although the generation of this session is
  // older. Without this field, the session is invalid.
  await put(fixture.user, { k: '' });
  expect(await store.read(credential, { touch: true }, soonMs())).toBeUndefined();
});

test('a creation writes the committed bytes, except for times and random values', async () => {
  const { userId, idleTtlMs, absoluteTtlMs } = fixture;
  await store.create({ credential, userId, data, labels, idleTtlMs, absoluteTtlMs }, soonMs());
  const user = await stored(fixture.user.key);
  const session = await stored(fixture.session.key);
  const createdAtMs = Number(textOf(session, 'c'));
  const [listedAtMs = 0, listedEndMs = 0] = textOf(user, `h:${credential.handle}`).split(' ').map(Number);
  expect(createdAtMs).toBeGreaterThanOrEqual(listedAtMs);
  expect(textOf(user, 'i')).toMatch(/^[A-Za-z0-9_-]{16}$/);
  expect(listedEndMs).toBe(listedAtMs + absoluteTtlMs);
  expect({ session, user }).toEqual({
    session: {
      ...fixture.session.fields,
      ...inBase64({ p: '', q: '0', g: `${textOf(user, 'i')}:1`, c: String(createdAtMs), s: String(createdAtMs) }),
      ...inBase64({ a: String(createdAtMs + absoluteTtlMs) }),
    },
    user: {
      ...fixture.user.fields,
      ...inBase64({ i: textOf(user, 'i'), n: '1', k: '', e: String(listedEndMs + USER_TTL_MARGIN_MS) }),
      ...inBase64({ [`h:${credential.handle}`]: `${listedAtMs} ${listedEndMs}` }),
    },
  });
});

function inBase64(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
  );
}

const VERBS: Readonly<Record<string, () => Promise<unknown>>> = {
  read: () => store.read(credential, { touch: true }, soonMs()),
  update: () => store.update(credential, UPDATE, soonMs()),
  rotate: () => store.rotate(credential, { verifier: 'n', userId: 'bob', change: NO_CHANGE, graceMs: 0 }, soonMs()),
  list: () => store.list(fixture.userId, soonMs()),
  'delete by id': () => store.delete(credential, soonMs()),
  'delete by handle': () => store.delete({ handle: credential.handle, verifier: undefined }, soonMs()),
  'log out everywhere': () => store.endUserSessions(fixture.userId, undefined, soonMs()),
  'log out everywhere else': () => store.endUserSessions(fixture.userId, credential, soonMs()),
  create: () => {
    const other = { handle: 'another-handle-of-a-user', verifier: 'v' };
    const timeouts = { idleTtlMs: 60_000, absoluteTtlMs: 60_000 };
    return store.create({ credential: other, userId: fixture.userId, data, labels, ...timeouts }, soonMs());
  },
};

async function failureOf(call: Promise<unknown>): Promise<StoreError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StoreError);
  return error as StoreError;
}

/** Calls that read no session. A logout everywhere and a creation read only the user. */
const TOUCHES_NO_SESSION = new Set(['log out everywhere', 'create']);
/**
 * Calls that end or change the session before they read the user, with the kind of the error that results if the user's
 * value is invalid.
 */
const AFTER_THE_SESSION: Readonly<Record<string, string>> = { update: 'unknown' };
const DONE_WITHOUT_THE_USER = new Set(['delete by id', 'delete by handle']);

test.each(Object.keys(VERBS).filter((verb) => !TOUCHES_NO_SESSION.has(verb)))(
  '%s of a session of a newer layout is FAILED_PRECONDITION and changes nothing',
  async (verb) => {
    await put(fixture.session, { y: '2', newer: 'field' });
    await put(fixture.user);
    const before = [await stored(fixture.session.key), await stored(fixture.user.key)];
    const error = await failureOf((VERBS[verb] as () => Promise<unknown>)());
    expect(expectedErrorStatus(error)).toMatchObject({
      code: Status.FAILED_PRECONDITION,
      message: expect.stringMatching(
        /^cannot read the session: its layout is unknown to this release, which knows layout 1; upgrade this sidecar$/,
      ),
    });
    expect([await stored(fixture.session.key), await stored(fixture.user.key)]).toEqual(before);
  },
);

test.each(Object.keys(VERBS).filter((verb) => !DONE_WITHOUT_THE_USER.has(verb)))(
  '%s for a user of a newer layout is FAILED_PRECONDITION and does not change the user',
  async (verb) => {
    await put(fixture.session);
    await put(fixture.user, { y: '2', newer: 'field' });
    const before = await stored(fixture.user.key);
    const error = await failureOf((VERBS[verb] as () => Promise<unknown>)());
    expect(error.kind).toBe(AFTER_THE_SESSION[verb] ?? 'forbidden');
    expect(error.message).toMatch(
      /^cannot read the user: its layout is unknown to this release, which knows layout 1; upgrade this sidecar$/,
    );
    expect(await stored(fixture.user.key)).toEqual(before);
  },
);

test('a logout everywhere ends the sessions of a known layout and does not remove one of a newer layout', async () => {
  await put(fixture.session, { y: '2' });
  await put(fixture.user, { k: '', i: 'aW5jYXJuYXRpb24x', n: '3' });
  const before = await stored(fixture.session.key);
  expect(await store.endUserSessions(fixture.userId, undefined, soonMs())).toEqual({ outcome: 'ended', deleted: 0 });
  expect(await stored(fixture.session.key)).toEqual(before);
});

test('does not accept a hash without a layout as a session', async () => {
  await put(fixture.session);
  await redis.send('', ['HDEL', fixture.session.key, 'y'], soonMs());
  expect((await failureOf(store.read(credential, { touch: true }, soonMs()))).kind).toBe('forbidden');
});
