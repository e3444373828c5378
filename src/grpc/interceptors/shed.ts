/**
 * Bounds the calls in flight: what comes on top is refused at once, certainly not executed, with a hint when to repeat it.
 *
 * Streams live for hours and are counted apart, so that watchers cannot use up what calls need. Stands inside the deadline
 * interceptor: a call that was answered for it, and whose handler still works, still counts.
 */

import { isPromise } from '../../lib/answer.ts';
import type { AnyMethod } from '../method.ts';
import type { Handle, Interceptor } from '../service-table.ts';
import { Status, StatusError } from '../status.ts';

const RETRY_PUSHBACK_MS = 100;

export interface ShedOptions {
  readonly callsInFlightMax: number;
  readonly streamsInFlightMax: number;
}

interface InFlight {
  count: number;
  readonly max: number;
  readonly what: string;
}

export function shedInterceptor(options: ShedOptions): Interceptor {
  const calls: InFlight = { count: 0, max: options.callsInFlightMax, what: 'calls' };
  const streams: InFlight = { count: 0, max: options.streamsInFlightMax, what: 'streams' };
  return (method: AnyMethod, next: Handle): Handle => {
    const inFlight = method.kind === 'unary' ? calls : streams;

    function release(): void {
      inFlight.count -= 1;
    }

    return (request, context, responses) => {
      if (inFlight.count >= inFlight.max) {
        throw overloaded(inFlight);
      }
      inFlight.count += 1;
      let answer: unknown;
      try {
        answer = next(request, context, responses);
      } catch (error) {
        release();
        throw error;
      }
      if (isPromise(answer)) {
        answer.then(release, release);
      } else {
        release();
      }
      return answer;
    };
  };
}

function overloaded(inFlight: InFlight): StatusError {
  const message = `Cannot serve the call: ${inFlight.count} ${inFlight.what} are in flight, wanted fewer than ${inFlight.max}`;
  return new StatusError(Status.UNAVAILABLE, message, { retryPushbackMs: RETRY_PUSHBACK_MS });
}
