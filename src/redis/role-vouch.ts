/**
 * Vouches for the server of one connection: that it is still the master. Only standalone servers need it: in a Cluster a replica refuses
 * every command with a key by itself, while a standalone replica answers reads with data that may be old.
 *
 *   1. A read goes out behind a question for the role that is at most 500 ms old. The question is written before the read, so that its reply
 *      comes first: a server that was demoted is found before its answer to the read counts.
 *   2. The reply to a read counts only while the last question that the server answered as a master is at most 900 ms old. A reply that comes
 *      later (a long command timeout, a slow link) is held until a question that is answered after it.
 *   3. An idle connection is not asked. What the server said when it was connected to counts as an answer.
 *   4. The question is ROLE, or INFO replication where ROLE is not permitted or not known. A server that reports its role in
 *      neither form is assumed to be a master.
 */
import type { OpenClient } from './client.ts';
import { isRefusedForGood, ROLE_QUESTIONS, type RoleQuestion, type ServerRole } from './role.ts';

const ASKED_MS = 500;
/** Together with the way to the caller less than the second that is promised. */
const MAX_AGE_MS = 900;

export interface RoleVouchOptions {
  /** Whether a replica would answer reads: on a standalone server. */
  readonly isNeeded: () => boolean;
  readonly onReplica: () => void;
}

type Client = Pick<OpenClient, 'send' | 'vouchedAtMs'>;

export class RoleVouch {
  readonly #isNeeded: () => boolean;
  readonly #onReplica: () => void;
  #client: Client | undefined;
  /** Which of ROLE_QUESTIONS is asked. */
  #question = 0;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #unanswered = 0;
  /** When the last question was asked that was answered by a master. */
  #vouchedAtMs = Number.NEGATIVE_INFINITY;
  #held: ((isVouched: boolean) => void)[] = [];

  constructor(options: RoleVouchOptions) {
    this.#isNeeded = options.isNeeded;
    this.#onReplica = options.onReplica;
  }

  /** Another connection from now on; nothing is held of the one before. */
  attach(client: Client): void {
    this.#client = client;
    this.#question = 0;
    this.#askedAtMs = client.vouchedAtMs;
    this.#unanswered = 0;
    this.#vouchedAtMs = client.vouchedAtMs;
    this.#held = [];
  }

  /** Right before a read is sent. */
  precede(nowMs: number): void {
    if (nowMs - this.#askedAtMs >= ASKED_MS && this.#isNeeded()) {
      this.#ask(nowMs);
    }
  }

  /** Whether the reply to a read that came now counts; if not, it is to be held. */
  covers(nowMs: number): boolean {
    return nowMs - this.#vouchedAtMs <= MAX_AGE_MS || ROLE_QUESTIONS[this.#question] === undefined || !this.#isNeeded();
  }

  /** `settle` learns whether the server said after this that it is a master; not at all where the connection is lost before it says anything. */
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
    // No promise more than the read has itself: where both replies come at once this one must be handled first.
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
    // Where nothing can be said now (the server is busy, the connection lost) the next read asks again.
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
