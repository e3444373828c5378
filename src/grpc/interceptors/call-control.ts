/**
 * Controls every call: admission (admission.ts bounds how many are in flight), deadline and metrics.
 *
 * Promises:
 *   1. A call whose deadline is over is answered DEADLINE_EXCEEDED and starts nothing; so is a unary call that still waits a
 *      little before its deadline (deadline.ts), and what its handler brings later is dropped.
 *   2. A call that does not fit beside those in flight is refused at once, certainly not executed, with a hint when to repeat it. A call
 *      counts by its keys or checks. Streams live for hours and are counted apart, so that watchers cannot use up what calls need. A call
 *      that was answered for its deadline, and whose handler still works, still counts.
 *   3. Each call that starts is counted as finished once, with the code that its caller saw. Label values are the methods of
 *      the table and the 17 codes, so the number of series is fixed.
 *   4. A synchronous answer stays synchronous, and costs no promise and no entry in the timer wheel.
 * That streams end at their deadline is the transport's part.
 *
 * One interceptor and not three, since each would hang a promise of its own on every call: together they were a quarter of
 * what a call allocates.
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

/** What counts the calls of one method. */
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
  const calls = new Admission({ max: options.maxCallsInFlight, what: 'calls' });
  const streams = new Admission({ max: options.maxStreamsInFlight, what: 'streams' });

  return (method: AnyMethod, next: Handler): Handler => {
    const counts = options.metrics.method(method.path, method.kind);
    const isUnary = method.kind === 'unary';
    const admission = isUnary ? calls : streams;
    const weigh = isUnary ? weigherOf(method.path) : undefined;

    function finish(startMs: number, context: CallContext, answered: StatusCode): void {
      const nowMs = clock.monotonicMs();
      counts.finished(codeSeen(context, nowMs, answered), nowMs - startMs);
    }

    /** Answers a unary call by its deadline at the latest. */
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

/** What the caller saw: an answer to a call that is over reached nobody. */
function codeSeen(context: CallContext, nowMs: number, answered: StatusCode): StatusCode {
  if (context.isOver()) {
    return nowMs >= context.deadlineAtMs ? Status.DEADLINE_EXCEEDED : Status.CANCELLED;
  }
  return answered;
}
