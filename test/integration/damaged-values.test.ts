/**
 * Damaged values in Redis, met by a whole sidecar: another program writes under our key prefix, or bytes are garbage. Each is reported, counted and
 * removed, and the call is answered by the store: a limit counts afresh, a session is NOT_FOUND, a user's sessions end, an entry is a miss.
 * A value of a newer layout stays as it is.
 */
import { createClient } from '@redis/client';
import { readMetric } from '../support/fleet.ts';
import { connectPannier, type PannierClient } from '../support/pannier-client.ts';
import { type RedisNode, startRedis } from '../support/redis-server.ts';
import { type Sidecar, startSidecar } from '../support/sidecar.ts';
import { waitFor } from '../support/wait.ts';

const OK = 0;
const NOT_FOUND = 5;
const FAILED_PRECONDITION = 9;
const BY_STORE = 1;

let redis: RedisNode;
let sidecar: Sidecar;
let client: PannierClient;
/** Sends bytes as they are. */
let raw: { sendCommand(args: (string | Buffer)[]): Promise<unknown>; destroy(): void };

beforeAll(async () => {
  redis = await startRedis();
  const connection = createClient({ url: redis.url });
  await connection.connect();
  raw = connection;
  sidecar = await startSidecar({ PANNIER_REDIS_URL: redis.url, PANNIER_REDIS_TIMEOUT_MS: '5000' });
  client = connectPannier(sidecar.address);
  await waitFor('Redis', async () => (await fetch(`${sidecar.adminUrl}/readyz`)).status === 200);
});

afterAll(async () => {
  client?.close();
  raw?.destroy();
  await sidecar?.stop();
  await redis?.stop();
});

beforeEach(async () => {
  for (const key of await keysOf('*')) {
    if (!key.startsWith('pannier:format')) {
      await redis.command('DEL', key);
    }
  }
});

async function keysOf(pattern: string): Promise<string[]> {
  return ((await redis.command('KEYS', `pannier:${pattern}`)) as unknown[]).map(String);
}

async function onlyKey(pattern: string): Promise<string> {
  const [key = '', ...others] = await keysOf(pattern);
  expect([key !== '', others]).toEqual([true, []]);
  return key;
}

async function setString(key: string): Promise<void> {
  await redis.command('DEL', key);
  await redis.command('SET', key, 'garbage');
}

function removed(role: string, code: string): Promise<number> {
  return readMetric(sidecar, 'pannier_redis_damaged_values_total', `role="${role}",code="${code}"`);
}

/** The damage is met once by `call`, counted and logged. */
async function expectReported<Value>(role: string, code: string, call: () => Promise<Value>): Promise<Value> {
  const before = await removed(role, code).catch(() => 0);
  const value = await call();
  expect(await removed(role, code)).toBe(before + 1);
  const lines = sidecar.logLines().filter((line) => line.code === code && line.role === role);
  expect(lines[0]).toMatchObject({ level: 'error', msg: 'damaged value in Redis' });
  return value;
}

function head(layout: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes.writeDoubleLE(Date.now() + 60_000, 0);
  bytes[8] = layout;
  return bytes;
}

function numbers(...values: number[]): Buffer {
  const bytes = Buffer.alloc(8 * values.length);
  for (const [index, value] of values.entries()) {
    bytes.writeDoubleLE(value, 8 * index);
  }
  return bytes;
}

const NOW = Date.now();
const DAMAGES: Readonly<Record<string, Buffer>> = {
  'no bytes': Buffer.alloc(0),
  'a few bytes': Buffer.from('garbage'),
  'nothing after the layout': head(1),
  'half of the numbers': Buffer.concat([head(1), numbers(NOW)]),
  'too many bytes': Buffer.concat([head(1), numbers(NOW, 1, 0), Buffer.alloc(3)]),
  'a use that is no number': Buffer.concat([head(1), numbers(NOW, Number.NaN, 0)]),
  'an infinite use': Buffer.concat([head(1), numbers(NOW, Number.POSITIVE_INFINITY, 0)]),
  'a negative use': Buffer.concat([head(1), numbers(NOW, -1_000, 0)]),
  'a time that is no number': Buffer.concat([head(1), numbers(Number.NaN, 1, 0)]),
  'a last number that is none': Buffer.concat([head(1), numbers(NOW, 1, Number.NaN)]),
  'a log without end': Buffer.concat([head(1), numbers(NOW, 0, 1e15, 0, 0, 5), Buffer.alloc(10)]),
  'a log with entries that count nothing': Buffer.concat([head(1), numbers(NOW, 0, 0, 0, 0, 0), Buffer.alloc(10)]),
};

describe.each([
  'ALGORITHM_FIXED_WINDOW',
  'ALGORITHM_SLIDING_WINDOW_LOG',
  'ALGORITHM_SLIDING_WINDOW_COUNTER',
  'ALGORITHM_TOKEN_BUCKET',
  'ALGORITHM_LEAKY_BUCKET',
] as const)('a limit, %s', (algorithm) => {
  const limit = { name: 'a', algorithm, limit: 10, windowMs: 3_600_000 };

  async function take(cost = 1, limits = [limit]) {
    const answer = await client.checkRateLimit({ key: 'subject', limits, cost });
    return answer.ok
      ? { by: answer.response.decidedBy as unknown as number, remaining: answer.response.remaining }
      : { code: answer.code };
  }

  async function stored(): Promise<{ key: string; field: string }> {
    await take(4);
    const key = await onlyKey('rl:*');
    const [field = ''] = ((await redis.command('HKEYS', key)) as unknown[]).map(String);
    return { key, field };
  }

  test('a key of another type counts afresh', async () => {
    const { key } = await stored();
    await setString(key);
    expect(await expectReported('state', 'WRONGTYPE', take)).toEqual({ by: BY_STORE, remaining: 9 });
    expect(await take()).toEqual({ by: BY_STORE, remaining: 8 });
    expect(await redis.command('PTTL', key)).toBeGreaterThan(0);
  });

  test('a peek at a key of another type is answered by the store', async () => {
    const { key } = await stored();
    await setString(key);
    expect(await expectReported('state', 'WRONGTYPE', () => take(0))).toEqual({ by: BY_STORE, remaining: 10 });
  });

  test.each(Object.entries(DAMAGES))('%s: counts afresh', async (_what, bytes) => {
    const { key, field } = await stored();
    await raw.sendCommand(['HSET', key, field, bytes]);
    expect(await take(0)).toEqual({ by: BY_STORE, remaining: 10 });
    expect(await expectReported('state', 'DAMAGED', take)).toEqual({ by: BY_STORE, remaining: 9 });
    expect(await take()).toEqual({ by: BY_STORE, remaining: 8 });
    expect(await redis.command('PTTL', key)).toBeGreaterThan(0);
  });

  test('a damaged limit leaves the others of the call alone', async () => {
    const other = { ...limit, name: 'b' };
    await take(4, [limit, other]);
    const key = await onlyKey('rl:*');
    const fields = ((await redis.command('HKEYS', key)) as unknown[]).map(String).sort();
    await raw.sendCommand(['HSET', key, fields[0] ?? '', Buffer.from('garbage')]);
    await expectReported('state', 'DAMAGED', () => take(1, [limit, other]));
    const answer = await client.checkRateLimit({ key: 'subject', limits: [limit, other], cost: 0, detail: true });
    const remaining = answer.ok ? answer.response.limits.map((each) => each.remaining) : [];
    expect([...remaining].sort()).toEqual([5, 9]);
  });

  test('a reset removes it', async () => {
    const { key, field } = await stored();
    await raw.sendCommand(['HSET', key, field, Buffer.from('garbage')]);
    const answer = await client.resetRateLimit({ key: 'subject', limits: [limit] });
    expect(answer.ok).toBe(true);
    expect(await take()).toEqual({ by: BY_STORE, remaining: 9 });
  });

  test('a newer layout is neither read nor changed', async () => {
    const { key, field } = await stored();
    await raw.sendCommand(['HSET', key, field, Buffer.concat([head(2), Buffer.from('newer')])]);
    const before = await redis.command('DUMP', key);
    expect(await take()).toEqual({ code: FAILED_PRECONDITION });
    expect(await redis.command('DUMP', key)).toEqual(before);
  });
});

describe('a log of several chunks', () => {
  const limit = { name: 'a', algorithm: 'ALGORITHM_SLIDING_WINDOW_LOG', limit: 300, windowMs: 3_600_000 } as const;

  async function take(cost = 1) {
    const answer = await client.checkRateLimit({ key: 'subject', limits: [limit], cost });
    return answer.ok ? answer.response.remaining : answer.code;
  }

  test.each([
    ['missing', async (key: string) => redis.command('HDEL', key, await chunkOf(key))],
    ['garbage', async (key: string) => raw.sendCommand(['HSET', key, await chunkOf(key), Buffer.from('garbage')])],
    ['short', async (key: string) => raw.sendCommand(['HSET', key, await chunkOf(key), head(1)])],
  ])('a chunk that is %s: counts afresh', async (_what, damage) => {
    // Entries share a millisecond, so that many are needed until there is a chunk.
    await waitFor('a chunk', async () => {
      await take();
      return (await redis.command('HLEN', await onlyKey('rl:*'))) === 2;
    });
    while (Number(await take()) > 0) {
      // Until it denies: then it reads the chunk to say when it admits.
    }
    await damage(await onlyKey('rl:*'));
    expect(await take(0)).toBe(0);
    expect(await expectReported('state', 'DAMAGED', take)).toBe(299);
  });

  async function chunkOf(key: string): Promise<string> {
    const fields = ((await redis.command('HKEYS', key)) as unknown[]).map(String);
    return fields.find((field) => field.endsWith('#0')) ?? '';
  }
});

describe('a session', () => {
  async function create() {
    const answer = await client.createSession({ userId: 'ann', data: { color: Buffer.from('red') } });
    if (!answer.ok) {
      throw new Error(`no session: ${answer.details}`);
    }
    return String(answer.response.session?.sessionId);
  }

  async function read(sessionId: string): Promise<number> {
    const answer = await client.getSession({ sessionId });
    return answer.ok ? OK : answer.code;
  }

  test('a key of another type is NOT_FOUND and removed', async () => {
    const id = await create();
    const key = await onlyKey('session:*');
    await setString(key);
    expect(await expectReported('state', 'WRONGTYPE', () => read(id))).toBe(NOT_FOUND);
    expect(await keysOf('session:*')).toEqual([]);
    expect(await read(id)).toBe(NOT_FOUND);
  });

  test.each(['v', 'p', 'q', 'u', 'g', 'n', 'c', 's', 'i', 'a'])(
    'without %s it is NOT_FOUND and removed',
    async (field) => {
      const id = await create();
      const key = await onlyKey('session:*');
      await redis.command('HDEL', key, field);
      expect(await expectReported('state', 'DAMAGED', () => read(id))).toBe(NOT_FOUND);
      expect(await keysOf('session:*')).toEqual([]);
      expect(await read(await create())).toBe(OK);
    },
  );

  test.each(['q', 'n', 'c', 's', 'i', 'a'])('with garbage in %s it is NOT_FOUND and removed', async (field) => {
    for (const garbage of ['garbage', 'nan', '']) {
      const id = await create();
      const key = await onlyKey('session:*');
      await redis.command('HSET', key, field, garbage);
      expect([garbage, await read(id)]).toEqual([garbage, NOT_FOUND]);
      expect(await keysOf('session:*')).toEqual([]);
    }
  });

  test.each(['k', 'b', 's'])('an update that meets garbage in %s is NOT_FOUND', async (field) => {
    const sessionId = await create();
    await redis.command('HSET', await onlyKey('session:*'), field, 'garbage');
    const call = () => client.updateSession({ sessionId, set: { color: Buffer.from('blue') } });
    expect(await expectReported('state', 'DAMAGED', call)).toMatchObject({ ok: false, code: NOT_FOUND });
    expect(await keysOf('session:*')).toEqual([]);
  });

  test('a list leaves a damaged session out', async () => {
    await create();
    await redis.command('HDEL', await onlyKey('session:*'), 'c');
    const good = await create();
    const listed = await client.listUserSessions({ userId: 'ann' });
    expect(listed).toMatchObject({ ok: true, response: { sessions: [expect.anything()] } });
    expect(await read(good)).toBe(OK);
  });

  test('a newer layout is neither read nor changed', async () => {
    const id = await create();
    const key = await onlyKey('session:*');
    await redis.command('HSET', key, 'y', '2');
    await redis.command('HDEL', key, 's');
    expect(await read(id)).toBe(FAILED_PRECONDITION);
    expect(await redis.command('HGET', key, 'y')).toBe('2');
  });

  describe('and its user', () => {
    test('a key of another type: the sessions have ended, and a login works', async () => {
      const id = await create();
      await setString(await onlyKey('user:*'));
      expect(await expectReported('state', 'WRONGTYPE', () => read(id))).toBe(NOT_FOUND);
      const next = await create();
      expect([await read(next), await read(id)]).toEqual([OK, NOT_FOUND]);
    });

    test.each([
      ['no incarnation', 'i', undefined],
      ['no number', 'n', undefined],
      ['garbage for the number', 'n', 'garbage'],
      ['no kept session', 'k', undefined],
    ])('%s: a login works, and the sessions before it have ended', async (_what, field, value) => {
      const id = await create();
      const key = await onlyKey('user:*');
      await (value === undefined ? redis.command('HDEL', key, field) : redis.command('HSET', key, field, value));
      const next = await expectReported('state', 'DAMAGED', create);
      expect([await read(next), await read(id)]).toEqual([OK, NOT_FOUND]);
      expect(await redis.command('PTTL', await onlyKey('user:*'))).toBeGreaterThan(0);
    });

    test('garbage for the number: a logout everywhere ends all sessions', async () => {
      const id = await create();
      await redis.command('HSET', await onlyKey('user:*'), 'n', 'garbage');
      const ended = await client.deleteUserSessions({ userId: 'ann' });
      expect(ended.ok).toBe(true);
      expect(await read(id)).toBe(NOT_FOUND);
      expect(await read(await create())).toBe(OK);
    });

    test('a session that was ended stays ended, whatever happens to its user', async () => {
      const id = await create();
      await client.deleteUserSessions({ userId: 'ann' });
      await create();
      const key = await onlyKey('user:*');
      await redis.command('HSET', key, 'n', 'garbage');
      await create();
      expect(await read(id)).toBe(NOT_FOUND);
    });

    test('garbage for the expiry or in the list harms nothing', async () => {
      const id = await create();
      const key = await onlyKey('user:*');
      await redis.command('HSET', key, 'e', 'garbage', 'h:garbage', 'garbage');
      const next = await create();
      expect([await read(next), await read(id)]).toEqual([OK, OK]);
      expect((await client.listUserSessions({ userId: 'ann' })).ok).toBe(true);
    });
  });
});

describe('the cache', () => {
  const entry = { namespace: 'n', key: Buffer.from('key') };

  async function set(tags: string[] = []) {
    const answer = await client.cacheSet({ ...entry, value: Buffer.from('value'), ttlMs: 60_000, tags });
    return answer.ok;
  }

  async function get(): Promise<string> {
    const answer = await client.cacheGet({ ...entry, fresh: true });
    return answer.ok ? String(answer.response.value) : `code ${answer.code}`;
  }

  test.each([
    ['entry', 'cache:*'],
    ['sequence', 'cache-seq:*'],
  ])('a key of another type in place of the %s is a miss', async (what, pattern) => {
    await set();
    const key = await onlyKey(pattern);
    await redis.command('DEL', key);
    await (what === 'entry' ? redis.command('HSET', key, 'a', 'b') : redis.command('SET', key, 'garbage'));
    expect(await expectReported('cache', 'WRONGTYPE', get)).toBe('');
    expect(await keysOf(pattern)).toEqual([]);
    expect(await set()).toBe(true);
    expect(await get()).toBe('value');
  });

  test.each(['', '\u0001', '\u0001\u0000', 'garbage'])('an entry of the bytes %j is a miss', async (garbage) => {
    await set();
    await redis.command('SET', await onlyKey('cache:*'), garbage);
    expect(await get()).toBe('');
    expect(await set()).toBe(true);
    expect(await get()).toBe('value');
  });

  test.each([
    ['n', 'garbage'],
    ['f', 'garbage'],
    ['inc', 'garbage-of-another-length'],
  ])('garbage in %s of a sequence is a miss, and the next write removes it', async (field, garbage) => {
    await set();
    await redis.command('HSET', await onlyKey('cache-seq:*'), field, garbage);
    expect(await get()).toBe('');
    expect(await expectReported('cache', 'DAMAGED', set)).toBe(true);
    expect(await get()).toBe('value');
    expect(await redis.command('PTTL', await onlyKey('cache-seq:*'))).toBeGreaterThan(0);
  });

  test('a removal and a flush repair a sequence too', async () => {
    for (const what of [{ keys: [entry.key] }, { all: true }]) {
      await set();
      await redis.command('HSET', await onlyKey('cache-seq:*'), 'n', 'garbage');
      await expectReported('cache', 'DAMAGED', () => client.cacheInvalidate({ namespace: 'n', ...what }));
      expect(await set()).toBe(true);
    }
  });

  test.each([
    [
      'another type',
      (key: string) => [
        ['DEL', key],
        ['HSET', key, 'a', 'b'],
      ],
      'WRONGTYPE',
    ],
    ['another length', (key: string) => [['SET', key, 'garbage-of-another-length']], 'DAMAGED'],
  ] as const)('a tag of %s: the next write makes it anew', async (_what, commandsOf, code) => {
    await set(['tag']);
    expect(await get()).toBe('value');
    for (const command of commandsOf(await onlyKey('cache-tag:*'))) {
      await redis.command(...command);
    }
    expect(await get()).toBe('');
    expect(await expectReported('cache', code, () => set(['tag']))).toBe(true);
    expect(await get()).toBe('value');
    expect(await redis.command('PTTL', await onlyKey('cache-tag:*'))).toBeGreaterThan(0);
  });
});

test('whatever was damaged: few lines, and no key, value or subject among them', async () => {
  const lines = sidecar.logLines().filter((line) => line.level === 'error');
  expect(lines.length).toBeGreaterThan(0);
  expect(new Set(lines.map((line) => line.msg))).toEqual(new Set(['damaged value in Redis']));
  expect(sidecar.output()).not.toMatch(/garbage|subject|pannier:/);
});
