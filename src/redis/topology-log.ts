/**
 * Logs problems and changes in the choice of the master or the Cluster. Each event is logged once. This module keeps
 * the current notice for /readyz, the metric and the errors of callers.
 */
import type { Logger } from '../lib/logger.ts';
import { StoreError } from '../lib/store-error.ts';
import type { DeploymentChange } from './deployment-choice.ts';
import type { Topology } from './topology.ts';
import type { TopologyStatus } from './topology-member.ts';
import {
  conflictingMasters,
  isMisconfigured,
  isNoticeError,
  noticeIdentity,
  noticeText,
  type TopologyNotice,
} from './topology-notice.ts';

export class TopologyLog {
  readonly #log: Logger;
  readonly #role: string;
  #notice: TopologyNotice | undefined;
  #changes = 0;

  constructor(log: Logger, role: string) {
    this.#log = log;
    this.#role = role;
  }

  get status(): Omit<TopologyStatus, 'reasons'> {
    return {
      conflictingMasters: conflictingMasters(this.#notice),
      changes: this.#changes,
      notices: this.#notice === undefined ? [] : [noticeText(this.#notice)],
    };
  }

  /** Error that callers receive while no server is used. */
  get refusal(): StoreError | undefined {
    if (this.#notice === undefined) {
      return undefined;
    }
    return new StoreError(isMisconfigured(this.#notice) ? 'forbidden' : 'unavailable', noticeText(this.#notice));
  }

  note(notice: TopologyNotice | undefined): void {
    const before = this.#notice;
    this.#notice = notice;
    if (noticeIdentity(before) === noticeIdentity(notice)) {
      return;
    }
    const fields = { role: this.#role };
    if (notice === undefined) {
      this.#log.info(fields, 'problem with the Redis servers resolved');
    } else if (isNoticeError(notice)) {
      this.#log.error(fields, noticeText(notice));
    } else {
      this.#log.warn(fields, noticeText(notice));
    }
  }

  changed(change: DeploymentChange, topology: Topology): void {
    const masters = [...topology.masters().keys()];
    const fields = { role: this.#role, masters };
    switch (change.cause) {
      case 'started':
        if (change.silent.length > 0) {
          const text = 'using the only Redis master among the seeds that answered';
          this.#log.warn({ ...fields, silent: change.silent }, text);
        } else {
          this.#log.debug(fields, 'using this Redis');
        }
        return;
      case 'failover':
        this.#changes += 1;
        this.#log.warn({ ...fields, from: change.from }, 'changed to the Redis master that continues the history');
        return;
      case 'elected':
        if (change.from === undefined) {
          this.#log.debug(fields, 'using this Redis');
        } else if (!topology.masters().has(change.from)) {
          this.#changes += 1;
          this.#log.warn({ ...fields, from: change.from }, 'changed to the Redis master that the Sentinels elected');
        }
        return;
      case 'same_address':
        this.#changes += 1;
        this.#log.warn(fields, 'the Redis server in use has become a Cluster');
        return;
      case 'replaced':
        this.#changes += 1;
        this.#log.error(
          fields,
          'changed to another Redis deployment: no known node of the Cluster has answered for 30 s, and every seed leads to this one',
        );
    }
  }

  nameMoved(host: string, addresses: readonly string[]): void {
    this.#changes += 1;
    this.#log.warn({ role: this.#role, host, addresses }, 'the Redis host name has moved; reconnecting');
  }
}
