/**
 * Verifies that the server of one connection is still the master before callers receive replies to reads. Only
 * standalone servers need this check. A Cluster replica rejects every command with a key, but a standalone replica
 * answers reads with stale data.
 *
 *   1. A read is sent only if the last role query was sent at most 500 ms earlier. Otherwise a role query is sent
 *      first. The reply to the query arrives before the reply to the read, so the sidecar detects a demoted server
 *      before the reply to the read arrives.
 *   2. A reply to a read is delivered only if the last role query that a master answered is at most 900 ms old. A reply
 *      that arrives later (long command timeout, slow link) is held until another query is answered.
 *   3. An idle connection sends no role queries. The role that the server reported during the connection setup is
 *      treated as the reply to a query.
 *   4. The role query is ROLE, or INFO replication if ROLE is not permitted or not known. A server that answers neither
 *      command is assumed to be a master.
 */
import type { OpenClient } from './client.ts';
import { isRefusedForGood, ROLE_QUESTIONS, type RoleQuestion, type ServerRole } from './role.ts';

const ASKED_MS = 500;
/**
 * Maximum age of a verified role. According to the documentation, a read result is at most one second old, so 100 ms
 * remain for its delivery to the caller.
 */
const MAX_AGE_MS = 900;

export interface RoleVouchOptions {
  /** Returns whether a replica would answer reads, as a standalone replica does. */
  readonly isNeeded: () => boolean;
  readonly onReplica: () => void;
}

type Client = Pick<OpenClient, 'send' | 'vouchedAtMs'>;

export class RoleVouch {
  readonly #isNeeded: () => boolean;
  readonly #onReplica: () => void;
  #client: Client | undefined;
  /** Index of the current query in ROLE_QUESTIONS. */
  #question = 0;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #unanswered = 0;
  /** Monotonic send time of the last query that a master answered. */
  #vouchedAtMs = Number.NEGATIVE_INFINITY;
  #held: ((isVouched: boolean) => void)[] = [];

  constructor(options: RoleVouchOptions) {
    this.#isNeeded = options.isNeeded;
    this.#onReplica = options.onReplica;
  }

  /** Switches to a new connection and discards the state of the previous one. */
  attach(client: Client): void {
    this.#client = client;
    this.#question = 0;
    this.#askedAtMs = client.vouchedAtMs;
    this.#unanswered = 0;
    this.#vouchedAtMs = client.vouchedAtMs;
    this.#held = [];
  }

  /** Sends a role query before a read if the last role query is too old. */
  precede(nowMs: number): void {
    if (nowMs - this.#askedAtMs >= ASKED_MS && this.#isNeeded()) {
      this.#ask(nowMs);
    }
  }

  /** Returns whether a reply to a read may be delivered now. If not, the caller must pass the reply to `hold`. */
  covers(nowMs: number): boolean {
    return nowMs - this.#vouchedAtMs <= MAX_AGE_MS || ROLE_QUESTIONS[this.#question] === undefined || !this.#isNeeded();
  }

  /**
   * Holds a reply until a later query is answered, then calls `settle` with the result: whether the server is a master.
   * `settle` is not called if the connection is lost first.
   */
  hold(nowMs: number, settle: (isVouched: boolean) => void): void {
    this.#held.push(settle);
    if (this.#unanswered === 0) {
      this.#ask(nowMs);
    }
  }

  #ask(nowMs: number): void {
    const client = this.#client;
    const question = ROLE_QUESTIONS[this.#question];
    if (client === undefined || question === undefined) {
      return;
    }
    this.#askedAtMs = nowMs;
    this.#unanswered += 1;
    // The reply to the read passes through one promise, so the reply to the role query must also pass through only one.
    // Otherwise, if both replies arrived in one chunk, the reply to the read would be handled first.
    client.send(question.command).then(
      (reply) => {
        if (client === this.#client) {
          this.#unanswered -= 1;
          this.#answered(question.parse(reply), nowMs);
        }
      },
      (error: unknown) => {
        if (client === this.#client) {
          this.#unanswered -= 1;
          this.#refused(question, isRefusedForGood(error), nowMs);
        }
      },
    );
  }

  #answered(role: ServerRole, askedAtMs: number): void {
    if (role === 'replica') {
      this.#onReplica();
      return;
    }
    this.#vouchedAtMs = askedAtMs;
    this.#release(true);
  }

  #refused(question: RoleQuestion, isForGood: boolean, nowMs: number): void {
    // The role is temporarily unknown (busy server, lost connection), so the next read sends another query.
    this.#askedAtMs = Number.NEGATIVE_INFINITY;
    if (isForGood && question === ROLE_QUESTIONS[this.#question]) {
      this.#question += 1;
      this.#ask(nowMs);
    }
    if (this.#unanswered === 0) {
      this.#release(ROLE_QUESTIONS[this.#question] === undefined);
    }
  }

  #release(isVouched: boolean): void {
    for (const settle of this.#held.splice(0)) {
      settle(isVouched);
    }
  }
}
