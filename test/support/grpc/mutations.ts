/**
 * Generates malformed and unusual messages. The module mutates valid requests for every method with pseudorandom
 * numbers from a seed.
 */
import { loadContract, methodsOf } from '../../../src/grpc/contract.ts';

/** Source of pseudorandom numbers, which are the same for the same seed. */
export interface SeededRandom {
  /** Returns an integer from 0 to `bound` - 1. */
  below(bound: number): number;
  bytes(length: number): Buffer;
}

export function seededRandom(seed: number): SeededRandom {
  let state = BigInt(seed) + 1n;

  function below(bound: number): number {
    // Linear congruential generator with 64 bits and Knuth's multiplier. The upper half of the state is random enough
    // for tests.
    state = BigInt.asUintN(64, state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n);
    return Number(state >> 33n) % bound;
  }

  return { below, bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))) };
}

export interface GoodMessage {
  readonly path: string;
  readonly kind: 'unary' | 'server_stream' | 'bidi_stream';
  readonly bytes: Buffer;
}

const LIMITS = [{ name: 'minute', algorithm: 4, limit: 10, windowMs: 60_000, burst: 20 }];
const SESSION_ID = `${'A'.repeat(22)}.${'B'.repeat(22)}`;

const REQUESTS: Readonly<Record<string, object>> = {
  CheckRateLimit: { key: 'user-1', cost: 2, limits: LIMITS, detail: true, onFailure: 1 },
  CheckRateLimits: {
    checks: [
      { key: 'user-1', limits: LIMITS },
      { policy: 'none', key: 'x' },
    ],
  },
  SettleRateLimit: { reservationId: 'reservation', used: 3, extendMs: 1_000 },
  ResetRateLimit: { key: 'user-1', limits: LIMITS },
  CreateSession: {
    userId: 'user',
    data: { cart: Buffer.from('apples') },
    idleTtlMs: 60_000,
    labels: { device: 'phone' },
  },
  GetSession: { sessionId: SESSION_ID, peek: true },
  UpdateSession: { sessionId: SESSION_ID, set: { cart: Buffer.from('pears') }, remove: ['old'], ifVersion: 2 },
  RotateSession: { sessionId: SESSION_ID, userId: 'user', set: { cart: Buffer.from('figs') }, graceMs: 0 },
  DeleteSession: { sessionId: SESSION_ID },
  ListUserSessions: { userId: 'user' },
  DeleteUserSessions: { userId: 'user', exceptSessionId: SESSION_ID },
  CacheGet: { namespace: 'pages', key: Buffer.from('front'), leaseMs: 50, tags: ['news'] },
  CacheGetMany: { namespace: 'pages', keys: [Buffer.from('front'), Buffer.from('back')] },
  CacheSet: { namespace: 'pages', key: Buffer.from('front'), value: Buffer.from('html'), ttlMs: 5_000, tags: ['news'] },
  CacheInvalidate: { namespace: 'pages', keys: [Buffer.from('front')], tags: ['news'] },
  ConfirmInvalidations: { namespace: 'pages' },
  WatchInvalidations: { namespaces: ['pages'] },
  Check: { service: 'pannier.v1.CacheService' },
  Watch: { service: '' },
  ServerReflectionInfo: { host: 'localhost', fileContainingSymbol: 'pannier.v1.CacheService' },
};

/** Returns a valid request for every method of the contract. Throws if REQUESTS contains no request for a method. */
export function goodMessages(): GoodMessage[] {
  const contract = loadContract();
  const messages: GoodMessage[] = [];
  for (const [service, entry] of Object.entries(contract)) {
    if ('format' in entry) {
      continue;
    }
    for (const [name, method] of Object.entries(methodsOf(contract, service))) {
      const request = REQUESTS[name];
      if (request === undefined) {
        throw new Error(
          `cannot create a message of ${service}/${name}: there is no example; add one to ${import.meta.url}`,
        );
      }
      const streamKind = method.requestStream ? 'bidi_stream' : 'server_stream';
      const kind = method.responseStream ? streamKind : 'unary';
      messages.push({ path: method.path, kind, bytes: method.requestSerialize(request) });
    }
  }
  return messages;
}

/** Returns random bytes, or `good` with one to four mutations. */
export function mutate(good: Buffer, random: SeededRandom): Buffer {
  if (random.below(5) === 0) {
    return random.bytes(random.below(200));
  }
  let bytes: Buffer = Buffer.from(good);
  for (let rounds = 1 + random.below(4); rounds > 0; rounds -= 1) {
    bytes = mutateOnce(bytes, random);
  }
  return bytes;
}

function mutateOnce(bytes: Buffer, random: SeededRandom): Buffer {
  const at = random.below(bytes.length + 1);
  switch (random.below(7)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(8)), bytes.subarray(at)]);
    case 2:
      return Buffer.concat([bytes, bytes.subarray(at)]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(4))]);
    case 4:
      // Varint of ten bytes, which may be read as a huge length, a huge number or the tag of an unknown field.
      return Buffer.concat([bytes.subarray(0, at), Buffer.alloc(9, 0xff), Buffer.from([1]), bytes.subarray(at + 1)]);
    case 5:
      // Nested groups, which protobuf readers skip recursively.
      return Buffer.concat([bytes, Buffer.alloc(1 + random.below(2_000), 0x0b)]);
    default: {
      const changed = Buffer.from(bytes);
      if (at < changed.length) {
        changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
      }
      return changed;
    }
  }
}
