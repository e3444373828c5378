/**
 * Decides when the user's permissions are probed on one node, and stores the result of the last probe.
 *
 *   1. The first probe starts when a connection to the node is ready. Each further connection that becomes ready causes
 *      another probe, because a restart or a new ACL rule may have changed the permissions. Such a probe starts at
 *      least a minute after a probe that found nothing missing. A NOPERM reply to a caller causes a probe at least 1 s
 *      after the last probe. This interval doubles up to 60 s while such probes find no missing permission.
 *   2. While a permission is missing, or after a failed probe, the probe is repeated, after 1 s at first and later
 *      every 30 s, with jitter. A repeated probe detects a permission that was granted in the meantime.
 *   3. One probe runs at a time, over a separate connection. No caller waits for the probe, and the metrics of commands
 *      do not include it.
 *   4. Findings of an incomplete probe are ignored.
 *   5. A refusal that a caller received is reported only if the next probe does not find the missing permission. If the
 *      probe finds the missing permission, the log line about the probe already names this permission.
 */
import { backoffMs } from '../lib/backoff.ts';
import { addressText, type NodeAddress } from './address.ts';
import { openClient } from './client.ts';
import { type MissingPermission, MissingPermissions } from './missing-permissions.ts';
import type { PermissionOptions, RedisOptions } from './options.ts';
import { probePermissions } from './permission-probe.ts';
import type { Refusal } from './refusal-log.ts';
import { settledBy } from './settled-by.ts';

/**
 * Minimum time from a probe that found no missing permission to the next probe that a new connection causes. A server
 * may keep closing idle connections, so new connections may be frequent.
 */
const CLEAN_MS = 60_000;
/** Minimum time between probes after refusals. Callers may receive thousands of refusals that no probe explains. */
const REFUSED_APART_MS = 1_000;
const MAX_REFUSED_APART_MS = 60_000;
const REPEAT = { firstMs: 1_000, maxMs: 30_000 };
/** Subject in refusal-log.ts. */
const SUBJECT = 'permissions';
const CODE = 'NOPERM';

export interface NodePermissionsOptions {
  readonly address: NodeAddress;
  readonly redis: RedisOptions;
  readonly permissions: PermissionOptions;
  readonly isReady: () => boolean;
  readonly slots: () => ProbedSlots;
  /** Called with the missing permissions, or with undefined if none is missing. */
  readonly onChange: (missing: MissingPermissions | undefined) => void;
}

/** Hash tag of the keys that a probe uses, and whether the server belongs to a Cluster. */
export interface ProbedSlots {
  readonly isCluster: boolean;
  readonly hashTag: string;
}

export class NodePermissions {
  readonly #options: NodePermissionsOptions;
  #missing: MissingPermissions | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #startedAtMs = Number.NEGATIVE_INFINITY;
  #cleanAtMs = Number.NEGATIVE_INFINITY;
  /** Number of consecutive probes that failed or found missing permissions. */
  #attempts = 0;
  #unexplained: Refusal | undefined;
  /** Number of probes that started after a refusal but found no missing permission. */
  #futile = 0;
  #isProbing = false;
  #isClosed = false;

  constructor(options: NodePermissionsOptions) {
    this.#options = options;
  }

  /** Schedules a probe after a connection became ready. */
  connected(): void {
    this.#schedule(Math.max(0, this.#cleanAtMs + CLEAN_MS - this.#nowMs()));
    this.#explainRefusal();
  }

  /** Handles a NOPERM reply to a caller. */
  refused(refusal: Refusal): void {
    if (this.#missing !== undefined) {
      return;
    }
    if (this.#futile > 0) {
      this.#options.redis.refusals.refused(refusal);
    }
    this.#unexplained ??= refusal;
    this.#explainRefusal();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#adopt(undefined);
  }

  /**
   * If a caller received a refusal that no known missing permission explains, schedules a probe. This probe does not
   * run if it becomes due while another probe is running, or while there is no connection.
   */
  #explainRefusal(): void {
    if (this.#unexplained !== undefined) {
      const apartMs = Math.min(REFUSED_APART_MS * 2 ** this.#futile, MAX_REFUSED_APART_MS);
      this.#schedule(Math.max(0, this.#startedAtMs + apartMs - this.#nowMs()));
    }
  }

  /** Schedules a probe, unless a probe is already scheduled for an earlier time. */
  #schedule(delayMs: number): void {
    const dueMs = this.#nowMs() + delayMs;
    if (this.#isClosed || dueMs >= this.#dueMs) {
      return;
    }
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => void this.#probe(), delayMs);
    this.#timer.unref();
  }

  async #probe(): Promise<void> {
    this.#dueMs = Number.POSITIVE_INFINITY;
    if (this.#isProbing || !this.#options.isReady()) {
      return;
    }
    this.#isProbing = true;
    this.#startedAtMs = this.#nowMs();
    const unexplained = this.#unexplained;
    this.#unexplained = undefined;
    const found = await this.#ask();
    this.#isProbing = false;
    if (this.#isClosed) {
      return;
    }
    if (unexplained !== undefined && this.#futile === 0 && (found ?? []).length === 0) {
      this.#options.redis.refusals.refused(unexplained);
    }
    if (found !== undefined) {
      this.#adopt(found.length === 0 ? undefined : new MissingPermissions(found, this.#options.permissions.prefix));
    }
    if (found?.length === 0) {
      this.#attempts = 0;
      this.#futile += unexplained === undefined ? 0 : 1;
      this.#cleanAtMs = this.#startedAtMs;
      this.#explainRefusal();
      return;
    }
    if (found !== undefined) {
      this.#futile = 0;
      this.#unexplained = undefined;
      this.#cleanAtMs = Number.NEGATIVE_INFINITY;
    }
    this.#schedule(backoffMs(this.#attempts, REPEAT));
    this.#attempts += 1;
  }

  /** Runs a probe. Returns undefined if the probe failed. */
  async #ask(): Promise<MissingPermission[] | undefined> {
    const { address, redis, permissions, slots } = this.#options;
    try {
      const client = await openClient(address, redis, { onLost: () => undefined });
      try {
        const probe = probePermissions(client, { ...permissions, ...slots() });
        return await settledBy(probe, this.#nowMs() + redis.connectTimeoutMs, redis.wheel);
      } finally {
        client.destroy();
      }
    } catch {
      // This error is not logged, because the connections for commands report why the server cannot be reached.
      return undefined;
    }
  }

  #adopt(missing: MissingPermissions | undefined): void {
    const before = this.#missing?.text;
    if (missing === this.#missing) {
      return;
    }
    this.#missing = missing;
    this.#options.onChange(missing);
    if (before === missing?.text) {
      return;
    }
    const { address, redis } = this.#options;
    const subject = { node: addressText(address), command: SUBJECT };
    if (missing === undefined) {
      // This call also marks the NOPERM refusals that callers received as ended.
      redis.refusals.ended(CODE, subject.node);
    } else {
      redis.refusals.found({ ...subject, code: CODE, detail: missing.text });
    }
  }

  #nowMs(): number {
    return this.#options.redis.clock.monotonicMs();
  }
}
