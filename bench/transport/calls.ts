/**
 * The calls that the transports are measured with, as bytes: one whose handler does nothing, and whole decisions.
 */
import { join } from 'node:path';
import protoLoader from '@grpc/proto-loader';

export const EMPTY_PATH = '/bench.Bench/Empty';

/** Eight digits that a load generator overwrites with the number of a subject. */
export const SUBJECT_PLACEHOLDER = '00000000';
export const SUBJECTS = 10_000;

/** A varint field of the answer and the value that it must have. */
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
    throw new Error(`cannot bench ${name}: the contract does not have it`);
  }
  return method;
}

export function encodeCall(service: string, name: string, request: object): CallBytes {
  const method = methodOf(service, name);
  return { path: method.path, request: method.requestSerialize(request) };
}

/** The answer of a call as an object. */
export function decodeCall(service: string, name: string, answer: Buffer): object {
  return methodOf(service, name).responseDeserialize(answer);
}

const KEY = `subject-${SUBJECT_PLACEHOLDER}`;
/** Far above what a subject gets to use, so that every answer is an admission that the store decided. */
const LIMIT = 1_000_000;
const WINDOW_MS = 60_000;
const POLICY = 'bench';

/** What the policy file of the sidecar must say for `checkRateLimit`. */
export const POLICY_FILE = `policies:
  ${POLICY}:
    limits:
      - { name: a, algorithm: token_bucket, limit: ${LIMIT}, per: ${WINDOW_MS}ms }
`;

/** \`decided_by\` of the answer; 1 is the store. */
const BY_STORE: Verdict = { field: 11, value: 1 };

/** By a policy of the policy file, as a service does it. */
export const checkRateLimit: CallBytes = {
  ...encodeCall('RateLimitService', 'CheckRateLimit', { policy: POLICY, key: KEY }),
  verdict: BY_STORE,
};

/** The same decision by a limit that the caller brings along: there is more to read, to check and to compile in each call. */
export const checkInlineLimit: CallBytes = {
  ...encodeCall('RateLimitService', 'CheckRateLimit', {
    key: KEY,
    limits: [{ name: 'a', algorithm: 'ALGORITHM_TOKEN_BUCKET', limit: LIMIT, windowMs: WINDOW_MS }],
  }),
  verdict: BY_STORE,
};

/** The same bytes, so that the empty handler is handed as much. */
export const emptyCall: CallBytes = { path: EMPTY_PATH, request: checkRateLimit.request };

const ENTRY = { namespace: 'bench', key: Buffer.from(`key-${SUBJECT_PLACEHOLDER}`) };

export const cacheSet: CallBytes = encodeCall('CacheService', 'CacheSet', { ...ENTRY, value: Buffer.alloc(100, 1) });
export const cacheGet: CallBytes = encodeCall('CacheService', 'CacheGet', ENTRY);
