/**
 * Contract between SessionService and its stores. The files memory-store.ts and redis-store.ts implement this contract,
 * and one suite tests both stores (test/support/session/store-contract.ts).
 *
 * Invariants of every store:
 *   1. A session is live from `create` until its idle expiry, its absolute expiry, a `delete` of the session, or an
 *      `endUserSessions` of its user. No later write revives a session that has ended, and only `create` creates
 *      sessions.
 *   2. Each method takes effect completely or not at all, and only for the current verifier. There is one exception:
 *      until the grace period ends, `read` also accepts the verifier before the last rotation. Such a read does not
 *      renew the idle timeout.
 *   3. Of two rotations with the same verifier, exactly one takes effect.
 *   4. Timeouts and last-seen times use the store's clock.
 *   5. An expected failure is a StoreError. After `unavailable`, `deadline` and `full` the session is unchanged; after
 *      `unknown`, the session may have changed. `read` and `list` never throw `unknown`, because callers can safely
 *      repeat these methods.
 *   6. After a login (`create`, or `rotate` to another user) with a user limit, the user has at most as many live
 *      listed sessions as the limit allows. Ended sessions do not count. The store ends the sessions above the limit
 *      before it responds, oldest login first.
 *   7. A store may return a value instead of a promise if it does not have to wait.
 */
import type { UserLimit } from '../config/policy-file.ts';
import type { MaybePromise } from '../lib/maybe-promise.ts';
import type { DataChange, ListedSession, SessionCredential, SessionRecord } from './model.ts';

export interface NewSession {
  readonly credential: SessionCredential;
  /** User id; empty if the session has no user. */
  readonly userId: string;
  readonly data: ReadonlyMap<string, Buffer>;
  readonly idleTtlMs: number;
  readonly absoluteTtlMs: number;
  readonly labels: ReadonlyMap<string, string>;
  /** Limit of live sessions of the user; unset for no limit. */
  readonly userLimit?: UserLimit;
}

export interface SessionUpdate {
  readonly change: DataChange;
  /** Version that the session must have; undefined for any version. */
  readonly ifVersion: number | undefined;
  readonly idleTtlMs: number | undefined;
  /** New absolute timeout, counted from now (see updatedAbsoluteEnd); undefined to keep the absolute expiry. */
  readonly absoluteTtlMs: number | undefined;
}

export interface SessionRotation {
  /** Verifier of the new secret. The handle stays the same. */
  readonly verifier: string;
  /** New user of the session; empty for no user; undefined to keep the user. */
  readonly userId: string | undefined;
  readonly change: DataChange;
  /** Time for which `read` still accepts the old verifier. This time must be 0 if the user changes. */
  readonly graceMs: number;
  /** Limit of live sessions of a new user; unset for no limit. Stores ignore this limit if the user stays the same. */
  readonly userLimit?: UserLimit;
}

/** Effect of the user limit on a successful login. */
interface Admitted {
  /** Number of sessions that the store ended because of the limit. */
  readonly evicted: number;
}

/** The user has as many sessions as the limit allows, so the store refused the login. The store has changed nothing. */
interface UserFull {
  readonly outcome: 'user_full';
}

export type CreateOutcome =
  | ({ readonly outcome: 'created'; readonly session: SessionRecord } & Admitted)
  | UserFull
  /** The handle is already in use. */
  | { readonly outcome: 'exists' };

interface NotFound {
  readonly outcome: 'not_found';
}

/** The data of the session would exceed its maximum size. The store has changed nothing. */
interface TooLarge {
  readonly outcome: 'too_large';
  readonly fields: number;
  readonly bytes: number;
}

export type UpdateOutcome =
  | { readonly outcome: 'updated'; readonly version: number; readonly expiresAtMs: number }
  | { readonly outcome: 'version_conflict'; readonly version: number }
  | TooLarge
  | NotFound;

export type RotateOutcome =
  | ({ readonly outcome: 'rotated'; readonly session: SessionRecord } & Admitted)
  | UserFull
  /** The caller requested a grace period for a rotation to another user. */
  | { readonly outcome: 'grace_refused' }
  | TooLarge
  | NotFound;

export type EndUserSessionsOutcome =
  | { readonly outcome: 'ended'; readonly deleted: number }
  /** The session to keep is not a live session of this user. The store has ended no session. */
  | NotFound;

/** Store of sessions. `deadlineAtMs` is a Clock.monotonicMs() time, after which the caller cannot use the result. */
export interface SessionStore {
  create(session: NewSession, deadlineAtMs: number): MaybePromise<CreateOutcome>;

  /**
   * Returns the live session, or undefined if there is none. With `touch`, the read renews the idle timeout of the
   * session (see touchIntervalMs for its precision).
   */
  read(
    credential: SessionCredential,
    options: { readonly touch: boolean },
    deadlineAtMs: number,
  ): MaybePromise<SessionRecord | undefined>;

  update(credential: SessionCredential, update: SessionUpdate, deadlineAtMs: number): MaybePromise<UpdateOutcome>;

  rotate(credential: SessionCredential, rotation: SessionRotation, deadlineAtMs: number): MaybePromise<RotateOutcome>;

  /** Ends the session, whatever its verifier is if `verifier` is undefined. Returns whether the session was live. */
  delete(
    target: { readonly handle: string; readonly verifier: string | undefined },
    deadlineAtMs: number,
  ): MaybePromise<boolean>;

  /** Returns the live sessions in the user's list, newest first. */
  list(userId: string, deadlineAtMs: number): MaybePromise<readonly ListedSession[]>;

  /** Ends all sessions of the user, whether listed or not. The session `except` stays valid throughout. */
  endUserSessions(
    userId: string,
    except: SessionCredential | undefined,
    deadlineAtMs: number,
  ): MaybePromise<EndUserSessionsOutcome>;
}
