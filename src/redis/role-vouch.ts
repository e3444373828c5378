/**
 * Vouches for the server of one connection: that it is still the master. Only standalone servers need it: in a Cluster a replica refuses
 * every command with a key by itself, while a standalone replica answers reads with data that may be old.
 *
 *   1. A read goes out behind a question for the role that is at most 500 ms old. The question is written before the read, so that its reply
 *      comes first: a server that was demoted is found before its answer to the read counts.
 *   2. An idle connection is not asked.
 *   3. The question is ROLE, or INFO replication where ROLE is not permitted or not known. A server that reports its role in
 *      neither form is assumed to be a master.
 *   4. A connection to a replica does not become ready.
 */
import { ErrorReply } from '@redis/client';
import type { OpenClient } from './client.ts';
import type { RedisReply } from './commands.ts';
import { parseInfoRole, parseRole, type ServerRole } from './role.ts';

const VOUCHED_MS = 500;

interface Question {
  readonly command: readonly string[];
  readonly parse: (reply: RedisReply) => ServerRole;
}

/** The first is asked until the server refuses it for good, then the next. */
const QUESTIONS: readonly Question[] = [
  { command: ['ROLE'], parse: parseRole },
  { command: ['INFO', 'replication'], parse: (reply) => parseInfoRole(String(reply)) },
];

/** The server let us in and is a replica. */
export class ReplicaError extends Error {
  constructor() {
    super('Cannot use this Redis server: it is a replica');
    this.name = 'ReplicaError';
  }
}

export interface RoleVouchOptions {
  /** Whether a replica would answer reads: on a standalone server. */
  readonly isNeeded: () => boolean;
  readonly onReplica: () => void;
}

export class RoleVouch {
  readonly #isNeeded: () => boolean;
  readonly #onReplica: () => void;
  /** Which of QUESTIONS is asked. */
  #question = 0;
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: RoleVouchOptions) {
    this.#isNeeded = options.isNeeded;
    this.#onReplica = options.onReplica;
  }

  /** Asks a server that we have just logged in to. Rejects where it is a replica. */
  async greet(send: OpenClient['send'], nowMs: number): Promise<void> {
    this.#question = 0;
    this.#askedAtMs = Number.NEGATIVE_INFINITY;
    if (!this.#isNeeded()) {
      return;
    }
    let question = QUESTIONS[0];
    while (question !== undefined) {
      try {
        const role = question.parse(await send(question.command));
        if (role === 'replica') {
          throw new ReplicaError();
        }
        this.#askedAtMs = nowMs;
        return;
      } catch (error) {
        if (!isRefusedForGood(error)) {
          if (error instanceof ErrorReply) {
            // It is busy: the first read asks again.
            return;
          }
          throw error;
        }
        this.#question += 1;
        question = QUESTIONS[this.#question];
      }
    }
  }

  /** Right before a read is sent. */
  precede(client: OpenClient, nowMs: number): void {
    if (nowMs - this.#askedAtMs < VOUCHED_MS || !this.#isNeeded()) {
      return;
    }
    const question = QUESTIONS[this.#question];
    if (question === undefined) {
      return;
    }
    this.#askedAtMs = nowMs;
    // No promise more than the read has itself: where both replies come at once this one must be handled first.
    client.send(question.command).then(
      (reply) => {
        if (question.parse(reply) === 'replica') {
          this.#onReplica();
        }
      },
      (error: unknown) => this.#refused(error, client, nowMs),
    );
  }

  #refused(error: unknown, client: OpenClient, nowMs: number): void {
    // Where nothing can be said now (the server is busy, the connection lost) the next read asks again.
    this.#askedAtMs = Number.NEGATIVE_INFINITY;
    if (isRefusedForGood(error)) {
      this.#question += 1;
      this.precede(client, nowMs);
    }
  }
}

/** The user lacks the permission, or the server does not know the command; not BUSY and the like. */
function isRefusedForGood(error: unknown): boolean {
  return error instanceof ErrorReply && /^(NOPERM|ERR)\b/.test(error.message);
}
