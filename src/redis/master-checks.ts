/**
 * What a server is asked before its subscriptions are believed, on the connection that carries them: the questions of one barrier, in one
 * write, and what the answers mean.
 *
 *   keyed reads   each in a slot of ours. A Cluster master that lost the majority answers CLUSTERDOWN, one that is none any more MOVED;
 *                 ASK is of one slot that is moving away, and its channel's affair
 *   ROLE          a replica is no master; INFO replication where ROLE is not permitted or not known. A server that reports its
 *                 role in neither form is assumed to be a master
 *   CLIENT INFO   the number of subscriptions. A server that does not know it has none counted; where the user lacks the permission, no
 *                 subscription is believed
 *
 * All of them are answered within the time of a command, or the connection is silent.
 */
import { ErrorReply } from '@redis/client';
import type { OpenClient } from './client.ts';
import type { RedisArgument, RedisReply } from './commands.ts';
import type { RedisOptions } from './options.ts';
import type { Refusal } from './refusal-log.ts';
import { isRefusedForGood, ROLE_QUESTIONS, type ServerRole } from './role.ts';
import { serverCodeOf } from './server-error.ts';
import { settledBy } from './settled-by.ts';

/** Why nothing of what the connection has said lately can be trusted. */
export type Failure = 'silent' | 'demoted' | 'cluster down' | 'moved' | 'refused' | 'subscription dropped';

/** By which logs name the keyed reads. */
export const CHECK = 'check of the subscriber';

export interface KeyedRead {
  readonly command: readonly RedisArgument[];
  onReply(reply: RedisReply): void;
  /** Its slot is on its way to another master. */
  onAsk(): void;
}

export class MasterChecks {
  readonly #client: OpenClient;
  readonly #redis: RedisOptions;
  /** host:port, for logs. */
  readonly #node: string;
  /** Which of ROLE_QUESTIONS is asked. */
  #question = 0;
  #countRefusal: Refusal | undefined;

  constructor(client: OpenClient, redis: RedisOptions, node: string) {
    this.#client = client;
    this.#node = node;
    this.#redis = redis;
  }

  /** That the user may not read the number of subscriptions, as of the last answer. */
  get countRefusal(): Refusal | undefined {
    return this.#countRefusal;
  }

  /** Whether the server does not report its role. */
  get isRoleHidden(): boolean {
    return ROLE_QUESTIONS[this.#question] === undefined;
  }

  /**
   * Undefined: all is well. `countExpected` returns, once the answers are here, how many subscriptions the server must have had when it was
   * asked. Everything is sent before this returns. A connection that is lost meanwhile is not a failure of its own.
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
    // The refusals that came before it are still on their way through their promises.
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

  /** If the server does not report its role in one form, the next form is used from now on. */
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

/** The code of an error reply. */
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
