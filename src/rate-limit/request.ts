/**
 * Checks what callers ask of the rate limiter, and refuses it in words: which field, what it was, what is accepted.
 */
import {
  findLimitProblem,
  type LimitCandidate,
  type LimitSpec,
  MAX_LIMITS_PER_POLICY,
  NAME_PATTERN,
} from '../config/policy-file.ts';
import { Algorithm as AlgorithmNumber } from '../grpc/generated/pannier/v1/Algorithm.ts';
import type { CheckRateLimitRequestOutput } from '../grpc/generated/pannier/v1/CheckRateLimitRequest.ts';
import { FailureMode } from '../grpc/generated/pannier/v1/FailureMode.ts';
import type { LimitOutput } from '../grpc/generated/pannier/v1/Limit.ts';
import { checkBytes, checkCount, checkInteger, invalidEnum } from '../grpc/request-checks.ts';
import { invalidArgument, unimplemented } from '../grpc/status.ts';
import { ALGORITHMS, type Algorithm, algorithmNumbered } from './algorithms/algorithm.ts';
import { fieldOf, type LimitFields } from './model.ts';

const MAX_SUBJECT_BYTES = 512;
export const MAX_RESERVATION_ID_BYTES = 200;

const ALGORITHMS_SERVED = namesOf(
  AlgorithmNumber,
  ALGORITHMS.map(({ number }) => number),
);
const FAILURE_MODES: ReadonlyMap<number, 'allow' | 'deny'> = new Map([
  [FailureMode.FAILURE_MODE_ALLOW, 'allow'],
  [FailureMode.FAILURE_MODE_DENY, 'deny'],
]);
const FAILURE_MODES_SERVED = namesOf(FailureMode, FAILURE_MODES.keys());
const FIELD_NAMES = { name: 'name', limit: 'limit', windowMs: 'window_ms', burst: 'burst' } as const;
const MAX_QUOTED = 64;

function nameOf(values: Readonly<Record<string, number>>, number: number): string | undefined {
  return Object.keys(values).find((name) => values[name] === number);
}

function namesOf(values: Readonly<Record<string, number>>, numbers: Iterable<number>): readonly string[] {
  return [...numbers].map((number) => nameOf(values, number) ?? String(number));
}

/** What decides when the store cannot, as the request says; undefined: not said. */
export function readFailureMode(action: string, request: CheckRateLimitRequestOutput): 'allow' | 'deny' | undefined {
  const number: number = request.onFailure;
  if (number === FailureMode.FAILURE_MODE_UNSPECIFIED) {
    return undefined;
  }
  if (number === FailureMode.FAILURE_MODE_LOCAL) {
    throw unimplemented(action, 'on_failure FAILURE_MODE_LOCAL');
  }
  const mode = FAILURE_MODES.get(number);
  if (mode === undefined) {
    throw invalidEnum('on_failure', FAILURE_MODES_SERVED, number);
  }
  if (request.limits.length === 0) {
    throw invalidArgument('on_failure', {
      accepted: 'it with limits only, a policy has its own',
      got: 'set beside policy',
    });
  }
  return mode;
}

export function checkSubject(key: string): void {
  checkBytes('key', key, { min: 1, max: MAX_SUBJECT_BYTES });
}

/** Exactly one of policy and limits. */
export function checkTarget(policy: string, limits: readonly LimitOutput[]): void {
  if (policy === '' && limits.length === 0) {
    throw invalidArgument('policy', { accepted: 'exactly one of policy and limits', got: 'empty and limits is too' });
  }
  if (policy !== '' && limits.length > 0) {
    throw invalidArgument('policy', { accepted: 'exactly one of policy and limits', got: 'set and limits is too' });
  }
}

/** A policy name in an error text: not secret, but it came from outside. */
export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, MAX_QUOTED));
}

/** A request whose options are served and within their bounds. */
export interface CheckOptions {
  readonly cost?: number;
  readonly maxDelayMs?: number;
}

/** Options of the contract that this version does not serve; and bounds of the numbers that it does. */
export function checkOptions(
  action: string,
  request: CheckRateLimitRequestOutput,
): asserts request is CheckRateLimitRequestOutput & CheckOptions {
  const notServed: readonly [boolean, string][] = [
    [request.requestId !== '', 'request_id'],
    [request.partial, 'partial'],
    [request.reserve, 'reserve'],
    [request.reserveMs !== undefined, 'reserve_ms'],
  ];
  for (const [isSet, option] of notServed) {
    if (isSet) {
      throw unimplemented(action, option);
    }
  }
  checkUnits('cost', request.cost);
  checkUnits('max_delay_ms', request.maxDelayMs);
}

/** Zero or more, as far as numbers are exact. */
export function checkUnits(field: string, value: number | bigint | undefined): asserts value is number | undefined {
  checkInteger(field, value, { min: 0, max: Number.MAX_SAFE_INTEGER });
}

/** The limits of a call, checked one by one and against each other. */
export function readLimits(action: string, limits: readonly LimitOutput[]): LimitSpec[] {
  checkCount('limits', limits.length, { min: 0, max: MAX_LIMITS_PER_POLICY });
  const specs: LimitSpec[] = [];
  for (const [index, limit] of limits.entries()) {
    const path = `limits[${index}]`;
    const spec = readLimit(action, path, limit);
    if (specs.some((other) => other.name === spec.name)) {
      throw invalidArgument(`${path}.name`, {
        accepted: 'a name of its own for every limit',
        got: `${quoted(spec.name)} again`,
      });
    }
    specs.push(spec);
  }
  return specs;
}

/** The limits of a reset, by what identifies them: name, algorithm and window. Other fields are ignored. */
export function readLimitFields(action: string, limits: readonly LimitOutput[]): LimitFields {
  checkCount('limits', limits.length, { min: 0, max: MAX_LIMITS_PER_POLICY });
  const fields = limits.map((limit, index) => {
    const path = `limits[${index}]`;
    const algorithm = readIdentity(action, path, limit);
    const { name, windowMs } = limit;
    const spec: LimitCandidate = { name, algorithm: algorithm.name, limit: 1, windowMs, burst: 1 };
    checkLimit(path, spec);
    return { field: fieldOf(algorithm, spec) };
  });
  return { limits: fields };
}

/** Checks name and algorithm. */
function readIdentity(action: string, path: string, limit: LimitOutput): Algorithm {
  if (!NAME_PATTERN.test(limit.name)) {
    // The text of a name that is not one may be anything: only its length is told.
    const found = limit.name === '' ? 'empty' : `${limit.name.length} characters of other kinds`;
    throw invalidArgument(`${path}.name`, { accepted: '1 to 64 of [A-Za-z0-9._-]', got: found });
  }
  const algorithm = algorithmNumbered(limit.algorithm);
  if (algorithm !== undefined) {
    return algorithm;
  }
  const name = nameOf(AlgorithmNumber, limit.algorithm);
  if (name === undefined || limit.algorithm === AlgorithmNumber.ALGORITHM_UNSPECIFIED) {
    throw invalidEnum(`${path}.algorithm`, ALGORITHMS_SERVED, limit.algorithm);
  }
  throw unimplemented(action, `${path}.algorithm ${name}`, `use one of ${ALGORITHMS_SERVED.join(', ')}`);
}

function readLimit(action: string, path: string, limit: LimitOutput): LimitSpec {
  const algorithm = readIdentity(action, path, limit);
  if (limit.holdMs !== 0) {
    throw invalidArgument(`${path}.hold_ms`, {
      accepted: 'it unset: only concurrency limits have one',
      got: String(limit.holdMs),
    });
  }
  if (limit.burst !== undefined && !algorithm.isBucket) {
    const wanted = `it unset: ${algorithm.name} has no burst`;
    throw invalidArgument(`${path}.burst`, { accepted: wanted, got: String(limit.burst) });
  }
  const spec: LimitCandidate = {
    name: limit.name,
    algorithm: algorithm.name,
    limit: limit.limit,
    windowMs: limit.windowMs,
    burst: limit.burst ?? limit.limit,
  };
  checkLimit(path, spec);
  return spec;
}

function checkLimit(path: string, spec: LimitCandidate): asserts spec is LimitSpec {
  const problem = findLimitProblem(spec);
  if (problem !== undefined) {
    throw invalidArgument(`${path}.${FIELD_NAMES[problem.field]}`, { accepted: problem.accepted, got: problem.found });
  }
}
