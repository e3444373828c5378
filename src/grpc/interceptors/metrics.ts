/**
 * Counts calls: how many are under way, how they ended, how long they took.
 *
 * Promises: each call that starts is finished exactly once; label values are the methods of the table and the 17 codes,
 * so the number of series is fixed; handles are made once per method.
 */

import { isPromise } from '../../lib/answer.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorStatus } from '../error-status.ts';
import type { AnyMethod, CallContext } from '../method.ts';
import type { Handle, Interceptor } from '../service-table.ts';
import { Status, type StatusCode } from '../status.ts';

/** What counts the calls of one method. */
export interface MethodMetrics {
  started(): void;
  finished(code: StatusCode, durationMs: number): void;
}

/** Makes the handles of a method; `path` is `/package.Service/Method`. */
export interface CallMetrics {
  method(path: string, kind: AnyMethod['kind']): MethodMetrics;
}

export function metricsInterceptor(options: { clock: Clock; metrics: CallMetrics }): Interceptor {
  const { clock } = options;
  return (method: AnyMethod, next: Handle): Handle => {
    const counts = options.metrics.method(method.path, method.kind);

    function finish(startMs: number, context: CallContext, answered: StatusCode): void {
      const nowMs = clock.monotonicMs();
      counts.finished(codeSeen(context, nowMs, answered), nowMs - startMs);
    }

    return (request, context, responses) => {
      const startMs = clock.monotonicMs();
      counts.started();
      let answer: unknown;
      try {
        answer = next(request, context, responses);
      } catch (error) {
        finish(startMs, context, errorStatus(error).code);
        throw error;
      }
      if (!isPromise(answer)) {
        finish(startMs, context, Status.OK);
        return answer;
      }
      answer.then(
        () => finish(startMs, context, Status.OK),
        (error: unknown) => finish(startMs, context, errorStatus(error).code),
      );
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
