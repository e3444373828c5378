/**
 * Why a node cannot be used, in one word that may be logged, and each word once until it can.
 *
 * Never the text itself: an old server repeats what it was sent when it refuses a login, the password with it.
 */
import { ErrorReply } from '@redis/client';
import type { Logger } from '../lib/logger.ts';
import { systemCodeOf } from '../lib/system-code.ts';
import { serverCodeOf } from './server-error.ts';
import { tlsHint } from './tls.ts';

/** Words are few; this bounds them all the same. */
const WORDS_MAX = 16;

export class ConnectFailures {
  readonly #told = new Set<string>();

  /** It can be used: the next failure is news again. */
  clear(): void {
    this.#told.clear();
  }

  tell(log: Logger, fields: object, error: unknown): void {
    const reason = wordOf(error);
    if (!this.#told.has(reason) && this.#told.size < WORDS_MAX) {
      this.#told.add(reason);
      const hint = tlsHint(error);
      log.warn({ ...fields, reason, ...(hint === undefined ? {} : { hint }) }, 'cannot use a Redis node');
    }
  }
}

/** ECONNREFUSED, DEPTH_ZERO_SELF_SIGNED_CERT, NOPROTO, or what kind of error it is. */
function wordOf(error: unknown): string {
  if (error instanceof ErrorReply) {
    return serverCodeOf(error.message);
  }
  return systemCodeOf(error) ?? (error instanceof Error ? error.constructor.name : 'unknown');
}
