/**
 * Calls SessionService without a transport, and completes the requests of the tests with default fields.
 */

import { DEFAULT_POLICY_FILE, type PolicyFile } from '../../../src/config/policy-file.ts';
import type { CallContext } from '../../../src/grpc/method.ts';
import { StatusError, statusName } from '../../../src/grpc/status.ts';
import type { SessionMetrics } from '../../../src/session/metrics.ts';
import { createSessionService, type SessionHandlers } from '../../../src/session/service.ts';
import type { SessionStore } from '../../../src/session/store.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { memorySessionStore } from './memory-store.ts';
import { noSessionMetrics } from './no-metrics.ts';

export type SessionMethod = keyof SessionHandlers;

const EMPTY: Record<SessionMethod, object> = {
  CreateSession: { userId: '', data: {}, labels: {}, sessionId: '' },
  GetSession: { sessionId: '', peek: false },
  UpdateSession: { sessionId: '', set: {}, remove: [] },
  RotateSession: { sessionId: '', set: {}, remove: [] },
  DeleteSession: { sessionId: '', handle: '' },
  ListUserSessions: { userId: '' },
  DeleteUserSessions: { userId: '', exceptSessionId: '' },
};

export interface SessionCalls {
  readonly clock: FakeClock;
  /** Calls the method and returns its response; requires a store that responds synchronously. */
  now<Method extends SessionMethod>(method: Method, fields: object, context?: CallContext): AnswerOf<Method>;
  /** Returns `CODE text` of the error with which the call fails. */
  errorOf(method: SessionMethod, fields: object, context?: CallContext): string;
}

type AnswerOf<Method extends SessionMethod> = Awaited<ReturnType<SessionHandlers[Method]>>;

export function sessionCalls(
  options: { store?: SessionStore; clock?: FakeClock; file?: PolicyFile; metrics?: SessionMetrics } = {},
): SessionCalls {
  const clock = options.clock ?? new FakeClock();
  const store = options.store ?? memorySessionStore({ clock });
  const { file = DEFAULT_POLICY_FILE, metrics = noSessionMetrics } = options;
  const service = createSessionService({ store, clock, policies: { current: () => file }, metrics });

  function now<Method extends SessionMethod>(method: Method, fields: object, context = contextUntil(clock, 1_000)) {
    const handle = service.handlers[method] as (request: object, context: CallContext) => AnswerOf<Method>;
    return handle({ ...EMPTY[method], ...fields }, context);
  }

  return {
    clock,
    now,
    errorOf: (method, fields, context) => {
      try {
        now(method, fields, context);
      } catch (error) {
        if (error instanceof StatusError) {
          return `${statusName(error.code)} ${error.message}`;
        }
        throw error;
      }
      return 'OK';
    },
  };
}

export function contextUntil(clock: FakeClock, remainingMs: number): CallContext {
  return {
    deadlineAtMs: clock.monotonicMs() + remainingMs,
    metadata: () => undefined,
    binaryMetadata: () => undefined,
    answerWith: () => undefined,
    isOver: () => false,
    onOver: () => undefined,
  };
}
