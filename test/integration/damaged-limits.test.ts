/**
 * Tests a sidecar whose Redis contains damaged states of limits: another program has written under the key prefix, or
 * bytes are corrupt. The sidecar reports, counts and removes each damaged value, and evaluates the call as if no unit
 * of the limit had been consumed. The sidecar does not change a value of a newer layout.
 */
import { type DamageWorld, startDamageWorld } from '../support/redis/damage-world.ts';
import { waitFor } from '../support/wait.ts';

const FAILED_PRECONDITION = 9;
const BY_STORE = 1;

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

/** Returns a chunk whose header states 64 units, although each of its 64 entries contains 0 units. */
function chunkWithoutUnits(): Buffer {
  const entries = Array.from({ length: 64 }, () => Buffer.concat([numbers(NOW), Buffer.alloc(2)]));
  return Buffer.concat([head(1), numbers(64), ...entries]);
}

const DAMAGES: Readonly<Record<string, Buffer>> = {
  'no bytes': Buffer.alloc(0),
  'a few bytes': Buffer.from('garbage'),
  'nothing after the layout': head(1),
  'half of the numbers': Buffer.concat([head(1), numbers(NOW)]),
  'too many bytes': Buffer.concat([head(1), numbers(NOW, 1, 0), Buffer.alloc(3)]),
  'a use that is not a number': Buffer.concat([head(1), numbers(NOW, Number.NaN, 0)]),
  'an infinite use': Buffer.concat([head(1), numbers(NOW, Number.POSITIVE_INFINITY, 0)]),
  'a negative use': Buffer.concat([head(1), numbers(NOW, -1_000, 0)]),
  'a time that is not a number': Buffer.concat([head(1), numbers(Number.NaN, 1, 0)]),
  'a last number that is not a number': Buffer.concat([head(1), numbers(NOW, 1, Number.NaN)]),
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
    const answer = await world.client.checkRateLimit({ key: 'subject', limits, cost });
    return answer.ok
      ? { by: answer.response.decidedBy as unknown as number, remaining: answer.response.remaining }
      : { code: answer.code };
  }

  async function stored(): Promise<{ key: string; field: string }> {
    await take(4);
    const key = await world.onlyKey('rl:*');
    const [field = ''] = ((await world.redis.command('HKEYS', key)) as unknown[]).map(String);
    return { key, field };
  }

  test('starts from zero for a key of another type', async () => {
    const { key } = await stored();
    await world.setString(key);
    expect(await world.expectReported('state', 'WRONGTYPE', take)).toEqual({ by: BY_STORE, remaining: 9 });
    expect(await take()).toEqual({ by: BY_STORE, remaining: 8 });
    expect(await world.redis.command('PTTL', key)).toBeGreaterThan(0);
  });

  test('answers a peek at a key of another type from the store', async () => {
    const { key } = await stored();
    await world.setString(key);
    expect(await world.expectReported('state', 'WRONGTYPE', () => take(0))).toEqual({ by: BY_STORE, remaining: 10 });
  });

  test.each(Object.entries(DAMAGES))('starts from zero for %s', async (_what, bytes) => {
    const { key, field } = await stored();
    await world.send('HSET', key, field, bytes);
    expect(await take(0)).toEqual({ by: BY_STORE, remaining: 10 });
    expect(await world.expectReported('state', 'DAMAGED', take)).toEqual({ by: BY_STORE, remaining: 9 });
    expect(await take()).toEqual({ by: BY_STORE, remaining: 8 });
    expect(await world.redis.command('PTTL', key)).toBeGreaterThan(0);
  });

  test('does not affect other limits of the call', async () => {
    const other = { ...limit, name: 'b' };
    await take(4, [limit, other]);
    const key = await world.onlyKey('rl:*');
    const fields = ((await world.redis.command('HKEYS', key)) as unknown[]).map(String).sort();
    await world.send('HSET', key, fields[0] ?? '', Buffer.from('garbage'));
    await world.expectReported('state', 'DAMAGED', () => take(1, [limit, other]));
    const answer = await world.client.checkRateLimit({ key: 'subject', limits: [limit, other], cost: 0, detail: true });
    const remaining = answer.ok ? answer.response.limits.map((each) => each.remaining) : [];
    expect([...remaining].sort()).toEqual([5, 9]);
  });

  test('is removed by a reset', async () => {
    const { key, field } = await stored();
    await world.send('HSET', key, field, Buffer.from('garbage'));
    const answer = await world.client.resetRateLimit({ key: 'subject', limits: [limit] });
    expect(answer.ok).toBe(true);
    expect(await take()).toEqual({ by: BY_STORE, remaining: 9 });
  });

  test('does not read or change a newer layout', async () => {
    const { key, field } = await stored();
    await world.send('HSET', key, field, Buffer.concat([head(2), Buffer.from('newer')]));
    const before = await world.redis.command('DUMP', key);
    expect(await take()).toEqual({ code: FAILED_PRECONDITION });
    expect(await world.redis.command('DUMP', key)).toEqual(before);
  });
});

describe('a log of several chunks', () => {
  const limit = { name: 'a', algorithm: 'ALGORITHM_SLIDING_WINDOW_LOG', limit: 300, windowMs: 3_600_000 } as const;

  async function take(cost = 1) {
    const answer = await world.client.checkRateLimit({ key: 'subject', limits: [limit], cost });
    return answer.ok ? answer.response.remaining : answer.code;
  }

  test.each([
    ['missing', async (key: string) => world.redis.command('HDEL', key, await chunkOf(key))],
    ['garbage', async (key: string) => world.send('HSET', key, await chunkOf(key), Buffer.from('garbage'))],
    ['short', async (key: string) => world.send('HSET', key, await chunkOf(key), head(1))],
    [
      'of entries without units',
      async (key: string) => world.send('HSET', key, await chunkOf(key), chunkWithoutUnits()),
    ],
  ])('starts from zero for a chunk that is %s', async (_what, damage) => {
    // Calls in the same millisecond share one entry of the log, so the test needs many calls to fill a chunk.
    await waitFor('a chunk', async () => {
      await take();
      return (await world.redis.command('HLEN', await world.onlyKey('rl:*'))) === 2;
    });
    while (Number(await take()) > 0) {
      // The loop consumes units until a call is denied. The denied call reads the chunk to compute its retry time.
    }
    await damage(await world.onlyKey('rl:*'));
    expect(await take(0)).toBe(300);
    expect(await world.expectReported('state', 'DAMAGED', take)).toBe(299);
  });

  test.each([1e300, 2 ** 53, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, -1e300])(
    'ends a reset of a log whose first and last chunk are %d, and removes it',
    async (number) => {
      await take();
      const key = await world.onlyKey('rl:*');
      const [field = ''] = ((await world.redis.command('HKEYS', key)) as unknown[]).map(String);
      await world.send('HSET', key, field, Buffer.concat([head(1), numbers(NOW, number, number, 0, 0, 0)]));
      const answer = await world.client.resetRateLimit({ key: 'subject', limits: [limit] });
      expect(answer).toMatchObject({ ok: true, response: { existed: true } });
      expect(await take()).toBe(299);
    },
  );

  test('starts from zero for two damaged logs of one call', async () => {
    const limits = [limit, { ...limit, name: 'b' }];
    const takeBoth = async (cost: number) => {
      const answer = await world.client.checkRateLimit({ key: 'subject', limits, cost, detail: true });
      return answer.ok ? answer.response.limits.map((each) => each.remaining) : answer.code;
    };
    // Consumes units until a call is denied. The calls are spread over many milliseconds, so they create chunks.
    for (let left = limit.limit; left >= 0; left -= 1) {
      await takeBoth(1);
    }
    const key = await world.onlyKey('rl:*');
    const fields = ((await world.redis.command('HKEYS', key)) as unknown[]).map(String);
    const chunks = fields.filter((each) => each.endsWith('#0'));
    expect(chunks).toHaveLength(2);
    for (const field of chunks) {
      await world.send('HSET', key, field, Buffer.from('garbage'));
    }
    expect(await takeBoth(0)).toEqual([300, 300]);
    expect(await world.expectReported('state', 'DAMAGED', () => takeBoth(1))).toEqual([299, 299]);
  });

  async function chunkOf(key: string): Promise<string> {
    const fields = ((await world.redis.command('HKEYS', key)) as unknown[]).map(String);
    return fields.find((field) => field.endsWith('#0')) ?? '';
  }
});
