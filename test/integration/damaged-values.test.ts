/**
 * Tests a sidecar with damaged sessions, users and cached values. The sidecar reports, counts and removes each damaged
 * value. A call for a damaged session fails with NOT_FOUND. If the value of a user is damaged, all sessions of this
 * user become invalid. A damaged cache entry results in a miss. The sidecar does not change a value of a newer layout.
 */
import { type DamageWorld, startDamageWorld } from '../support/redis/damage-world.ts';

const OK = 0;
const NOT_FOUND = 5;
const FAILED_PRECONDITION = 9;

let world: DamageWorld;

beforeAll(async () => {
  world = await startDamageWorld();
});

afterAll(async () => {
  world?.expectDiscreetLog();
  await world?.close();
});

beforeEach(async () => {
  await world.empty();
});

describe('a session', () => {
  async function create() {
    const answer = await world.client.createSession({ userId: 'ann', data: { color: Buffer.from('red') } });
    if (!answer.ok) {
      throw new Error(`cannot create a session: ${answer.details}`);
    }
    return String(answer.response.session?.sessionId);
  }

  async function read(sessionId: string): Promise<number> {
    const answer = await world.client.getSession({ sessionId });
    return answer.ok ? OK : answer.code;
  }

  test('is NOT_FOUND and removed if its key has another type', async () => {
    const id = await create();
    const key = await world.onlyKey('session:*');
    await world.setString(key);
    expect(await world.expectReported('state', 'WRONGTYPE', () => read(id))).toBe(NOT_FOUND);
    expect(await world.keysOf('session:*')).toEqual([]);
    expect(await read(id)).toBe(NOT_FOUND);
  });

  test.each(['v', 'p', 'q', 'u', 'g', 'n', 'c', 's', 'i', 'a'])(
    'is NOT_FOUND and removed without %s',
    async (field) => {
      const id = await create();
      const key = await world.onlyKey('session:*');
      await world.redis.command('HDEL', key, field);
      expect(await world.expectReported('state', 'DAMAGED', () => read(id))).toBe(NOT_FOUND);
      expect(await world.keysOf('session:*')).toEqual([]);
      expect(await read(await create())).toBe(OK);
    },
  );

  test.each(['q', 'n', 'c', 's', 'i', 'a'])('is NOT_FOUND and removed with garbage in %s', async (field) => {
    for (const garbage of ['garbage', 'nan', '']) {
      const id = await create();
      const key = await world.onlyKey('session:*');
      await world.redis.command('HSET', key, field, garbage);
      expect([garbage, await read(id)]).toEqual([garbage, NOT_FOUND]);
      expect(await world.keysOf('session:*')).toEqual([]);
    }
  });

  test.each(['k', 'b', 's'])('is NOT_FOUND if an update finds garbage in %s', async (field) => {
    const sessionId = await create();
    await world.redis.command('HSET', await world.onlyKey('session:*'), field, 'garbage');
    const call = () => world.client.updateSession({ sessionId, set: { color: Buffer.from('blue') } });
    expect(await world.expectReported('state', 'DAMAGED', call)).toMatchObject({ ok: false, code: NOT_FOUND });
    expect(await world.keysOf('session:*')).toEqual([]);
  });

  test('is left out of a list', async () => {
    await create();
    await world.redis.command('HDEL', await world.onlyKey('session:*'), 'c');
    const good = await create();
    const listed = await world.client.listUserSessions({ userId: 'ann' });
    expect(listed).toMatchObject({ ok: true, response: { sessions: [expect.anything()] } });
    expect(await read(good)).toBe(OK);
  });

  test('is neither read nor changed in a newer layout', async () => {
    const id = await create();
    const key = await world.onlyKey('session:*');
    await world.redis.command('HSET', key, 'y', '2');
    await world.redis.command('HDEL', key, 's');
    expect(await read(id)).toBe(FAILED_PRECONDITION);
    expect(await world.redis.command('HGET', key, 'y')).toBe('2');
  });

  describe('and its user', () => {
    test('ends all sessions if its key has another type, and the next login works', async () => {
      const id = await create();
      await world.setString(await world.onlyKey('user:*'));
      expect(await world.expectReported('state', 'WRONGTYPE', () => read(id))).toBe(NOT_FOUND);
      const next = await create();
      expect([await read(next), await read(id)]).toEqual([OK, NOT_FOUND]);
    });

    test.each([
      ['no incarnation', 'i', undefined],
      ['no number', 'n', undefined],
      ['garbage for the number', 'n', 'garbage'],
      ['no kept session', 'k', undefined],
    ])('ends all earlier sessions with %s, and the next login works', async (_what, field, value) => {
      const id = await create();
      const key = await world.onlyKey('user:*');
      await (value === undefined
        ? world.redis.command('HDEL', key, field)
        : world.redis.command('HSET', key, field, value));
      const next = await world.expectReported('state', 'DAMAGED', create);
      expect([await read(next), await read(id)]).toEqual([OK, NOT_FOUND]);
      expect(await world.redis.command('PTTL', await world.onlyKey('user:*'))).toBeGreaterThan(0);
    });

    test('ends all sessions in a logout everywhere if its number is garbage', async () => {
      const id = await create();
      await world.redis.command('HSET', await world.onlyKey('user:*'), 'n', 'garbage');
      const ended = await world.client.deleteUserSessions({ userId: 'ann' });
      expect(ended.ok).toBe(true);
      expect(await read(id)).toBe(NOT_FOUND);
      expect(await read(await create())).toBe(OK);
    });

    test('never makes an ended session valid again, whatever happens to its user', async () => {
      const id = await create();
      await world.client.deleteUserSessions({ userId: 'ann' });
      await create();
      const key = await world.onlyKey('user:*');
      await world.redis.command('HSET', key, 'n', 'garbage');
      await create();
      expect(await read(id)).toBe(NOT_FOUND);
    });

    test('is not affected by garbage in the expiry or in the list', async () => {
      const id = await create();
      const key = await world.onlyKey('user:*');
      await world.redis.command('HSET', key, 'e', 'garbage', 'h:garbage', 'garbage');
      const next = await create();
      expect([await read(next), await read(id)]).toEqual([OK, OK]);
      expect((await world.client.listUserSessions({ userId: 'ann' })).ok).toBe(true);
    });
  });
});

describe('the cache', () => {
  const entry = { namespace: 'n', key: Buffer.from('key') };

  async function set(tags: string[] = []) {
    const answer = await world.client.cacheSet({ ...entry, value: Buffer.from('value'), ttlMs: 60_000, tags });
    return answer.ok;
  }

  async function get(): Promise<string> {
    const answer = await world.client.cacheGet({ ...entry, fresh: true });
    return answer.ok ? String(answer.response.value) : `code ${answer.code}`;
  }

  test.each([
    ['entry', 'cache:*'],
    ['sequence', 'cache-seq:*'],
  ])('is a miss if the key of the %s has another type', async (what, pattern) => {
    await set();
    const key = await world.onlyKey(pattern);
    await world.redis.command('DEL', key);
    await (what === 'entry' ? world.redis.command('HSET', key, 'a', 'b') : world.redis.command('SET', key, 'garbage'));
    expect(await world.expectReported('cache', 'WRONGTYPE', get)).toBe('');
    expect(await world.keysOf(pattern)).toEqual([]);
    expect(await set()).toBe(true);
    expect(await get()).toBe('value');
  });

  test.each(['', '\u0001', '\u0001\u0000', 'garbage'])('is a miss for an entry of the bytes %j', async (garbage) => {
    await set();
    await world.redis.command('SET', await world.onlyKey('cache:*'), garbage);
    expect(await get()).toBe('');
    expect(await set()).toBe(true);
    expect(await get()).toBe('value');
  });

  test.each([
    ['n', 'garbage'],
    ['f', 'garbage'],
    ['inc', 'garbage-of-another-length'],
  ])('is a miss for garbage in %s of a sequence, which the next write removes', async (field, garbage) => {
    await set();
    await world.redis.command('HSET', await world.onlyKey('cache-seq:*'), field, garbage);
    expect(await get()).toBe('');
    expect(await world.expectReported('cache', 'DAMAGED', set)).toBe(true);
    expect(await get()).toBe('value');
    expect(await world.redis.command('PTTL', await world.onlyKey('cache-seq:*'))).toBeGreaterThan(0);
  });

  test('also repairs a sequence by a removal or a flush', async () => {
    for (const what of [{ keys: [entry.key] }, { all: true }]) {
      await set();
      await world.redis.command('HSET', await world.onlyKey('cache-seq:*'), 'n', 'garbage');
      await world.expectReported('cache', 'DAMAGED', () => world.client.cacheInvalidate({ namespace: 'n', ...what }));
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
  ] as const)('replaces a tag of %s by the next write', async (_what, commandsOf, code) => {
    await set(['tag']);
    expect(await get()).toBe('value');
    for (const command of commandsOf(await world.onlyKey('cache-tag:*'))) {
      await world.redis.command(...command);
    }
    expect(await get()).toBe('');
    expect(await world.expectReported('cache', code, () => set(['tag']))).toBe(true);
    expect(await get()).toBe('value');
    expect(await world.redis.command('PTTL', await world.onlyKey('cache-tag:*'))).toBeGreaterThan(0);
  });
});
