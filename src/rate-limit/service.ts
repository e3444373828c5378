/**
 * Implements RateLimitService: validates requests, resolves their limits, calls the store and builds the responses.
 *
 * Invariants:
 *   1. A denial is a response with status OK. If the store fails, the failure mode decides (fail open or fail closed),
 *      and the response reports that the failure mode decided.
 *   2. The deadline for the store is earlier than the deadline of the caller, so that the failure mode can still decide
 *      in time.
 *   3. A call that names a policy with an error in the policy file fails with FAILED_PRECONDITION, and the text contains
 *      the error. The failure mode does not decide, because it is unknown.
 *   4. A request that sets an unimplemented option fails with UNIMPLEMENTED, and the error names the option.
 */
import { type FailureModeName, type PolicySource, policyProblem } from '../config/policy-file.ts';
import { type ErrorLog, errorStatus } from '../grpc/error-status.ts';
import type { CheckRateLimitRequestOutput } from '../grpc/generated/pannier/v1/CheckRateLimitRequest.ts';
import type { CheckRateLimitResponse } from '../grpc/generated/pannier/v1/CheckRateLimitResponse.ts';
import type { CheckRateLimitResult } from '../grpc/generated/pannier/v1/CheckRateLimitResult.ts';
import type { CheckRateLimitsRequestOutput } from '../grpc/generated/pannier/v1/CheckRateLimitsRequest.ts';
import type { CheckRateLimitsResponse } from '../grpc/generated/pannier/v1/CheckRateLimitsResponse.ts';
import type { ResetRateLimitRequestOutput } from '../grpc/generated/pannier/v1/ResetRateLimitRequest.ts';
import type { ResetRateLimitResponse } from '../grpc/generated/pannier/v1/ResetRateLimitResponse.ts';
import type { SettleRateLimitRequestOutput } from '../grpc/generated/pannier/v1/SettleRateLimitRequest.ts';
import type { SettleRateLimitResponse } from '../grpc/generated/pannier/v1/SettleRateLimitResponse.ts';
import type { CallContext, UnaryHandler } from '../grpc/method.ts';
import { checkBytes, checkCount } from '../grpc/request-checks.ts';
import type { Service } from '../grpc/service-table.ts';
import { invalidArgument, invalidPolicyFile, Status, StatusError, unimplemented } from '../grpc/status.ts';
import { storeDeadlineMs } from '../grpc/store-deadline.ts';
import type { Clock } from '../lib/clock.ts';
import { after } from '../lib/maybe-promise.ts';
import { StoredFormatError, StoreError } from '../lib/store-error.ts';
import type { DecisionOutcome, RateLimitMetrics } from './metrics.ts';
import { type CompiledLimits, compileLimits, compilePolicy } from './model.ts';
import {
  checkOptions,
  checkSubject,
  checkTarget,
  checkUnits,
  MAX_RESERVATION_ID_BYTES,
  quoted,
  readFailureMode,
  readLimitFields,
  readLimits,
} from './request.ts';
import { decidedAnswer, failureAnswer } from './response.ts';
import type { RateLimitStore, SubjectKey, TakeResult } from './store.ts';

export interface RateLimitServiceOptions {
  readonly store: RateLimitStore;
  readonly policies: PolicySource;
  readonly scope: string;
  /**
   * Whether the store hashes all subjects: those of every policy, whatever the policy sets, and those of inline limits,
   * for which no other setting exists.
   */
  readonly hashSubjects?: boolean;
  readonly clock: Clock;
  readonly metrics: RateLimitMetrics;
  /** Receives unexpected errors of single checks in CheckRateLimits, because these errors do not reach a transport. */
  readonly log: ErrorLog;
}

type RateLimitHandlers = {
  readonly CheckRateLimit: UnaryHandler<CheckRateLimitRequestOutput, CheckRateLimitResponse>;
  readonly CheckRateLimits: UnaryHandler<CheckRateLimitsRequestOutput, CheckRateLimitsResponse>;
  readonly SettleRateLimit: UnaryHandler<SettleRateLimitRequestOutput, SettleRateLimitResponse>;
  readonly ResetRateLimit: UnaryHandler<ResetRateLimitRequestOutput, ResetRateLimitResponse>;
};

export interface RateLimitService extends Service {
  readonly handlers: RateLimitHandlers;
}

const NAME = 'pannier.v1.RateLimitService';
const CHECK_MANY_PATH = `/${NAME}/CheckRateLimits`;
const MAX_CHECKS = 100;

interface Target {
  readonly key: SubjectKey;
  readonly limits: CompiledLimits;
  readonly onFailure: FailureModeName;
  /** Name of the policy; undefined for inline limits. */
  readonly policy: string | undefined;
}

export function createRateLimitService(options: RateLimitServiceOptions): RateLimitService {
  const { store, clock, metrics, hashSubjects = false } = options;

  function inlineKey(subject: string): SubjectKey {
    return { scope: options.scope, policy: '', subject, isHashed: hashSubjects };
  }

  function countDecision(policy: string | undefined, answer: CheckRateLimitResponse, outcome: DecisionOutcome): void {
    metrics.decision(policy, outcome);
    if (outcome === 'denied' && policy !== undefined) {
      metrics.denial(policy, answer.limitName ?? '');
    }
  }

  function findTarget(action: string, policyName: string, subject: string): Target {
    const file = options.policies.current();
    const policy = file.policies.get(policyName);
    if (policy === undefined) {
      const problem = policyProblem(file, policyName);
      if (problem !== undefined) {
        throw invalidPolicyFile(action, { part: `the policy ${quoted(policyName)}`, problem });
      }
      metrics.unknownPolicy();
      const text = `cannot ${action}: the policy file has no policy ${quoted(policyName)}; add it or use another name`;
      throw new StatusError(Status.NOT_FOUND, text);
    }
    return {
      key: {
        scope: policy.shared ? '' : options.scope,
        policy: policy.name,
        subject,
        isHashed: hashSubjects || policy.hashSubjects,
      },
      limits: compilePolicy(policy),
      onFailure: policy.onFailure,
      policy: policy.name,
    };
  }

  function readTarget(action: string, request: CheckRateLimitRequestOutput): Target {
    checkTarget(request.policy, request.limits);
    checkSubject(request.key);
    const onFailure = readFailureMode(action, request);
    const target: Target =
      request.policy === ''
        ? {
            key: inlineKey(request.key),
            limits: compileLimits(readLimits(action, request.limits)),
            onFailure: onFailure ?? 'allow',
            policy: undefined,
          }
        : findTarget(action, request.policy, request.key);
    if (request.maxDelayMs !== undefined && request.policy === '' && !hasLeakyBucket(target.limits)) {
      // The service rejects the option only for inline limits. A caller that names a policy need not know the policy's
      // algorithms, and an operator may change these algorithms.
      throw invalidArgument('max_delay_ms', {
        accepted: 'unset when no limit is a leaky bucket',
        got: String(request.maxDelayMs),
      });
    }
    return target;
  }

  function check(
    request: CheckRateLimitRequestOutput,
    context: CallContext,
  ): CheckRateLimitResponse | Promise<CheckRateLimitResponse> {
    const action = 'check rate limit';
    checkOptions(action, request);
    const target = readTarget(action, request);
    const cost = request.cost ?? 1;
    const isPeek = request.peek || cost === 0;
    const answered = { cost, isPeek, detail: request.detail };
    const deadlineAtMs = storeDeadlineMs(context, clock, action);

    function decided(result: TakeResult): CheckRateLimitResponse {
      const answer = decidedAnswer(target.limits, result, answered);
      if (isPeek) {
        metrics.peek(target.policy, 'store');
      } else {
        countDecision(target.policy, answer, result.allowed ? 'allowed' : 'denied');
      }
      return answer;
    }

    function failed(error: unknown): CheckRateLimitResponse {
      if (!(error instanceof StoreError) || error.kind === 'full' || error instanceof StoredFormatError) {
        throw error;
      }
      const answer = failureAnswer(target.limits, { mode: target.onFailure, nowMs: clock.nowMs() }, answered);
      if (isPeek) {
        metrics.peek(target.policy, 'failure_mode');
      } else {
        countDecision(target.policy, answer, answer.allowed === true ? 'failure_allowed' : 'failure_denied');
      }
      return answer;
    }

    const { key, limits } = target;
    const { maxDelayMs } = request;
    return after(store.take({ key, limits, cost, maxDelayMs, isPeek }, deadlineAtMs), decided, failed);
  }

  async function checkOne(
    request: CheckRateLimitRequestOutput,
    context: CallContext,
    log: ErrorLog,
  ): Promise<CheckRateLimitResult> {
    try {
      return { response: await check(request, context) };
    } catch (error) {
      const { code, message } = errorStatus(error, log, CHECK_MANY_PATH);
      return { error: { code, message } };
    }
  }

  async function checkMany(
    request: CheckRateLimitsRequestOutput,
    context: CallContext,
  ): Promise<CheckRateLimitsResponse> {
    checkCount('checks', request.checks.length, { min: 1, max: MAX_CHECKS });
    const log = firstLineOf(options.log);
    return { results: await Promise.all(request.checks.map((one) => checkOne(one, context, log))) };
  }

  function settle(request: SettleRateLimitRequestOutput): SettleRateLimitResponse {
    const action = 'settle rate limit';
    checkBytes('reservation_id', request.reservationId, { min: 1, max: MAX_RESERVATION_ID_BYTES });
    if (request.extendMs !== undefined) {
      throw unimplemented(action, 'extend_ms');
    }
    checkUnits('used', request.used);
    // This version never issues a reservation id, so every id is unknown.
    return { settled: false };
  }

  async function reset(request: ResetRateLimitRequestOutput, context: CallContext): Promise<ResetRateLimitResponse> {
    const action = 'reset rate limit';
    checkTarget(request.policy, request.limits);
    checkSubject(request.key);
    const deadlineAtMs = storeDeadlineMs(context, clock, action);
    if (request.policy !== '') {
      const { key } = findTarget(action, request.policy, request.key);
      return { existed: await store.reset(key, undefined, deadlineAtMs) };
    }
    const limits = readLimitFields(action, request.limits);
    return { existed: await store.reset(inlineKey(request.key), limits, deadlineAtMs) };
  }

  return {
    name: NAME,
    handlers: { CheckRateLimit: check, CheckRateLimits: checkMany, SettleRateLimit: settle, ResetRateLimit: reset },
    close: () => undefined,
  };
}

/** Logs only the first error of a call with several checks, because its checks usually fail for the same reason. */
function firstLineOf(log: ErrorLog): ErrorLog {
  let isWritten = false;
  return {
    error: (fields, text) => {
      if (!isWritten) {
        isWritten = true;
        log.error(fields, text);
      }
    },
  };
}

function hasLeakyBucket({ limits }: CompiledLimits): boolean {
  return limits.some(({ spec }) => spec.algorithm === 'leaky_bucket');
}
