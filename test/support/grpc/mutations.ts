/**
 * Messages that no honest client sends: good ones of every method, and what a seed makes of them.
 */
import { loadContract, methodsOf } from '../../../src/grpc/contract.ts';

/** Numbers that look random and are the same for the same seed. */
export interface SeededRandom {
  /** 0 <= result < bound. */
  below(bound: number): number;
  bytes(length: number): Buffer;
}

export function seededRandom(seed: number): SeededRandom {
  let state = BigInt(seed) + 1n;

  function below(bound: number): number {
    // A linear congruence of 64 bits (multiplier by Knuth); its upper half is good enough here.
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
  CheckRateLimit: { key: 'somebody', cost: 2, limits: LIMITS, detail: true, onFailure: 1 },
  CheckRateLimits: {
    checks: [
      { key: 'somebody', limits: LIMITS },
      { policy: 'none', key: 'x' },
    ],
  },
  SettleRateLimit: { reservationId: 'reservation', used: 3, extendMs: 1_000 },
  ResetRateLimit: { key: 'somebody', limits: LIMITS },
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

/** One good message of every method of the contract. Throws when a method has none here. */
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
          `cannot make a message of ${service}/${name}: there is no example, wanted one in ${import.meta.url}`,
        );
      }
      const streamKind = method.requestStream ? 'bidi_stream' : 'server_stream';
      const kind = method.responseStream ? streamKind : 'unary';
      messages.push({ path: method.path, kind, bytes: method.requestSerialize(request) });
    }
  }
  return messages;
}

/** Another message: purely random, or `good` with something done to it once or a few times. */
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
      // A varint of ten bytes: a huge length, a huge number, or a tag beyond all fields.
      return Buffer.concat([bytes.subarray(0, at), Buffer.alloc(9, 0xff), Buffer.from([1]), bytes.subarray(at + 1)]);
    case 5:
      // Groups within groups, which protobuf readers skip by recursion.
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
