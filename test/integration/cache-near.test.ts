/**
 * Tests the near caches of three sidecars on one real Redis. After a change through one sidecar, all three sidecars
 * drop the old value. If the message about the change is lost, no sidecar serves the old value for longer than the
 * staleness bound.
 */
import { type CacheSidecar, startCacheSidecar } from '../support/cache/redis.ts';
import { callContext, TestStream } from '../support/cache/requests.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

/** Staleness bound of a near-cache entry. */
const LIFE_MS = 1_000;
/** Maximum number of concurrent reads of one key. */
const MAX_READS = 1_000;

let node: RedisNode;
let sidecars: CacheSidecar[];

beforeEach(async () => {
  node = await startRedis();
  sidecars = await Promise.all([1, 2, 3].map(() => startCacheSidecar(node.url)));
});

/**
 * Replaces the sidecars with sidecars whose staleness bound is one minute. If such a sidecar drops an entry within that
 * minute, it must have received a message from Redis.
 */
async function useLongStalenessBound(): Promise<void> {
  sidecars.push(...(await Promise.all([1, 2, 3].map(() => startCacheSidecar(node.url, { nearLifeMs: 60_000 })))));
  for (const sidecar of sidecars.splice(0, 3)) {
    sidecar.close();
  }
}

afterEach(async () => {
  for (const sidecar of sidecars) {
    sidecar.close();
  }
  await node.stop();
});

function first(): CacheSidecar {
  return sidecars[0] as CacheSidecar;
}

async function warmAll(key: string): Promise<void> {
  await Promise.all(sidecars.map((sidecar) => sidecar.warm(key)));
}

/** Waits until no sidecar serves `old`. */
async function untilNoneServes(key: string, old: string): Promise<void> {
  await waitFor('current values from every sidecar', async () => {
    const answers = await Promise.all(sidecars.map((sidecar) => sidecar.get(key)));
    return answers.every(({ value }) => value !== old);
  });
}

test('serves repeated reads of a key from the near cache', async () => {
  await first().set('key', 'v1');
  await warmAll('key');
  for (const sidecar of sidecars) {
    expect(await sidecar.get('key')).toMatchObject({ value: 'v1', response: { source: 1, outcome: 1 } });
    expect(await sidecar.get('key', { fresh: true })).toMatchObject({ value: 'v1', response: { source: 2 } });
  }
});

test('caches a busy key although the next read is always sent before the last one ends', async () => {
  await first().set('hot', 'v1');
  await first().warm('hot');
  await first().set('hot', 'v2');
  const untilMs = performance.now() + 20_000;
  const reads = new Set<Promise<void>>();
  let nearAnswers = 0;
  while (nearAnswers === 0 && performance.now() < untilMs) {
    if (reads.size < MAX_READS) {
      const read = first()
        .get('hot')
        .then(({ response }) => {
          nearAnswers += response.source === 1 ? 1 : 0;
          reads.delete(read);
        });
      reads.add(read);
    }
    // Waits for one turn of the event loop, which takes less time than a reply of the server.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(reads);
  expect(nearAnswers).toBeGreaterThan(0);
});

test.each([
  ['CacheSet', (sidecar: CacheSidecar) => sidecar.set('key', 'v2', ['tag'])],
  ['CacheInvalidate of the key', (sidecar: CacheSidecar) => sidecar.invalidate({ keys: [Buffer.from('key')] })],
  ['CacheInvalidate of a tag', (sidecar: CacheSidecar) => sidecar.invalidate({ tags: ['tag'] })],
  ['CacheInvalidate of all', (sidecar: CacheSidecar) => sidecar.invalidate({ all: true })],
])(
  '%s through one sidecar drops the near-cache entries of all, long before the staleness bound',
  async (_what, change) => {
    await useLongStalenessBound();
    for (let round = 0; round < 5; round += 1) {
      await first().set('key', 'v1', ['tag']);
      await warmAll('key');
      await change(sidecars[round % 3] as CacheSidecar);
      expect((await (sidecars[round % 3] as CacheSidecar).get('key')).value).not.toBe('v1');
      await untilNoneServes('key', 'v1');
    }
  },
);

test('every sidecar serves the stored value after concurrent writes and reads', async () => {
  await useLongStalenessBound();
  let round = 0;
  const stopAtMs = performance.now() + 1_500;
  await Promise.all([
    ...sidecars.map(async (sidecar) => {
      while (performance.now() < stopAtMs) {
        await sidecar.get('key');
        await new Promise((resolve) => setImmediate(resolve));
      }
    }),
    (async () => {
      while (performance.now() < stopAtMs) {
        round += 1;
        await (sidecars[round % 3] as CacheSidecar).set('key', `v${round}`);
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
    })(),
  ]);
  const last = (await first().get('key', { fresh: true })).value;
  expect(last).toBe(`v${round}`);
  await waitFor('the last value from every sidecar', async () => {
    const answers = await Promise.all(sidecars.map((sidecar) => sidecar.get('key')));
    return answers.every((answer) => answer.value === last);
  });
});

test('drops near-cache entries when subscriber connections are killed, and caches them again later', async () => {
  await useLongStalenessBound();
  await first().set('key', 'v1');
  await warmAll('key');
  await node.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await waitFor('a flush in every sidecar', () => sidecars.every(({ flushes }) => flushes.includes('lost')));
  await warmAll('key');
  await (sidecars[1] as CacheSidecar).set('key', 'v2');
  await untilNoneServes('key', 'v1');
});

test('serves no value beyond the staleness bound while subscribers are killed repeatedly under writes', async () => {
  const writtenAtMs = new Map<string, number>();
  let round = 0;
  let current = '';
  let worstMs = 0;
  let lagMs = 0;
  const stopAtMs = performance.now() + 3_000;
  const isGoing = () => performance.now() < stopAtMs;
  await Promise.all([
    (async () => {
      while (isGoing()) {
        round += 1;
        const value = `v${round}`;
        await (sidecars[round % 3] as CacheSidecar).set('key', value);
        current = value;
        writtenAtMs.set(value, performance.now());
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })(),
    (async () => {
      while (isGoing()) {
        await node.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
        await new Promise((resolve) => setTimeout(resolve, 70));
      }
    })(),
    (async () => {
      while (isGoing()) {
        const askedMs = performance.now();
        await new Promise((resolve) => setTimeout(resolve, 5));
        lagMs = Math.max(lagMs, performance.now() - askedMs - 5);
      }
    })(),
    ...sidecars.map(async (sidecar) => {
      while (isGoing()) {
        const atMs = performance.now();
        const expected = current;
        const { value } = await sidecar.get('key');
        const seen = Number(value.slice(1));
        const supersededAtMs = writtenAtMs.get(`v${seen + 1}`);
        if (value !== expected && supersededAtMs !== undefined && supersededAtMs < atMs) {
          worstMs = Math.max(worstMs, atMs - supersededAtMs);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    }),
  ]);
  expect(round).toBeGreaterThan(20);
  expect(worstMs).toBeLessThanOrEqual(LIFE_MS + lagMs);
});

test('serves a near-cache entry of a frozen server up to the staleness bound, then reports UNAVAILABLE', async () => {
  await first().set('key', 'v1');
  await warmAll('key');
  await node.freeze();
  const frozenAtMs = performance.now();
  try {
    let lastServedMs = 0;
    await waitFor('UNAVAILABLE from all sidecars', async () => {
      const atMs = performance.now();
      const answers = await Promise.all(sidecars.map((sidecar) => sidecar.get('key')));
      if (answers.some(({ response }) => response.source === 1)) {
        lastServedMs = atMs;
      }
      return answers.every(({ response }) => response.outcome === 5);
    });
    expect(lastServedMs - frozenAtMs).toBeLessThanOrEqual(LIFE_MS);
  } finally {
    await node.thaw();
  }
  await waitFor('the value from the thawed server', async () => (await first().get('key')).value === 'v1');
});

test('a watch on Redis reports its start, events in order and a flush after a loss, and confirms while it is current', async () => {
  const call = callContext({ leftMs: 60_000 });
  const stream = new TestStream(call);
  const ended = first().service.handlers.WatchInvalidations({ namespace: 'n' }, call, stream);
  await waitFor('the start', () => stream.watchId > 0);
  const confirm = async () =>
    Number(
      (await first().service.handlers.ConfirmInvalidations({ watchId: stream.watchId }, callContext())).validForMs,
    );
  await (sidecars[1] as CacheSidecar).set('a', 'v1', ['t']);
  await (sidecars[2] as CacheSidecar).invalidate({ keys: [Buffer.from('a')] });
  await (sidecars[1] as CacheSidecar).invalidate({ tags: ['t'] });
  expect(await confirm()).toBe(500);
  expect(stream.events).toEqual(['key a', 'key a', 'tag t']);
  await (sidecars[1] as CacheSidecar).invalidate({ all: true });
  expect(await confirm()).toBe(500);
  expect(stream.events.slice(3)).toContain('flush');
  const before = stream.events.length;
  await node.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await waitFor('a flush', () => stream.events.length > before);
  await waitFor('a current watch', async () => (await confirm()) === 500);
  expect(new Set(stream.events.slice(before))).toEqual(new Set(['flush']));
  call.end();
  await ended;
  await waitFor('the end of all subscriptions', async () => {
    const list = String(await node.command('PUBSUB', 'SHARDCHANNELS'));
    return list === '';
  });
});
