/**
 * Why servers cannot be used: each reason is logged once until they can be, and the latest one of each address is kept for /readyz.
 *
 *   1. What the server answered goes to the refusals of the roles (refusal-log.ts); every other reason is a warning here.
 *   2. Reasons are words of connect-reason.ts. Reasons and addresses are bounded.
 */
import type { Logger } from '../lib/logger.ts';
import type { StoreError } from '../lib/store-error.ts';
import { connectReason, isServerAnswer } from './connect-reason.ts';
import type { RefusalLog } from './refusal-log.ts';
import { loginRefusalOf } from './server-error.ts';
import { tlsHint } from './tls.ts';

/** Reasons are few, and so are addresses; this bounds them all the same. */
const MAX_REASONS = 16;
const MAX_NODES = 64;

export interface ConnectFailuresOptions {
  readonly role: string;
  readonly isTls: boolean;
  readonly log: Logger;
  /** What is refused: CONNECT or CONNECT_SUBSCRIBER. */
  readonly command: string;
  /** Of the roles that these servers serve. */
  readonly refusals: () => Iterable<RefusalLog>;
}

export class ConnectFailures {
  readonly #options: ConnectFailuresOptions;
  readonly #reported = new Set<string>();
  readonly #reasons = new Map<string, string>();
  readonly #refusedLogins = new Map<string, StoreError>();

  constructor(options: ConnectFailuresOptions) {
    this.#options = options;
  }

  /** Why a server refuses our login, until one can be used. */
  get refusal(): StoreError | undefined {
    return this.#refusedLogins.values().next().value;
  }

  /** The latest reason of each address (host:port), until one can be used. */
  get reasons(): ReadonlyMap<string, string> {
    return this.#reasons;
  }

  /** A server can be used: the next failure is news again. */
  clear(): void {
    for (const node of this.#reasons.keys()) {
      for (const refusalLog of this.#options.refusals()) {
        refusalLog.succeeded({ node, command: this.#options.command, kind: 'other' });
      }
    }
    this.#reported.clear();
    this.#reasons.clear();
    this.#refusedLogins.clear();
  }

  failed(node: string, error: unknown): void {
    const { role, isTls, log, command, refusals } = this.#options;
    const reason = connectReason(error, isTls);
    if (this.#reasons.has(node) || this.#reasons.size < MAX_NODES) {
      this.#reasons.set(node, reason);
    }
    const refusedLogin = loginRefusalOf(error);
    this.#refusedLogins.delete(node);
    if (refusedLogin !== undefined && this.#refusedLogins.size < MAX_NODES) {
      this.#refusedLogins.set(node, refusedLogin);
    }
    if (isServerAnswer(error)) {
      for (const refusalLog of refusals()) {
        refusalLog.refused({ text: error.message, node, command });
      }
    } else if (!this.#reported.has(reason) && this.#reported.size < MAX_REASONS) {
      this.#reported.add(reason);
      const hint = tlsHint(error);
      log.warn({ role, node, reason, ...(hint === undefined ? {} : { hint }) }, 'cannot use a Redis node');
    }
  }
}
