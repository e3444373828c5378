/**
 * Tests the responses of the service to failures of the store, near-cache hits and deadlines. The tests control when
 * the store responds, because the order of replies and messages matters.
 */
import { callContext, getRequest, invalidateRequest, setRequest } from '../../test/support/cache/requests.ts';
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { DEFAULT_POLICY_FILE, type PolicyFile } from '../config/policy-file.ts';
import type { CacheGetResponse } from '../grpc/generated/pannier/v1/CacheGetResponse.ts';
import { CacheSource } from '../grpc/generated/pannier/v1/CacheSource.ts';
import { Status } from '../grpc/status.ts';
import { bucketOf } from '../lib/key-hash.ts';
import { StoreError } from '../lib/store-error.ts';
import { localChannelNames } from '../near/local-channels.ts';
import type { SubscriberListener } from '../near/subscriber.ts';
import type { CacheMetrics } from './metrics.ts';
import { createCacheService } from './service.ts';
import type { CacheStore, StoredValue, WriteOutcome } from './store.ts';

const CHANNEL = localChannelNames.cacheChannel('n', bucketOf(Buffer.from('key')));
const POLICIES: PolicyFile = {
  ...DEFAULT_POLICY_FILE,
  cacheNamespaces: new Map([['n', { ttlMs: 5_000, near: true }]]),
};

interface Held<Value> {
  resolve(value: Value): void;
  reject(error: unknown): void;
}

function setUp(options: { maxAnswerBytes?: number } = {}) {
  const clock = new FakeClock();
  const reads: Held<StoredValue | undefined>[] = [];
  const writes: Held<WriteOutcome>[] = [];
  const counts = { reads: 0, writes: 0, readDeadlineAtMs: 0, ttlMs: 0 };
  const metrics: string[] = [];
  const policies = { file: POLICIES };
  let listener: SubscriberListener | undefined;
  let invalidation: () => Promise<number> = async () => 0;
  const store: CacheStore = {
    read: (_namespace, _key, deadlineAtMs) => {
      counts.reads += 1;
      counts.readDeadlineAtMs = deadlineAtMs;
      return new Promise((resolve, reject) => reads.push({ resolve, reject }));
    },
    readMany: (namespace, keys, options) =>
      Promise.all(
        keys.map(async (key) => {
          try {
            const entry = await store.read(namespace, key, options.deadlineAtMs);
            return entry === undefined ? { outcome: 'miss' } : { outcome: 'hit', entry };
          } catch {
            return { outcome: 'unavailable' };
          }
        }),
      ),
    write: (write) => {
      counts.writes += 1;
      counts.ttlMs = write.ttlMs;
      return new Promise((resolve, reject) => writes.push({ resolve, reject }));
    },
    remove: () => invalidation(),
    removeTags: async () => {},
    flush: async () => {},
  };
  const recorded: CacheMetrics = {
    nearHit: (label) => metrics.push(`near ${label}`),
    read: (outcome, source) => metrics.push(`${outcome} ${source}`),
    bucketFlushed: () => {},
  };
  const service = createCacheService({
    maxValueBytes: 1_048_576,
    store,
    createSubscriber: (given) => {
      listener = given;
      return { subscribe: () => {}, unsubscribe: () => {}, barrier: async () => true, close: () => {} };
    },
    channelNames: localChannelNames,
    near: { maxEntries: 100, maxBytes: 1_000_000 },
    policies: { current: () => policies.file },
    clock,
    metrics: recorded,
    ...options,
  });
  const get = (fields = {}, leftMs = 1_000) =>
    service.handlers.CacheGet(getRequest(fields), callContext({ clock, leftMs }));
  return {
    clock,
    service,
    reads,
    writes,
    counts,
    metrics,
    policies,
    get,
    live: () => listener?.onLive(CHANNEL),
    setInvalidation: (action: () => Promise<number>) => {
      invalidation = action;
    },
    /** Performs a read for which the store returns `text`. */
    read: async (text: string): Promise<CacheGetResponse> => {
      const answer = get();
      reads.at(-1)?.resolve(storedValue(text));
      return await answer;
    },
  };
}

function storedValue(text: string): StoredValue {
  const mark = { incarnation: 'incarnat', number: 1, stamp: 'stamp..1' };
  return { absent: false, value: Buffer.from(text), version: Buffer.of(1), tags: [], ageMs: 10, ttlMs: 3_000, mark };
}

/** Sets up a service with a live channel and one near-cache entry. */
async function setUpNear() {
  const t = setUp();
  const first = t.get();
  t.reads[0]?.resolve(undefined);
  await first;
  t.live();
  await t.read('v1');
  return t;
}

test('returns a near-cache hit synchronously, with its age, remaining TTL and source', async () => {
  const t = await setUpNear();
  t.clock.advance(300);
  const answer = t.get() as CacheGetResponse;
  expect(answer).toMatchObject({ outcome: 1, source: 1, ageMs: 310, ttlMs: 2_700, version: Buffer.of(1) });
  expect(String(answer.value)).toBe('v1');
  expect(t.counts.reads).toBe(2);
  expect(t.metrics.slice(-2)).toEqual(['near n', 'hit near']);
});

test('reads the store for a fresh read and replaces the near-cache entry by the result', async () => {
  const t = await setUpNear();
  const answer = t.get({ fresh: true });
  t.reads.at(-1)?.resolve(storedValue('v2'));
  expect(await answer).toMatchObject({ source: 2 });
  expect(String((t.get() as CacheGetResponse).value)).toBe('v2');
});

test('serves a near-cache entry for at most 1 s after its read was sent, even if no message arrives', async () => {
  const t = await setUpNear();
  t.clock.advance(999);
  expect(t.get()).not.toBeInstanceOf(Promise);
  t.clock.advance(1);
  expect(t.get()).toBeInstanceOf(Promise);
});

test.each([
  ['stored', (writes: Held<WriteOutcome>[]) => writes[0]?.resolve({ stored: true, version: Buffer.of(2) })],
  ['not stored', (writes: Held<WriteOutcome>[]) => writes[0]?.resolve({ stored: false })],
  ['unknown', (writes: Held<WriteOutcome>[]) => writes[0]?.reject(new StoreError('unknown', 'no answer'))],
])(
  'CacheSet that ends as %s drops the near-cache entry, and a read in flight does not restore it',
  async (_what, end) => {
    const t = await setUpNear();
    const inFlight = t.get({ fresh: true });
    const set = Promise.resolve(t.service.handlers.CacheSet(setRequest(), callContext({ clock: t.clock }))).catch(
      () => {},
    );
    end(t.writes);
    await set;
    t.reads.at(-1)?.resolve(storedValue('old'));
    await inFlight;
    expect(t.get()).toBeInstanceOf(Promise);
  },
);

test('CacheSet without a TTL uses that of its namespace', async () => {
  const t = setUp();
  void t.service.handlers.CacheSet(setRequest(), callContext({ clock: t.clock }));
  expect(t.counts.ttlMs).toBe(5_000);
  void t.service.handlers.CacheSet(setRequest({ namespace: 'unlisted' }), callContext({ clock: t.clock }));
  expect(t.counts.ttlMs).toBe(DEFAULT_POLICY_FILE.cacheDefault.ttlMs);
  void t.service.handlers.CacheSet(setRequest({ ttlMs: 77 }), callContext({ clock: t.clock }));
  expect(t.counts.ttlMs).toBe(77);
});

test.each([{ keys: [Buffer.from('key')] }, { all: true }])(
  'CacheInvalidate of %j drops the near-cache entry',
  async (fields) => {
    const t = await setUpNear();
    await t.service.handlers.CacheInvalidate(invalidateRequest(fields), callContext({ clock: t.clock }));
    expect(t.get()).toBeInstanceOf(Promise);
  },
);

test('CacheInvalidate with an unknown outcome ends with UNAVAILABLE and still drops the near-cache entry', async () => {
  const t = await setUpNear();
  t.setInvalidation(() => Promise.reject(new StoreError('unknown', 'no answer')));
  const request = invalidateRequest({ keys: [Buffer.from('key')], tags: ['t'] });
  const call = Promise.resolve(t.service.handlers.CacheInvalidate(request, callContext({ clock: t.clock })));
  await expect(call).rejects.toMatchObject({
    code: Status.UNAVAILABLE,
    message: 'cannot invalidate all entries: the store did not answer every step; retry the whole call',
  });
  expect(t.get()).toBeInstanceOf(Promise);
});

test.each(['unavailable', 'unknown', 'forbidden', 'deadline', 'full'] as const)(
  'reports UNAVAILABLE for each key whose read ends with the store error "%s"',
  async (kind) => {
    const t = setUp();
    const one = t.get();
    t.reads[0]?.reject(new StoreError(kind, 'for the test'));
    expect(await one).toMatchObject({ outcome: 5, value: Buffer.alloc(0), lease: '' });
    const many = t.service.handlers.CacheGetMany(
      { namespace: 'n', keys: [Buffer.from('a'), Buffer.from('b'), Buffer.from('a')], fresh: false },
      callContext({ clock: t.clock }),
    );
    t.reads[1]?.reject(new StoreError(kind, 'for the test'));
    t.reads[2]?.resolve(storedValue('v'));
    expect((await many).results?.map((result) => result.outcome)).toEqual([5, 1, 5]);
  },
);

test('rejects the call for an error that is not a StoreError', async () => {
  const t = setUp();
  const answer = t.get();
  t.reads[0]?.reject(new TypeError('unexpected'));
  await expect(answer).rejects.toThrow(TypeError);
});

test('rejects CacheSet with the error of the store', async () => {
  const t = setUp();
  const set = t.service.handlers.CacheSet(setRequest(), callContext({ clock: t.clock }));
  t.writes[0]?.reject(new StoreError('unknown', 'no answer'));
  await expect(set).rejects.toMatchObject({ kind: 'unknown' });
});

test('limits store commands to a time before the deadline, and sends none after it', async () => {
  const t = setUp();
  void t.get({}, 1_000);
  expect(t.counts.readDeadlineAtMs).toBe(960);
  void t.get({}, 50);
  expect(t.counts.readDeadlineAtMs).toBe(30);
  const before = { ...t.counts };
  const late = () => callContext({ clock: t.clock, leftMs: 0 });
  expect(() => t.get({}, 0)).toThrow(expect.objectContaining({ code: Status.DEADLINE_EXCEEDED }));
  expect(() => t.service.handlers.CacheSet(setRequest(), late())).toThrow(
    expect.objectContaining({ code: Status.DEADLINE_EXCEEDED }),
  );
  await expect(t.service.handlers.CacheInvalidate(invalidateRequest({ all: true }), late())).rejects.toMatchObject({
    code: Status.DEADLINE_EXCEEDED,
  });
  expect(t.counts).toEqual(before);
});

test('drops a near-cache entry that is written while a reload has turned the near cache off', async () => {
  const t = await setUpNear();
  t.policies.file = DEFAULT_POLICY_FILE;
  const written = t.service.handlers.CacheSet(setRequest(), callContext({ clock: t.clock }));
  t.writes[0]?.resolve({ stored: true, version: Buffer.of(2) });
  await written;
  t.policies.file = POLICIES;
  const before = t.counts.reads;
  expect((await t.read('v2')).value).toEqual(Buffer.from('v2'));
  expect(t.counts.reads).toBe(before + 1);
  expect((await t.get()).source).toBe(CacheSource.CACHE_SOURCE_NEAR);
});

test('reads a namespace without near cache from the store each time, and counts no near-cache hit', async () => {
  const t = setUp();
  for (let index = 0; index < 3; index += 1) {
    const answer = t.get({ namespace: `other-${index}` });
    t.reads.at(-1)?.resolve(storedValue('v'));
    await answer;
  }
  expect(t.counts.reads).toBe(3);
  expect(new Set(t.metrics)).toEqual(new Set(['hit store']));
});

test('CacheGetMany combines the near cache and the store in the order of the keys', async () => {
  const t = await setUpNear();
  const keys = ['none', 'key', 'far', 'key'].map((key) => Buffer.from(key));
  const many = t.service.handlers.CacheGetMany({ namespace: 'n', keys, fresh: false }, callContext({ clock: t.clock }));
  t.reads.at(-2)?.resolve(undefined);
  t.reads.at(-1)?.resolve(storedValue('far'));
  const results = (await many).results ?? [];
  expect(results.map((result) => [result.outcome, result.source, String(result.value)])).toEqual([
    [2, 2, ''],
    [1, 1, 'v1'],
    [1, 2, 'far'],
    [1, 1, 'v1'],
  ]);
});

test('CacheGetMany counts an absent entry and its tags for each repetition of a key', async () => {
  const t = setUp({ maxAnswerBytes: 20_000 });
  const keys = Array.from({ length: 256 }, () => Buffer.from('key'));
  const many = t.service.handlers.CacheGetMany({ namespace: 'n', keys, fresh: false }, callContext({ clock: t.clock }));
  const tags = Array.from({ length: 16 }, (_, index) => String(index).padStart(128, 't'));
  t.reads[0]?.resolve({ ...storedValue(''), absent: true, tags });
  const results = (await many).results ?? [];
  const tagBytes = results.flatMap((result) => result.tags ?? []).reduce((sum, tag) => sum + tag.length, 0);
  expect(tagBytes).toBeLessThanOrEqual(20_000);
  expect(results.map((result) => result.outcome).slice(0, 4)).toEqual([4, 4, 4, 6]);
  expect(results).toHaveLength(256);
});

test('a namespace with an error in the policy file uses neither a default lifetime nor the near cache', async () => {
  const t = await setUpNear();
  const broken = {
    policies: new Map(),
    otherPolicies: undefined,
    cacheNamespaces: new Map([['n', 'policies.yaml:1:1: the error']]),
    cacheDefault: undefined,
    sessions: undefined,
  };
  const near = { ttlMs: 1_000, near: true };
  t.policies.file = { ...DEFAULT_POLICY_FILE, cacheDefault: near, broken };
  expect(() => t.service.handlers.CacheSet(setRequest(), callContext({ clock: t.clock }))).toThrow(
    expect.objectContaining({
      code: Status.FAILED_PRECONDITION,
      message:
        'cannot set a cached value: the cache namespace "n" cannot be used: policies.yaml:1:1: the error; correct the policy file',
    }),
  );
  void t.service.handlers.CacheSet(setRequest({ ttlMs: 7_000 }), callContext({ clock: t.clock }));
  expect([t.counts.writes, t.counts.ttlMs]).toEqual([1, 7_000]);
  for (const text of ['v2', 'v3']) {
    expect((await t.read(text)).value).toEqual(Buffer.from(text));
  }
});
