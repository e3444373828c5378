/**
 * Implements SessionService: validates requests, issues session ids, calls the store and builds the responses.
 *
 * Invariants:
 *   1. A session id is returned only to the caller that presented it or for whom it was created. Neither an error nor a
 *      store contains a session id.
 *   2. A call whose session_id has 1 to 256 bytes and belongs to no live session fails with NOT_FOUND, whatever the
 *      form of the id.
 *   3. The deadline for the store is earlier than the deadline of the caller, so that the result or error of the store
 *      arrives in time. A call whose deadline has passed does not reach the store.
 *   4. If the store responds synchronously, the service also responds synchronously.
 */
import { randomBytes } from 'node:crypto';
import type { PolicySource, SessionSpec, UserLimit } from '../config/policy-file.ts';
import type { CreateSessionRequestOutput } from '../grpc/generated/pannier/v1/CreateSessionRequest.ts';
import type { CreateSessionResponse } from '../grpc/generated/pannier/v1/CreateSessionResponse.ts';
import type { DeleteSessionRequestOutput } from '../grpc/generated/pannier/v1/DeleteSessionRequest.ts';
import type { DeleteSessionResponse } from '../grpc/generated/pannier/v1/DeleteSessionResponse.ts';
import type { DeleteUserSessionsRequestOutput } from '../grpc/generated/pannier/v1/DeleteUserSessionsRequest.ts';
import type { DeleteUserSessionsResponse } from '../grpc/generated/pannier/v1/DeleteUserSessionsResponse.ts';
import type { GetSessionRequestOutput } from '../grpc/generated/pannier/v1/GetSessionRequest.ts';
import type { GetSessionResponse } from '../grpc/generated/pannier/v1/GetSessionResponse.ts';
import type { ListUserSessionsRequestOutput } from '../grpc/generated/pannier/v1/ListUserSessionsRequest.ts';
import type { ListUserSessionsResponse } from '../grpc/generated/pannier/v1/ListUserSessionsResponse.ts';
import type { RotateSessionRequestOutput } from '../grpc/generated/pannier/v1/RotateSessionRequest.ts';
import type { RotateSessionResponse } from '../grpc/generated/pannier/v1/RotateSessionResponse.ts';
import type { UpdateSessionRequestOutput } from '../grpc/generated/pannier/v1/UpdateSessionRequest.ts';
import type { UpdateSessionResponse } from '../grpc/generated/pannier/v1/UpdateSessionResponse.ts';
import type { CallContext, UnaryHandler } from '../grpc/method.ts';
import type { Service } from '../grpc/service-table.ts';
import { invalidArgument, invalidPolicyFile, unimplemented } from '../grpc/status.ts';
import { storeDeadlineMs } from '../grpc/store-deadline.ts';
import type { Clock } from '../lib/clock.ts';
import { after, type MaybePromise } from '../lib/maybe-promise.ts';
import type { SessionMetrics } from './metrics.ts';
import { isHandle, issueSessionId, parseSessionId, type RandomBytes } from './model.ts';
import {
  checkGrace,
  checkIfVersion,
  checkSessionId,
  checkTtls,
  checkUserId,
  readChange,
  readData,
  readLabels,
  readTtls,
} from './request.ts';
import {
  dataTooLarge,
  keptSessionNotFound,
  listedMessage,
  sessionMessage,
  sessionNotFound,
  userFull,
  versionConflict,
} from './response.ts';
import type { SessionStore } from './store.ts';

export interface SessionServiceOptions {
  store: SessionStore;
  policies: PolicySource;
  clock: Clock;
  /** Random source of session ids; cryptographic except in tests. */
  random?: RandomBytes;
  metrics: SessionMetrics;
}

export type SessionHandlers = {
  readonly CreateSession: UnaryHandler<CreateSessionRequestOutput, CreateSessionResponse>;
  readonly GetSession: UnaryHandler<GetSessionRequestOutput, GetSessionResponse>;
  readonly UpdateSession: UnaryHandler<UpdateSessionRequestOutput, UpdateSessionResponse>;
  readonly RotateSession: UnaryHandler<RotateSessionRequestOutput, RotateSessionResponse>;
  readonly DeleteSession: UnaryHandler<DeleteSessionRequestOutput, DeleteSessionResponse>;
  readonly ListUserSessions: UnaryHandler<ListUserSessionsRequestOutput, ListUserSessionsResponse>;
  readonly DeleteUserSessions: UnaryHandler<DeleteUserSessionsRequestOutput, DeleteUserSessionsResponse>;
};

export interface SessionService extends Service {
  readonly handlers: SessionHandlers;
}

export function createSessionService(options: SessionServiceOptions): SessionService {
  const { store, policies, clock, metrics } = options;
  const random = options.random ?? randomBytes;

  /** Returns the settings of sessions. Throws if they have an error, because defaults must not replace them. */
  function sessionSpec(action: string): SessionSpec {
    const { sessions, broken } = policies.current();
    if (broken?.sessions !== undefined) {
      throw invalidPolicyFile(action, { part: 'the section sessions', problem: broken.sessions });
    }
    return sessions;
  }

  function limitOption({ userLimit }: SessionSpec): { userLimit?: UserLimit } {
    return userLimit === undefined ? {} : { userLimit };
  }

  function countEvicted(evicted: number): void {
    if (evicted > 0) {
      metrics.evicted(evicted);
    }
  }

  function createSession(
    request: CreateSessionRequestOutput,
    context: CallContext,
  ): MaybePromise<CreateSessionResponse> {
    const action = 'create session';
    if (request.sessionId !== '') {
      throw unimplemented(action, 'session_id');
    }
    checkUserId(request.userId, { mayBeEmpty: true });
    const spec = sessionSpec(action);
    const ttls = readTtls(request, spec);
    const data = readData('data', request.data);
    const labels = readLabels(request.labels);
    const issued = issueSessionId(random);
    const limit = limitOption(spec);
    const created = { credential: issued.credential, userId: request.userId, data, labels, ...ttls, ...limit };
    return after(store.create(created, storeDeadlineMs(context, clock, action)), (answer) => {
      if (answer.outcome === 'exists') {
        // A working random source practically never produces the same handle twice, so the random source is broken. The
        // service must not issue ids from this source.
        throw new Error('cannot create session: its random handle is already in use');
      }
      if (answer.outcome === 'user_full') {
        metrics.loginRefused();
        throw userFull(action, limit.userLimit);
      }
      countEvicted(answer.evicted);
      return { session: sessionMessage(answer.session, issued.sessionId) };
    });
  }

  function getSession(request: GetSessionRequestOutput, context: CallContext): MaybePromise<GetSessionResponse> {
    const action = 'get session';
    checkSessionId('session_id', request.sessionId);
    const presented = parseSessionId(request.sessionId);
    if (presented === undefined) {
      throw sessionNotFound(action);
    }
    const deadlineAtMs = storeDeadlineMs(context, clock, action);
    return after(store.read(presented.credential, { touch: !request.peek }, deadlineAtMs), (session) => {
      if (session === undefined) {
        throw sessionNotFound(action);
      }
      return { session: sessionMessage(session, request.sessionId) };
    });
  }

  function updateSession(
    request: UpdateSessionRequestOutput,
    context: CallContext,
  ): MaybePromise<UpdateSessionResponse> {
    const action = 'update session';
    checkSessionId('session_id', request.sessionId);
    checkIfVersion(request.ifVersion);
    checkTtls(request);
    const { ifVersion, idleTtlMs, absoluteTtlMs } = request;
    const update = { change: readChange(request.set, request.remove), ifVersion, idleTtlMs, absoluteTtlMs };
    const presented = parseSessionId(request.sessionId);
    if (presented === undefined) {
      throw sessionNotFound(action);
    }
    return after(store.update(presented.credential, update, storeDeadlineMs(context, clock, action)), (answer) => {
      switch (answer.outcome) {
        case 'updated':
          return { version: answer.version, expiresAtMs: answer.expiresAtMs };
        case 'version_conflict':
          throw versionConflict(action, answer.version, ifVersion);
        case 'too_large':
          throw dataTooLarge(action, answer);
        case 'not_found':
          throw sessionNotFound(action);
      }
    });
  }

  function rotateSession(
    request: RotateSessionRequestOutput,
    context: CallContext,
  ): MaybePromise<RotateSessionResponse> {
    const action = 'rotate session';
    checkSessionId('session_id', request.sessionId);
    checkUserId(request.userId ?? '', { mayBeEmpty: true });
    checkGrace(request.graceMs);
    const change = readChange(request.set, request.remove);
    const presented = parseSessionId(request.sessionId);
    if (presented === undefined) {
      throw sessionNotFound(action);
    }
    const issued = issueSessionId(random, presented.selector);
    const { userId, graceMs = 0 } = request;
    // The limit applies only to a login, so that any other rotation does not need the settings.
    const limit = userId === undefined ? {} : limitOption(sessionSpec(action));
    const rotation = { verifier: issued.credential.verifier, userId, change, graceMs, ...limit };
    return after(store.rotate(presented.credential, rotation, storeDeadlineMs(context, clock, action)), (answer) => {
      switch (answer.outcome) {
        case 'rotated':
          countEvicted(answer.evicted);
          return { session: sessionMessage(answer.session, issued.sessionId) };
        case 'user_full':
          metrics.loginRefused();
          throw userFull(action, limit.userLimit);
        case 'grace_refused':
          throw invalidArgument('grace_ms', { accepted: '0 when user_id changes the user', got: String(graceMs) });
        case 'too_large':
          throw dataTooLarge(action, answer);
        case 'not_found':
          throw sessionNotFound(action);
      }
    });
  }

  function deleteSession(
    request: DeleteSessionRequestOutput,
    context: CallContext,
  ): MaybePromise<DeleteSessionResponse> {
    const action = 'delete session';
    const { sessionId, handle } = request;
    if ((sessionId === '') === (handle === '')) {
      throw sessionId === ''
        ? invalidArgument('handle', { accepted: 'set when session_id is unset', got: 'neither' })
        : invalidArgument('handle', { accepted: 'unset when session_id is set', got: 'both' });
    }
    const isByHandle = handle !== '';
    checkSessionId(isByHandle ? 'handle' : 'session_id', isByHandle ? handle : sessionId);
    const target = isByHandle ? targetOf(handle) : parseSessionId(sessionId)?.credential;
    if (target === undefined) {
      return { existed: false };
    }
    return after(store.delete(target, storeDeadlineMs(context, clock, action)), (existed) => ({ existed }));
  }

  function listUserSessions(
    request: ListUserSessionsRequestOutput,
    context: CallContext,
  ): MaybePromise<ListUserSessionsResponse> {
    const action = 'list user sessions';
    checkUserId(request.userId, { mayBeEmpty: false });
    return after(store.list(request.userId, storeDeadlineMs(context, clock, action)), (sessions) => ({
      sessions: sessions.map(listedMessage),
    }));
  }

  function deleteUserSessions(
    request: DeleteUserSessionsRequestOutput,
    context: CallContext,
  ): MaybePromise<DeleteUserSessionsResponse> {
    const action = 'delete user sessions';
    checkUserId(request.userId, { mayBeEmpty: false });
    const isWithout = request.exceptSessionId !== '';
    if (isWithout) {
      checkSessionId('except_session_id', request.exceptSessionId);
    }
    const except = isWithout ? parseSessionId(request.exceptSessionId)?.credential : undefined;
    if (isWithout && except === undefined) {
      throw keptSessionNotFound(action);
    }
    return after(store.endUserSessions(request.userId, except, storeDeadlineMs(context, clock, action)), (answer) => {
      if (answer.outcome === 'not_found') {
        throw keptSessionNotFound(action);
      }
      return { deleted: answer.deleted };
    });
  }

  return {
    name: 'pannier.v1.SessionService',
    handlers: {
      CreateSession: createSession,
      GetSession: getSession,
      UpdateSession: updateSession,
      RotateSession: rotateSession,
      DeleteSession: deleteSession,
      ListUserSessions: listUserSessions,
      DeleteUserSessions: deleteUserSessions,
    },
    close: () => undefined,
  };
}

function targetOf(handle: string): { handle: string; verifier: undefined } | undefined {
  return isHandle(handle) ? { handle, verifier: undefined } : undefined;
}
