/**
 * The store of sessions: a contract in domain verbs. memory-store.ts and redis-store.ts keep it, and one suite
 * (test/support/session/store-contract.ts) says whether they do.
 *
 * Promises of every store:
 *   1. A session is live from `create` until its idle end, its absolute end, `delete`, or `endUserSessions` of its user.
 *      Nothing makes it live again, however late a write arrives; only `create` creates.
 *   2. Each verb takes effect in one step or not at all, and only for who presents the current verifier. The verifier before
 *      the last rotation may `read` until its grace ends, without keeping the session alive, and may do nothing else.
 *   3. Of two rotations from one verifier exactly one takes effect.
 *   4. Ends and touches go by the store's clock.
 *   5. A failure is a StoreError. Of `unavailable`, `deadline` and `full` the session is as it was; of `unknown` it may be
 *      either. `read` and `list` never say `unknown`: nobody can be harmed by their repetition.
 *   6. Where a login (`create` or `rotate` to another user) has a user limit, the user's sessions that are live and listed are never more
 *      than that after it. Ended sessions do not count, and what the limit ends has ended before the answer, the oldest login first.
 *   7. A store may answer with a value: a promise is only for what has to wait.
 */
import type { UserLimit } from '../config/policy-file.ts';
import type { MaybePromise } from '../lib/maybe-promise.ts';
import type { DataChange, ListedSession, SessionCredential, SessionRecord } from './model.ts';

export interface NewSession {
  readonly credential: SessionCredential;
  /** Empty: nobody's. */
  readonly userId: string;
  readonly data: ReadonlyMap<string, Buffer>;
  readonly idleTtlMs: number;
  readonly absoluteTtlMs: number;
  readonly labels: ReadonlyMap<string, string>;
  /** Unset: the user may have any number of sessions. */
  readonly userLimit?: UserLimit;
}

export interface SessionUpdate {
  readonly change: DataChange;
  /** Only if the session still has this version. */
  readonly ifVersion: number | undefined;
  readonly idleTtlMs: number | undefined;
  /** From now; see updatedAbsoluteEnd. */
  readonly absoluteTtlMs: number | undefined;
}

export interface SessionRotation {
  /** Of the new secret; the handle stays. */
  readonly verifier: string;
  /** Given: whose session it is from now on, empty = nobody's. */
  readonly userId: string | undefined;
  readonly change: DataChange;
  /** How long the old verifier may still read. Has no effect when the user changes. */
  readonly graceMs: number;
  /** Has an effect when the user changes to another one. Unset: the user may have any number of sessions. */
  readonly userLimit?: UserLimit;
}

/** What the user limit did before a login. */
interface Admitted {
  /** Sessions that it ended. */
  readonly evicted: number;
}

/** The user has as many sessions as the limit allows, and the limit refuses more; nothing was done. */
interface UserFull {
  readonly outcome: 'user_full';
}

export type CreateOutcome =
  | ({ readonly outcome: 'created'; readonly session: SessionRecord } & Admitted)
  | UserFull
  /** The handle is in use. */
  | { readonly outcome: 'exists' };

interface NotFound {
  readonly outcome: 'not_found';
}

/** The change would take the session's data over its bounds; nothing was changed. */
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
  /** Grace was asked for, and the user would change. */
  | { readonly outcome: 'grace_refused' }
  | TooLarge
  | NotFound;

export type EndUserSessionsOutcome =
  | { readonly outcome: 'ended'; readonly deleted: number }
  /** The session to be kept is not a live one of this user; nothing was ended. */
  | NotFound;

/** `deadlineAtMs` is Clock.monotonicMs(): no answer is of use after it. */
export interface SessionStore {
  create(session: NewSession, deadlineAtMs: number): MaybePromise<CreateOutcome>;

  /** The session, or undefined. With `touch` its idle time starts afresh (at the precision of touchIntervalMs). */
  read(
    credential: SessionCredential,
    options: { readonly touch: boolean },
    deadlineAtMs: number,
  ): MaybePromise<SessionRecord | undefined>;

  update(credential: SessionCredential, update: SessionUpdate, deadlineAtMs: number): MaybePromise<UpdateOutcome>;

  rotate(credential: SessionCredential, rotation: SessionRotation, deadlineAtMs: number): MaybePromise<RotateOutcome>;

  /** Whether a live session was there. Without a verifier: by who may end any session that it can name. */
  delete(
    target: { readonly handle: string; readonly verifier: string | undefined },
    deadlineAtMs: number,
  ): MaybePromise<boolean>;

  /** The user's live sessions of its list, newest first. */
  list(userId: string, deadlineAtMs: number): MaybePromise<readonly ListedSession[]>;

  /** Ends all sessions of the user, listed or not, but `except`, which is valid throughout. */
  endUserSessions(
    userId: string,
    except: SessionCredential | undefined,
    deadlineAtMs: number,
  ): MaybePromise<EndUserSessionsOutcome>;
}
