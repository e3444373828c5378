/**
 * The two calls that the transports are measured with, as bytes: one whose handler does nothing, and a whole decision.
 */
import { join } from 'node:path';
import protoLoader from '@grpc/proto-loader';

export const EMPTY_PATH = '/bench.Bench/Empty';

/** Eight digits that a load generator overwrites with the number of a subject. */
export const SUBJECT_PLACEHOLDER = '00000000';
export const SUBJECTS = 10_000;

/** A varint field of the answer and the value that it must have. */
export interface Verdict {
  readonly field: number;
  readonly value: number;
}

export interface CallBytes {
  readonly path: string;
  readonly request: Buffer;
  readonly verdict?: Verdict;
}

interface MethodDefinition {
  readonly path: string;
  requestSerialize(value: object): Buffer;
}

const definitions = protoLoader.loadSync(['pannier/v1/rate_limit.proto', 'pannier/v1/cache.proto'], {
  includeDirs: [join(import.meta.dirname, '..', '..', 'proto')],
});

function encode(service: string, name: string, request: object): CallBytes {
  const methods = definitions[`pannier.v1.${service}`] as unknown as Record<string, MethodDefinition>;
  const method = methods[name];
  if (method === undefined) {
    throw new Error(`Cannot bench ${name}: the contract does not have it`);
  }
  return { path: method.path, request: method.requestSerialize(request) };
}

/** Far below its limit, so that every answer is an admission that the store decided. */
const CHECK_REQUEST = {
  key: `subject-${SUBJECT_PLACEHOLDER}`,
  limits: [{ name: 'a', algorithm: 'ALGORITHM_TOKEN_BUCKET', limit: 1_000_000, windowMs: 60_000 }],
};
/** `decided_by` of the answer; 1 is the store. */
const BY_STORE: Verdict = { field: 11, value: 1 };

export const checkRateLimit: CallBytes = {
  ...encode('RateLimitService', 'CheckRateLimit', CHECK_REQUEST),
  verdict: BY_STORE,
};

/** As long as a small decision, so that the empty handler is handed as many bytes. */
export const emptyCall: CallBytes = { path: EMPTY_PATH, request: checkRateLimit.request };

const ENTRY = { namespace: 'bench', key: Buffer.from(`key-${SUBJECT_PLACEHOLDER}`) };

export const cacheSet: CallBytes = encode('CacheService', 'CacheSet', { ...ENTRY, value: Buffer.alloc(100, 1) });
export const cacheGet: CallBytes = encode('CacheService', 'CacheGet', ENTRY);
