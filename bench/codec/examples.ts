/**
 * Calls for the codec benchmark: a request and its response, as plain objects without default values.
 */
export interface Example {
  readonly name: string;
  readonly service: string;
  readonly method: string;
  readonly request: object;
  readonly response: object;
}

const decision = {
  allowed: true,
  limitName: 'per-minute',
  limit: 1_000,
  remaining: 812,
  windowMs: 60_000,
  granted: 1,
  resetAfterMs: 11_280,
  decidedBy: 1,
};
const limit = { name: 'per-minute', algorithm: 4, limit: 1_000, windowMs: 60_000 };
const sessionId = `${'A'.repeat(22)}.${'B'.repeat(22)}`;

export const EXAMPLES: readonly Example[] = [
  {
    name: 'CheckRateLimit by policy',
    service: 'pannier.v1.RateLimitService',
    method: 'CheckRateLimit',
    request: { policy: 'checkout', key: 'user-00000000', cost: 1 },
    response: decision,
  },
  {
    name: 'CheckRateLimit with a limit in the request',
    service: 'pannier.v1.RateLimitService',
    method: 'CheckRateLimit',
    request: { key: 'user-00000000', limits: [limit] },
    response: decision,
  },
  checks(10),
  checks(100),
  cacheHit('100 bytes', 100),
  cacheHit('1 KiB', 1_024),
  cacheHit('16 KiB', 16_384),
  {
    name: 'GetSession, two data fields',
    service: 'pannier.v1.SessionService',
    method: 'GetSession',
    request: { sessionId },
    response: {
      session: {
        sessionId,
        userId: 'user-1',
        data: { cart: Buffer.alloc(40, 1), language: Buffer.from('en') },
        version: 3,
        createdAtMs: 1_790_000_000_000,
        lastSeenAtMs: 1_790_000_000_000,
        expiresAtMs: 1_790_000_000_000,
        handle: 'h'.repeat(22),
      },
    },
  },
];

function checks(count: number): Example {
  return {
    name: `CheckRateLimits of ${count}`,
    service: 'pannier.v1.RateLimitService',
    method: 'CheckRateLimits',
    request: { checks: Array(count).fill({ policy: 'checkout', key: 'user-00000000' }) },
    response: { results: Array(count).fill({ response: decision }) },
  };
}

function cacheHit(size: string, valueBytes: number): Example {
  return {
    name: `CacheGet, a hit of ${size}`,
    service: 'pannier.v1.CacheService',
    method: 'CacheGet',
    request: { namespace: 'pages', key: Buffer.from('front/00000000') },
    response: {
      outcome: 1,
      value: Buffer.alloc(valueBytes, 1),
      source: 2,
      version: Buffer.alloc(16, 2),
      ttlMs: 58_000,
    },
  };
}
