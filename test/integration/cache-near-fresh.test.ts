/**
 * Tests a fresh read while the near cache contains the maximum number of placeholders for reads in flight. After the
 * fresh read, the sidecar must not serve the entry that was in the near cache before this read.
 */
import { type CacheService, createCacheService } from '../../src/cache/service.ts';
import type { CacheStore, StoredValue } from '../../src/cache/store.ts';
import { DEFAULT_POLICY_FILE } from '../../src/config/policy-file.ts';
import { systemClock as clock } from '../../src/lib/clock.ts';
import { LocalChannels, localChannelNames } from '../../src/near/local-channels.ts';
import { noCacheMetrics } from '../support/cache/no-metrics.ts';
import { callContext, getRequest } from '../support/cache/requests.ts';

const READS_IN_FLIGHT = 40;
const KEYS_OF_A_READ = 256;
const KEY = Buffer.from('key');

let current: string;
let release: () => void;
let service: CacheService;

const MARK = { incarnation: 'incarnat', number: 1, stamp: 'stamp--1' };

function storedValue(text: string): StoredValue {
  return {
    mark: MARK,
    absent: false,
    value: Buffer.from(text),
    version: Buffer.of(1),
    tags: [],
    ageMs: 0,
    ttlMs: 60_000,
  };
}

beforeEach(() => {
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const unused = () => Promise.reject(new Error('cannot change an entry: this test only reads'));
  const store: CacheStore = {
    read: async () => storedValue(current),
    readMany: async (_, keys) => {
      await held;
      return keys.map(() => ({ outcome: 'miss' as const }));
    },
    write: unused,
    remove: unused,
    removeTags: unused,
    flush: unused,
  };
  const channels = new LocalChannels();
  service = createCacheService({
    maxValueBytes: 1_048_576,
    store,
    createSubscriber: (listener) => channels.createSubscriber(listener),
    channelNames: localChannelNames,
    near: { maxEntries: 100, maxBytes: 1_000_000, lifeMs: 60_000 },
    policies: {
      current: () => ({ ...DEFAULT_POLICY_FILE, cacheNamespaces: new Map([['n', { ttlMs: 60_000, near: true }]]) }),
    },
    clock,
    metrics: noCacheMetrics,
  });
});

afterEach(() => service.close());

async function get(fields: { fresh?: boolean } = {}): Promise<string> {
  return String((await service.handlers.CacheGet(getRequest({ key: KEY, ...fields }), callContext())).value);
}

test.each([
  ['CacheGet', () => get({ fresh: true })],
  [
    'CacheGetMany',
    async () => {
      const { results } = await service.handlers.CacheGetMany(
        { namespace: 'n', keys: [KEY], fresh: true },
        callContext(),
      );
      return String(results?.[0]?.value ?? '');
    },
  ],
])('%s with `fresh` drops the old near-cache entry, however many reads are in flight', async (what, readFresh) => {
  current = 'old';
  await get();
  current = 'unseen';
  expect(await get()).toBe('old');
  const reads = Array.from({ length: READS_IN_FLIGHT }, (_, read) =>
    service.handlers.CacheGetMany(
      {
        namespace: 'n',
        keys: Array.from({ length: KEYS_OF_A_READ }, (_ignored, index) => Buffer.from(`${read}-${index}`)),
        fresh: false,
      },
      callContext(),
    ),
  );
  current = 'new';
  const fresh = readFresh();
  if (what === 'CacheGetMany') {
    release();
  }
  await fresh;
  expect(await get()).toBe('new');
  release();
  await Promise.all(reads);
});
