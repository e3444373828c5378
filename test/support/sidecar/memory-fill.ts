/**
 * `node --expose-gc test/support/sidecar/memory-fill.ts CASE`: fills a memory store as callers would. The program
 * prints a JSON object with the bytes that the store counts and the growth of the process memory. The growth includes
 * the V8 heap and the buffers outside the heap.
 *
 * Each case runs in a separate process, so that only the store grows between both measurements. The program decodes
 * strings from bytes and compiles limits for each call, as the gRPC services do. The measurement therefore includes the
 * parts of a request that remain reachable from the store.
 */
import { randomUUID } from 'node:crypto';
import { MemoryCacheStore } from '../../../src/cache/memory-store.ts';
import type { LimitSpec } from '../../../src/config/policy-file.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { BUCKET_COUNT } from '../../../src/lib/key-hash.ts';
import { LocalChannels, localChannelNames } from '../../../src/near/local-channels.ts';
import { MemoryRateLimitStore } from '../../../src/rate-limit/memory-store.ts';
import { compileLimits } from '../../../src/rate-limit/model.ts';
import { MemorySessionStore } from '../../../src/session/memory-store.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { setUpNear } from '../near/near-cache-harness.ts';

interface Store {
  readonly size: number;
  readonly bytes: number;
}

interface Fill {
  readonly store: Store;
  readonly entries: number;
  readonly add: (index: number) => void;
}

const HOUR_MS = 3_600_000;
const COLLECTIONS = 5;
const BETWEEN_COLLECTIONS_MS = 30;
const BOUNDS = { clock: systemClock, maxEntries: 10_000_000, maxBytes: 10_000_000_000 };

/** Returns one flat string, as the message decoder creates it. */
function decoded(text: string): string {
  return Buffer.from(text).toString();
}

function address(index: number): string {
  return decoded(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`);
}

function limitFill(
  specs: readonly Omit<LimitSpec, 'burst'>[],
  options: {
    subjectOf?: (index: number) => string;
    nameOf?: (index: number) => string;
    entries?: number;
    callsPerSubject?: number;
  } = {},
): Fill {
  const { subjectOf = address, nameOf = () => '', entries = 40_000, callsPerSubject = 1 } = options;
  const clock = new FakeClock();
  const store = new MemoryRateLimitStore({ ...BOUNDS, clock });
  const add = (index: number): void => {
    const subject = subjectOf(index);
    for (let call = 0; call < callsPerSubject; call += 1) {
      const limits = compileLimits(
        specs.map((spec) => ({ ...spec, name: decoded(spec.name + nameOf(index)), burst: spec.limit })),
      );
      store.take({ key: { scope: 'default', policy: '', subject }, limits, cost: 1, maxDelayMs: undefined });
      clock.advance(1);
    }
  };
  return { store, entries, add };
}

function sessionFill(options: {
  userOf?: (index: number) => string;
  data?: readonly [string, number][];
  labels?: readonly [string, string][];
}): Fill {
  const { userOf = () => '', data = [], labels = [] } = options;
  const store = new MemorySessionStore(BOUNDS);
  const add = (index: number): void => {
    store.create({
      credential: {
        handle: decoded(`handle-${index}`.padEnd(24, 'h')),
        verifier: decoded(`v-${index}`.padEnd(43, 'v')),
      },
      userId: decoded(userOf(index)),
      data: new Map(data.map(([name, bytes]) => [decoded(name), Buffer.alloc(bytes, 1)])),
      labels: new Map(labels.map(([name, value]) => [decoded(name), decoded(value)])),
      idleTtlMs: HOUR_MS,
      absoluteTtlMs: 2 * HOUR_MS,
    });
  };
  return { store, entries: 20_000, add };
}

function cacheFill(options: {
  valueBytes: number;
  entries?: number;
  keyOf?: (index: number) => Buffer;
  tagsOf?: (index: number) => readonly string[];
}): Fill {
  const {
    valueBytes,
    entries = 20_000,
    keyOf = (index) => Buffer.from(`product:${index}`),
    tagsOf = () => [],
  } = options;
  const store = new MemoryCacheStore({ ...BOUNDS, channels: new LocalChannels() });
  const add = (index: number): void => {
    const tags = tagsOf(index).map(decoded);
    const entry = { namespace: 'catalog', key: keyOf(index), value: Buffer.alloc(valueBytes, 1) };
    store.write({ ...entry, absent: false, ttlMs: HOUR_MS, tags, condition: { kind: 'none' } }, 0);
  };
  return { store, entries, add };
}

/**
 * Fills the near cache. The channels of all keys and tags are live before the first read, because the near cache stores
 * an entry only if the channels of the entry are live.
 */
function nearFill(options: { valueBytes: number; tagOf?: (index: number) => string }): Fill {
  const { valueBytes, tagOf } = options;
  const { near, hub, live } = setUpNear({ maxEntries: 1_000_000, maxBytes: 10_000_000_000 });
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket += 1) {
    for (const isTag of [false, true]) {
      hub.useForNear('n', bucket, isTag);
      live(isTag ? localChannelNames.cacheTagChannel('n', bucket) : localChannelNames.cacheChannel('n', bucket));
    }
  }
  const add = (index: number): void => {
    const tags = tagOf === undefined ? [] : [decoded(tagOf(index))];
    const value = { absent: false, value: Buffer.alloc(valueBytes, 1), version: Buffer.alloc(24, 1), tags };
    near.fill(near.begin('n', Buffer.from(`product:${index}`)), { ...value, ageMs: 0, ttlMs: HOUR_MS });
  };
  return { store: near, entries: 10_000, add };
}

const FIXED = { name: 'login', algorithm: 'fixed_window', limit: 5, windowMs: 900_000 } as const;
const BUCKET = { name: 'api', algorithm: 'token_bucket', limit: 100, windowMs: HOUR_MS } as const;
const COUNTER = { name: 'search', algorithm: 'sliding_window_counter', limit: 5, windowMs: HOUR_MS } as const;
const LOG = { name: 'log', algorithm: 'sliding_window_log', limit: 100, windowMs: HOUR_MS } as const;

const FILLS: Readonly<Record<string, () => Fill>> = {
  'limits: one, address': () => limitFill([FIXED]),
  'limits: one, sliding window counter': () => limitFill([COUNTER]),
  'limits: one, two-byte subject': () => limitFill([FIXED], { subjectOf: (index) => decoded(`клиент-${index}`) }),
  'limits: one, subject of 256 bytes': () =>
    limitFill([BUCKET], { subjectOf: (index) => address(index).padEnd(256, 'x') }),
  'limits: one, a name each': () => limitFill([FIXED], { nameOf: (index) => `route-${index}` }),
  'limits: three, uuid': () => limitFill([FIXED, BUCKET, COUNTER], { subjectOf: () => decoded(randomUUID()) }),
  'limits: log of 50': () => limitFill([LOG], { entries: 2_000, callsPerSubject: 50 }),
  'limits: log of 100': () => limitFill([LOG], { entries: 2_000, callsPerSubject: 100 }),
  'sessions: empty, no user': () => sessionFill({}),
  'sessions: a user each': () => sessionFill({ userOf: (index) => `user-${index}` }),
  'sessions: 100 a user': () => sessionFill({ userOf: (index) => `user-${index % 200}` }),
  'sessions: data and labels': () =>
    sessionFill({
      userOf: () => randomUUID(),
      data: [
        ['cart', 200],
        ['locale', 5],
      ],
      labels: [
        ['device', 'Firefox on Linux'],
        ['ip', '198.51.100.17'],
      ],
    }),
  'sessions: one field of 10,000 bytes': () => sessionFill({ data: [['cart', 10_000]] }),
  'cache: 10 bytes': () => cacheFill({ valueBytes: 10 }),
  'cache: 4,000 bytes': () => cacheFill({ valueBytes: 4_000 }),
  'cache: key of 1,024 bytes': () =>
    cacheFill({ valueBytes: 10, keyOf: (index) => Buffer.from(`product:${index}`.padEnd(1_024, 'k')) }),
  'cache: key of bytes above 127': () =>
    cacheFill({ valueBytes: 10, keyOf: (index) => Buffer.from(`продукт:${index}`) }),
  'near cache: 10 bytes': () => nearFill({ valueBytes: 10 }),
  'near cache: 4,000 bytes': () => nearFill({ valueBytes: 4_000 }),
  'near cache: a tag each': () => nearFill({ valueBytes: 100, tagOf: (index) => `tag-${index}` }),
  'cache: a tag each': () => cacheFill({ valueBytes: 10, tagsOf: (index) => [`tag-${index}`] }),
  'cache: three shared tags': () =>
    cacheFill({ valueBytes: 10, tagsOf: (index) => ['products', `brand-${index % 10}`, `shelf-${index % 100}`] }),
};

/**
 * Returns the smallest measured memory after several garbage collections, because another thread frees buffers with a
 * delay.
 */
async function heldBytes(): Promise<number> {
  let held = Number.POSITIVE_INFINITY;
  for (let round = 0; round < COLLECTIONS; round += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_COLLECTIONS_MS));
    const { heapUsed, external } = process.memoryUsage();
    held = Math.min(held, heapUsed + external);
  }
  return held;
}

const create = FILLS[process.argv[2] ?? ''];
if (create === undefined) {
  process.stdout.write(`${JSON.stringify(Object.keys(FILLS))}\n`);
} else {
  // Adds entries to another store first, so that the measurement does not include compiled code and inline caches.
  const warm = create();
  for (let index = 0; index < 1_000; index += 1) {
    warm.add(index);
  }
  const fill = create();
  const before = await heldBytes();
  for (let index = 0; index < fill.entries; index += 1) {
    fill.add(index);
  }
  const measuredBytes = (await heldBytes()) - before;
  const result = { entries: fill.store.size, countedBytes: fill.store.bytes, measuredBytes };
  process.stdout.write(`${JSON.stringify(result)}\n`);
  // This condition keeps both stores reachable until the end of the measurement.
  process.exitCode = warm.store.size + fill.store.size > 0 ? 0 : 1;
}
