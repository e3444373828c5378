/**
 * Validates the requests of RateLimitService. If a field is invalid, the functions throw an INVALID_ARGUMENT error. The
 * error names the field and the accepted values, and describes the received value.
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
const MAX_NAME_CHARACTERS = 64;

function nameOf(values: Readonly<Record<string, number>>, number: number): string | undefined {
  return Object.keys(values).find((name) => values[name] === number);
}

function namesOf(values: Readonly<Record<string, number>>, numbers: Iterable<number>): readonly string[] {
  return [...numbers].map((number) => nameOf(values, number) ?? String(number));
}

/** Returns the failure mode of a request with inline limits, or undefined if the request does not set one. */
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
      accepted: 'unset when policy is set',
      got: nameOf(FailureMode, number) ?? String(number),
    });
  }
  return mode;
}

export function checkSubject(key: string): void {
  checkBytes('key', key, { min: 1, max: MAX_SUBJECT_BYTES });
}

/** Requires exactly one of `policy` and `limits`. */
export function checkTarget(policy: string, limits: readonly LimitOutput[]): void {
  if (policy === '' && limits.length === 0) {
    throw invalidArgument('policy', { accepted: 'set when limits is unset', got: 'neither' });
  }
  if (policy !== '' && limits.length > 0) {
    throw invalidArgument('policy', { accepted: 'unset when limits is set', got: 'both' });
  }
}

/**
 * Quotes a policy or limit name for an error text and truncates it. Names are not secret, but callers choose them, so a
 * name can be long or contain any character.
 */
export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, MAX_QUOTED));
}

/** Numeric options of a check after `checkOptions` has validated them. */
export interface CheckOptions {
  readonly cost?: number;
  readonly maxDelayMs?: number;
}

/** Rejects the options that this version does not implement and validates the numeric options. */
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

/** Accepts integers from 0 to Number.MAX_SAFE_INTEGER. */
export function checkUnits(field: string, value: number | bigint | undefined): asserts value is number | undefined {
  checkInteger(field, value, { min: 0, max: Number.MAX_SAFE_INTEGER });
}

/** Validates the inline limits of a call, including that their names differ. */
export function readLimits(action: string, limits: readonly LimitOutput[]): LimitSpec[] {
  checkCount('limits', limits.length, { min: 0, max: MAX_LIMITS_PER_POLICY });
  const specs: LimitSpec[] = [];
  for (const [index, limit] of limits.entries()) {
    const path = `limits[${index}]`;
    const spec = readLimit(action, path, limit);
    if (specs.some((other) => other.name === spec.name)) {
      throw invalidArgument(`${path}.name`, {
        accepted: 'different from the names of the other limits',
        got: `${quoted(spec.name)} twice`,
      });
    }
    specs.push(spec);
  }
  return specs;
}

/**
 * Validates the limits of a reset. Only name, algorithm and window identify a limit, so the function ignores the other
 * fields.
 */
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

/** Validates the name and the algorithm of a limit, and returns the algorithm. */
function readIdentity(action: string, path: string, limit: LimitOutput): Algorithm {
  if (!NAME_PATTERN.test(limit.name)) {
    throw invalidArgument(`${path}.name`, {
      accepted: '1 to 64 characters of [A-Za-z0-9._-]',
      got: nameProblem(limit.name),
    });
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

/** Describes an invalid name without quoting it, because the name may contain anything, including a secret. */
function nameProblem(name: string): string {
  if (name === '') {
    return 'an empty name';
  }
  return name.length > MAX_NAME_CHARACTERS ? `${name.length} characters` : 'a name with other characters';
}

function readLimit(action: string, path: string, limit: LimitOutput): LimitSpec {
  const algorithm = readIdentity(action, path, limit);
  if (limit.holdMs !== 0) {
    throw invalidArgument(`${path}.hold_ms`, { accepted: `unset for ${algorithm.name}`, got: String(limit.holdMs) });
  }
  if (limit.burst !== undefined && !algorithm.isBucket) {
    throw invalidArgument(`${path}.burst`, { accepted: `unset for ${algorithm.name}`, got: String(limit.burst) });
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
