/**
 * Calls of the memory soak as bytes: batches of checks for subjects that never repeat, cache entries and sessions.
 *
 * Each kind of limit has one encoded batch. Each call copies this batch and overwrites the eight digits of the subjects in the copy, so that the load
 * needs less CPU than the sidecar.
 */
import { decodeCall, encodeCall, SUBJECT_PLACEHOLDER } from '../transport/calls.ts';

export const CHECKS_PER_BATCH = 100;
/** Value of `decided_by` for a check that the store decided. */
const BY_STORE = 'DECIDED_BY_STORE';

export interface Call {
  readonly path: string;
  readonly message: Buffer;
}

interface CheckResult {
  readonly response?: { readonly decidedBy?: string };
}

/** Kinds of limits. Some windows end within the interval of the sweeper, and others end later. Some subjects have long names and several limits. */
const KINDS: readonly { readonly prefix: string; readonly limits: readonly object[] }[] = [
  { prefix: '10.0.', limits: [limit('login', 'FIXED_WINDOW', 900_000)] },
  { prefix: '10.1.', limits: [limit('login', 'FIXED_WINDOW', 1)] },
  { prefix: 'user-', limits: [limit('api', 'TOKEN_BUCKET', 3_600_000)] },
  { prefix: 'user:', limits: [limit('second', 'SLIDING_WINDOW_COUNTER', 1_000)] },
  {
    prefix: '7b1c6ab0-95ec-4b63-9d0f-1cb2',
    limits: [
      limit('a', 'FIXED_WINDOW', 900_000),
      limit('b', 'TOKEN_BUCKET', 86_400_000),
      limit('c', 'SLIDING_WINDOW_LOG', 60_000),
    ],
  },
];

function limit(name: string, algorithm: string, windowMs: number): object {
  return { name, algorithm: `ALGORITHM_${algorithm}`, limit: 5, windowMs };
}

interface Template {
  readonly call: Call;
  /** Positions at which the digits of the subjects begin. */
  readonly offsets: readonly number[];
}

function createTemplate({ prefix, limits }: (typeof KINDS)[number]): Template {
  const check = { key: `${prefix}${SUBJECT_PLACEHOLDER}`, limits };
  const checks = Array.from({ length: CHECKS_PER_BATCH }, () => check);
  const { path, request } = encodeCall('RateLimitService', 'CheckRateLimits', { checks });
  const offsets: number[] = [];
  for (let at = request.indexOf(SUBJECT_PLACEHOLDER); at >= 0; at = request.indexOf(SUBJECT_PLACEHOLDER, at + 1)) {
    offsets.push(at);
  }
  return { call: { path, message: request }, offsets };
}

const TEMPLATES = KINDS.map(createTemplate);

/** Returns a batch of checks for consecutive subjects, beginning with `first`. Consecutive batches have different kinds of limits. */
export function checkBatch(first: number): Call {
  const { call, offsets } = TEMPLATES[(first / CHECKS_PER_BATCH) % TEMPLATES.length] as Template;
  const message = Buffer.from(call.message);
  for (const [index, offset] of offsets.entries()) {
    message.write(String(first + index).padStart(8, '0'), offset, 'latin1');
  }
  return { path: call.path, message };
}

/** Returns how many checks of a batch the store decided. */
export function decidedByStore(answer: Buffer): number {
  const { results = [] } = decodeCall('RateLimitService', 'CheckRateLimits', answer) as { results?: CheckResult[] };
  return results.filter((result) => result.response?.decidedBy === BY_STORE).length;
}

/** Returns a CacheSet call. The size of its value depends on `index`, and varies from 16 bytes to about 6 KB. */
export function cacheSet(index: number): Call {
  const value = Buffer.alloc(16 + ((index * 97) % 6_000), index % 256);
  const { path, request } = encodeCall('CacheService', 'CacheSet', {
    namespace: 'soak',
    key: Buffer.from(`product:${index}`),
    value,
    ttlMs: 3_600_000,
    tags: [`shelf-${index % 5_000}`],
  });
  return { path, message: request };
}

/** Returns a CreateSession call. Every second session has a distinct user. */
export function createSession(index: number): Call {
  const { path, request } = encodeCall('SessionService', 'CreateSession', {
    userId: index % 2 === 0 ? `user-${index}` : `user-${index % 1_000}`,
    data: { cart: Buffer.alloc((index * 31) % 1_000, 1), locale: Buffer.from('en') },
    labels: { device: 'Firefox on Linux' },
  });
  return { path, message: request };
}
