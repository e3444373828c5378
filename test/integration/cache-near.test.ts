/**
 * Near copies of three sidecars on one real Redis: what is changed through one of them is served by none, and what nobody could
 * hear of is not served beyond the second that a copy may live.
 */

import { type CacheSidecar, startCacheSidecar } from '../support/cache/redis.ts';
import { callContext, TestStream } from '../support/cache/requests.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

/** What a copy may live, and what this process may be late in asking: its own lag, measured beside. */
const LIFE_MS = 1_000;
/** Reads of one key in flight at the same time. */
const MAX_READS = 1_000;

let node: RedisNode;
let sidecars: CacheSidecar[];

beforeEach(async () => {
  node = await startRedis();
  sidecars = await Promise.all([1, 2, 3].map(() => startCacheSidecar(node.url)));
});

/** Copies that live a minute: where they end sooner, only messages can have ended them. */
async function withLongLife(): Promise<void> {
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

/** Resolves once no sidecar serves `old`. */
async function untilNobodyServes(key: string, old: string): Promise<void> {
  await waitFor('fresh answers', async () => {
    const answers = await Promise.all(sidecars.map((sidecar) => sidecar.get(key)));
    return answers.every(({ value }) => value !== old);
  });
}

test('a sidecar that reads one key again and again answers from its copy', async () => {
  await first().set('key', 'v1');
  await warmAll('key');
  for (const sidecar of sidecars) {
    expect(await sidecar.get('key')).toMatchObject({ value: 'v1', response: { source: 1, outcome: 1 } });
    expect(await sidecar.get('key', { fresh: true })).toMatchObject({ value: 'v1', response: { source: 2 } });
  }
});

test('a key that is read all the time, the next read sent before the last is answered, has its copy too', async () => {
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
    // One turn of the loop takes less than an answer of the server.
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
])('%s through one is heard by all, again and again, long before a copy ends by itself', async (_what, change) => {
  await withLongLife();
  for (let round = 0; round < 5; round += 1) {
    await first().set('key', 'v1', ['tag']);
    await warmAll('key');
    await change(sidecars[round % 3] as CacheSidecar);
    expect((await (sidecars[round % 3] as CacheSidecar).get('key')).value).not.toBe('v1');
    await untilNobodyServes('key', 'v1');
  }
});

test('writes and reads at once: when it is over, every sidecar serves what the store has', async () => {
  await withLongLife();
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
  await waitFor('one answer of all', async () => {
    const answers = await Promise.all(sidecars.map((sidecar) => sidecar.get('key')));
    return answers.every((answer) => answer.value === last);
  });
});

test('killed subscriber connections: copies go at once, and come back', async () => {
  await withLongLife();
  await first().set('key', 'v1');
  await warmAll('key');
  await node.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await waitFor('every sidecar having noticed', () => sidecars.every(({ flushes }) => flushes.includes('lost')));
  await warmAll('key');
  await (sidecars[1] as CacheSidecar).set('key', 'v2');
  await untilNobodyServes('key', 'v1');
});

test('subscribers killed over and over under writes: nothing old is served beyond the life of a copy', async () => {
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

test('a server that is frozen: a copy is served for its second and no longer, then the answer is UNAVAILABLE', async () => {
  await first().set('key', 'v1');
  await warmAll('key');
  await node.freeze();
  const frozenAtMs = performance.now();
  try {
    let lastServedMs = 0;
    await waitFor('answers from nowhere', async () => {
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
  await waitFor('service again', async () => (await first().get('key')).value === 'v1');
});

test('a watch on Redis: started, events in order, flush after a loss, confirmed while it is current', async () => {
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
  await waitFor('no subscriber left of it', async () => {
    const list = String(await node.command('PUBSUB', 'SHARDCHANNELS'));
    return list === '';
  });
});
