/**
 * Calls of the transport benchmark as bytes: a call whose handler does nothing, and complete rate limit checks.
 */
import { join } from 'node:path';
import protoLoader from '@grpc/proto-loader';

export const EMPTY_PATH = '/bench.Bench/Empty';

/** Eight digits that a load generator replaces with the number of a subject. */
export const SUBJECT_PLACEHOLDER = '00000000';
export const SUBJECTS = 10_000;

/** Varint field of the response, and its expected value. */
interface Verdict {
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
  responseDeserialize(bytes: Buffer): object;
}

const definitions = protoLoader.loadSync(
  ['pannier/v1/rate_limit.proto', 'pannier/v1/session.proto', 'pannier/v1/cache.proto'],
  { includeDirs: [join(import.meta.dirname, '..', '..', 'proto')], enums: String },
);

function methodOf(service: string, name: string): MethodDefinition {
  const methods = definitions[`pannier.v1.${service}`] as unknown as Record<string, MethodDefinition>;
  const method = methods[name];
  if (method === undefined) {
    throw new Error(`cannot measure ${name}: the protos do not contain this method`);
  }
  return method;
}

export function encodeCall(service: string, name: string, request: object): CallBytes {
  const method = methodOf(service, name);
  return { path: method.path, request: method.requestSerialize(request) };
}

/** Decodes the response of a call. */
export function decodeCall(service: string, name: string, answer: Buffer): object {
  return methodOf(service, name).responseDeserialize(answer);
}

const KEY = `subject-${SUBJECT_PLACEHOLDER}`;
/** Limit that no subject reaches, so that the store allows every call. */
const LIMIT = 1_000_000;
const WINDOW_MS = 60_000;
const POLICY = 'bench';

/** Policy file that the sidecar needs for `checkRateLimit`. */
export const POLICY_FILE = `policies:
  ${POLICY}:
    limits:
      - { name: a, algorithm: token_bucket, limit: ${LIMIT}, per: ${WINDOW_MS}ms }
`;

/** Field `decided_by` of the response, which is 1 for the store. */
const BY_STORE: Verdict = { field: 11, value: 1 };

/** Check with a policy from the policy file, which is the usual case. */
export const checkRateLimit: CallBytes = {
  ...encodeCall('RateLimitService', 'CheckRateLimit', { policy: POLICY, key: KEY }),
  verdict: BY_STORE,
};

/** Check with a limit in the request, which the sidecar must also read, validate and compile. */
export const checkInlineLimit: CallBytes = {
  ...encodeCall('RateLimitService', 'CheckRateLimit', {
    key: KEY,
    limits: [{ name: 'a', algorithm: 'ALGORITHM_TOKEN_BUCKET', limit: LIMIT, windowMs: WINDOW_MS }],
  }),
  verdict: BY_STORE,
};

/** Call of the empty handler with the same request bytes as `checkRateLimit`. */
export const emptyCall: CallBytes = { path: EMPTY_PATH, request: checkRateLimit.request };

const ENTRY = { namespace: 'bench', key: Buffer.from(`key-${SUBJECT_PLACEHOLDER}`) };

export const cacheSet: CallBytes = encodeCall('CacheService', 'CacheSet', { ...ENTRY, value: Buffer.alloc(100, 1) });
export const cacheGet: CallBytes = encodeCall('CacheService', 'CacheGet', ENTRY);
