/**
 * Checks whether a server is still the master that serves the subscribed slots, and whether it still has the
 * subscriptions. Each barrier sends all checks in one write, on the connection that carries the subscriptions.
 *
 * There are three checks:
 *   - Each keyed read reads a key in the slot of a subscribed channel. CLUSTERDOWN means that the Cluster master cannot
 *     reach a majority of the masters. MOVED means that the master no longer owns the slot. ASK means that the slot is
 *     migrating, and affects only the channel of that slot.
 *   - ROLE reports whether the server is a replica. If ROLE is not permitted, or the server does not know ROLE, the
 *     check uses INFO replication. A server that answers neither command is assumed to be a master.
 *   - CLIENT INFO returns the number of subscriptions. The check is skipped if the server does not know the command. If
 *     the Redis user lacks the permission for CLIENT INFO, no subscription is considered intact.
 *
 * All replies must arrive within the command timeout. Otherwise the connection is considered silent.
 */
import { ErrorReply } from '@redis/client';
import type { OpenClient } from './client.ts';
import type { RedisArgument, RedisReply } from './commands.ts';
import type { RedisOptions } from './options.ts';
import type { Refusal } from './refusal-log.ts';
import { isRefusedForGood, ROLE_QUESTIONS, type ServerRole } from './role.ts';
import { serverCodeOf } from './server-error.ts';
import { settledBy } from './settled-by.ts';

/** Reason why recent messages may not have reached the connection. */
export type Failure = 'silent' | 'demoted' | 'cluster down' | 'moved' | 'refused' | 'subscription dropped';

/** Name of the keyed reads in logs. */
export const CHECK = 'check of the subscriber';

export interface KeyedRead {
  readonly command: readonly RedisArgument[];
  onReply(reply: RedisReply): void;
  /** Called when the slot is migrating to another master. */
  onAsk(): void;
}

export class MasterChecks {
  readonly #client: OpenClient;
  readonly #redis: RedisOptions;
  /** Address of the server (host:port), for logs. */
  readonly #node: string;
  /** Index of the current query in ROLE_QUESTIONS. */
  #question = 0;
  #countRefusal: Refusal | undefined;

  constructor(client: OpenClient, redis: RedisOptions, node: string) {
    this.#client = client;
    this.#node = node;
    this.#redis = redis;
  }

  /** NOPERM error of the last CLIENT INFO; undefined if CLIENT INFO was answered. */
  get countRefusal(): Refusal | undefined {
    return this.#countRefusal;
  }

  /** Whether the server reports its role neither by ROLE nor by INFO replication. */
  get isRoleHidden(): boolean {
    return ROLE_QUESTIONS[this.#question] === undefined;
  }

  /**
   * Runs all checks. Resolves to undefined if all checks pass. `countExpected` is called after the replies have
   * arrived, and returns how many subscriptions the server must have had when the checks were sent. All commands are
   * sent before this function returns its promise, except a role query that replaces a rejected role query. A
   * connection that is lost during the checks is not reported as a failure.
   */
  async ask(reads: readonly KeyedRead[], countExpected: () => number): Promise<Failure | undefined> {
    const failures: Failure[] = [];
    const subject = { node: this.#node, command: CHECK };
    for (const read of reads) {
      this.#client.send(read.command).then(
        (reply) => {
          this.#redis.refusals.succeeded({ ...subject, kind: 'read' });
          read.onReply(reply);
        },
        (error: unknown) => {
          const code = codeOf(error);
          if (code === 'ASK') {
            read.onAsk();
            return;
          }
          failures.push(...failureOf(error));
          if (code !== undefined && code !== 'MOVED') {
            this.#redis.refusals.refused({ ...subject, text: (error as Error).message });
          }
        },
      );
    }
    const role = this.#readRole();
    const clientInfo = this.#client.send(['CLIENT', 'INFO']).then(
      (reply) => {
        this.#countRefusal = undefined;
        return String(reply);
      },
      (error: unknown) => {
        const isForbidden = codeOf(error) === 'NOPERM';
        this.#countRefusal = isForbidden ? { ...subject, text: (error as Error).message } : undefined;
        return '';
      },
    );
    const text = await this.#inTime(clientInfo);
    if (text === undefined) {
      return 'silent';
    }
    // The error handlers of the keyed reads may not have run yet, even if the error replies have arrived.
    await new Promise((resolve) => setImmediate(resolve));
    const reported = await this.#inTime(role);
    if (reported === 'replica') {
      return 'demoted';
    }
    if (reported === undefined || failures[0] !== undefined) {
      return failures[0] ?? 'silent';
    }
    const subscriptions = Number(/\bssub=(\d+)/.exec(text)?.[1] ?? Number.NaN);
    return subscriptions < countExpected() ? 'subscription dropped' : undefined;
  }

  /**
   * Queries the role. If the server rejects the query, or the reply contains no known role, this and all later checks
   * use the next query in ROLE_QUESTIONS.
   */
  async #readRole(): Promise<ServerRole> {
    for (let question = ROLE_QUESTIONS[this.#question]; question !== undefined; ) {
      try {
        const role = question.parse(await this.#client.send(question.command));
        if (role !== 'unknown') {
          return role;
        }
      } catch (error) {
        if (!isRefusedForGood(error)) {
          return 'unknown';
        }
      }
      this.#question = Math.max(this.#question, ROLE_QUESTIONS.indexOf(question) + 1);
      question = ROLE_QUESTIONS[this.#question];
    }
    return 'unknown';
  }

  #inTime<Value>(promise: Promise<Value>): Promise<Value | undefined> {
    const { clock, commandTimeoutMs, wheel } = this.#redis;
    return settledBy(promise, clock.monotonicMs() + commandTimeoutMs, wheel);
  }
}

/** Returns the code of an error reply; undefined for any other error. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof ErrorReply ? serverCodeOf(error.message) : undefined;
}

function failureOf(error: unknown): Failure[] {
  switch (codeOf(error)) {
    case undefined:
      return [];
    case 'CLUSTERDOWN':
      return ['cluster down'];
    case 'MOVED':
      return ['moved'];
    default:
      return ['refused'];
  }
}
