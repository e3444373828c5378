/**
 * Ends unary calls before their deadline does.
 *
 * Promises:
 *   1. A call whose deadline is over is answered DEADLINE_EXCEEDED and starts nothing.
 *   2. A call that is still waiting a little before its deadline (deadline.ts) is answered DEADLINE_EXCEEDED; what its
 *      handler brings later is dropped.
 *   3. One timer wheel carries all deadlines, and a synchronous answer costs no entry in it.
 * Streams are refused when they come too late; that they end at their deadline is the transport's part.
 */

import { isPromise } from '../../lib/answer.ts';
import type { Clock } from '../../lib/clock.ts';
import type { TimerWheel } from '../../lib/timer-wheel.ts';
import { answerByMs } from '../deadline.ts';
import type { AnyMethod } from '../method.ts';
import type { Handle, Interceptor } from '../service-table.ts';
import { Status, StatusError } from '../status.ts';

export function deadlineInterceptor(options: { clock: Clock; wheel: TimerWheel }): Interceptor {
  const { clock, wheel } = options;
  return (method: AnyMethod, next: Handle): Handle => {
    const isUnary = method.kind === 'unary';
    return (request, context, responses) => {
      const nowMs = clock.monotonicMs();
      if (context.deadlineAtMs <= nowMs) {
        throw new StatusError(
          Status.DEADLINE_EXCEEDED,
          'Cannot answer in time: the deadline was over before anything was done',
        );
      }
      const answer = next(request, context, responses);
      if (!isUnary || !isPromise(answer)) {
        return answer;
      }
      return answerInTime(answer, answerByMs(context.deadlineAtMs, nowMs), wheel);
    };
  };
}

function answerInTime(answer: Promise<unknown>, dueMs: number, wheel: TimerWheel): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const entry = wheel.schedule(dueMs, () => {
      reject(
        new StatusError(Status.DEADLINE_EXCEEDED, 'Cannot answer in time: the deadline runs out, it may have happened'),
      );
    });
    answer.then(
      (response) => {
        wheel.cancel(entry);
        resolve(response);
      },
      (error: unknown) => {
        wheel.cancel(entry);
        reject(error);
      },
    );
  });
}
