/**
 * Controls every call: admission, deadline and metrics.
 *
 * Invariants:
 *   1. A call whose deadline has passed ends with DEADLINE_EXCEEDED and does not start.
 *   2. A unary call that is still running shortly before its deadline (deadline.ts) ends with DEADLINE_EXCEEDED. If its
 *      handler returns a result later, the result is dropped. The transport ends streams at their deadline.
 *   3. A call that admission control (admission.ts) rejects is not executed. Its error has a retry pushback.
 *   4. Streams have a separate limit, because they stay open for hours and must not use up the limit of unary calls.
 *   5. A call is in flight until its handler has finished, even if the call has already ended with DEADLINE_EXCEEDED.
 *   6. The metrics count each started call as finished once, with the code that its caller received. The label values
 *      are the methods of the table and the 17 gRPC status codes, so the number of series is fixed.
 *   7. If a handler returns its result synchronously, this interceptor creates neither a promise nor an entry in the
 *      timer wheel.
 *
 * This is one interceptor instead of three, because each interceptor would add a promise to every call. With three
 * interceptors, their promises accounted for a quarter of the memory that a call allocated.
 */

import type { Clock } from '../../lib/clock.ts';
import { isPromise } from '../../lib/maybe-promise.ts';
import type { TimerWheel } from '../../lib/timer-wheel.ts';
import { answerByMs } from '../deadline.ts';
import { deadlineOverBeforeStart, deadlineOverInHandler } from '../deadline-errors.ts';
import { statusCodeOf } from '../error-status.ts';
import type { AnyMethod, CallContext } from '../method.ts';
import type { Handler, Interceptor } from '../service-table.ts';
import { Status, type StatusCode } from '../status.ts';
import { Admission, weigherOf } from './admission.ts';

/** Counters of a method. */
interface MethodMetrics {
  started(): void;
  finished(code: StatusCode, durationMs: number): void;
}

/** Creates the counters of a method; `path` is `/package.Service/Method`. */
interface CallMetrics {
  method(path: string, kind: AnyMethod['kind']): MethodMetrics;
}

export interface CallControlOptions {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly metrics: CallMetrics;
  readonly maxCallsInFlight: number;
  readonly maxStreamsInFlight: number;
}

export function callControlInterceptor(options: CallControlOptions): Interceptor {
  const { clock, wheel } = options;
  const calls = new Admission({ max: options.maxCallsInFlight, noun: 'calls' });
  const streams = new Admission({ max: options.maxStreamsInFlight, noun: 'streams' });

  return (method: AnyMethod, next: Handler): Handler => {
    const counts = options.metrics.method(method.path, method.kind);
    const isUnary = method.kind === 'unary';
    const admission = isUnary ? calls : streams;
    const weigh = isUnary ? weigherOf(method.path) : undefined;

    function finish(startMs: number, context: CallContext, answered: StatusCode): void {
      const nowMs = clock.monotonicMs();
      counts.finished(codeSeen(context, nowMs, answered), nowMs - startMs);
    }

    /** Ends a unary call before its deadline, even if its handler has not finished. */
    function answerInTime(
      answer: Promise<unknown>,
      startMs: number,
      context: CallContext,
      weight: number,
    ): Promise<unknown> {
      return new Promise((resolve, reject) => {
        let isAnswered = false;
        const entry = wheel.schedule(answerByMs(context.deadlineAtMs, startMs), () => {
          isAnswered = true;
          finish(startMs, context, Status.DEADLINE_EXCEEDED);
          reject(deadlineOverInHandler());
        });
        answer.then(
          (response) => {
            admission.leave(weight);
            if (!isAnswered) {
              wheel.cancel(entry);
              finish(startMs, context, Status.OK);
              resolve(response);
            }
          },
          (error: unknown) => {
            admission.leave(weight);
            if (!isAnswered) {
              wheel.cancel(entry);
              finish(startMs, context, statusCodeOf(error));
              reject(error);
            }
          },
        );
      });
    }

    function followStream(answer: Promise<unknown>, startMs: number, context: CallContext): void {
      answer.then(
        () => {
          admission.leave(1);
          finish(startMs, context, Status.OK);
        },
        (error: unknown) => {
          admission.leave(1);
          finish(startMs, context, statusCodeOf(error));
        },
      );
    }

    return (request, context, responses) => {
      const startMs = clock.monotonicMs();
      counts.started();
      let answer: unknown;
      let weight = 0;
      try {
        if (context.deadlineAtMs <= startMs) {
          throw deadlineOverBeforeStart();
        }
        const callWeight = weigh === undefined ? 1 : weigh(request);
        admission.enter(callWeight);
        weight = callWeight;
        answer = next(request, context, responses);
      } catch (error) {
        if (weight > 0) {
          admission.leave(weight);
        }
        finish(startMs, context, statusCodeOf(error));
        throw error;
      }
      if (!isPromise(answer)) {
        admission.leave(weight);
        finish(startMs, context, Status.OK);
        return answer;
      }
      if (isUnary) {
        return answerInTime(answer, startMs, context, weight);
      }
      followStream(answer, startMs, context);
      return answer;
    };
  };
}

/**
 * Returns the code that the caller received. A handler that finishes after the end of the call does not change this
 * code.
 */
function codeSeen(context: CallContext, nowMs: number, answered: StatusCode): StatusCode {
  if (context.isOver()) {
    return nowMs >= context.deadlineAtMs ? Status.DEADLINE_EXCEEDED : Status.CANCELLED;
  }
  return answered;
}
