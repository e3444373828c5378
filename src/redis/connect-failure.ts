/**
 * Records why servers cannot be used. This module logs each reason once until a server can be used, and /readyz shows
 * the latest reason for each address.
 *
 *   1. The refusal logs of the roles (refusal-log.ts) log error replies of servers. This module logs every other reason
 *      as a warning.
 *   2. Reasons come from connect-reason.ts. The numbers of reasons and addresses are bounded.
 */
import type { Logger } from '../lib/logger.ts';
import type { StoreError } from '../lib/store-error.ts';
import { connectReason, isServerAnswer } from './connect-reason.ts';
import type { RefusalLog } from './refusal-log.ts';
import { loginRefusalOf } from './server-error.ts';
import { tlsHint } from './tls.ts';

/** Maximum number of distinct reasons that are logged until a server can be used. Few reasons are expected. */
const MAX_REASONS = 16;
const MAX_NODES = 64;

export interface ConnectFailuresOptions {
  readonly role: string;
  readonly isTls: boolean;
  readonly log: Logger;
  /** Name of the operation in the refusal logs: CONNECT or CONNECT_SUBSCRIBER. */
  readonly command: string;
  /** Refusal logs of the roles that use the servers. */
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

  /** Reason why a server refuses the login; undefined once a server can be used. */
  get refusal(): StoreError | undefined {
    return this.#refusedLogins.values().next().value;
  }

  /** Latest reason for each address (host:port); empty once a server can be used. */
  get reasons(): ReadonlyMap<string, string> {
    return this.#reasons;
  }

  /** Clears all reasons, because a server can be used. The next failure after this call is logged again. */
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
