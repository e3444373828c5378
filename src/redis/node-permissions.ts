/**
 * When the permissions of the user are probed on one node, and what the last probe found.
 *
 *   1. The first probe begins when a connection to the node is ready. Another begins when one is ready again a minute or more after the last
 *      probe, and when Redis refused a caller for want of a permission: after 1 s, which doubles up to 60 s while such probes find nothing. A
 *      password changes no permission; a restart or a new rule may.
 *   2. While something is missing, or nothing could be learned, the probe is repeated after 1 s at first and every 30 s in the end, jittered, so that
 *      a permission that was given is noticed.
 *   3. One probe runs at a time, over a connection of its own, so that no caller waits behind it and none of it counts as a command of a caller.
 *   4. What a probe that was not answered whole has found counts for nothing.
 *   5. A refusal that a caller met is reported once the next probe has not explained it; if it has, the line that names the permission is enough.
 */
import { backoffMs } from '../lib/backoff.ts';
import { addressText, type NodeAddress } from './address.ts';
import { openClient } from './client.ts';
import { type MissingPermission, MissingPermissions } from './missing-permissions.ts';
import type { PermissionOptions, RedisOptions } from './options.ts';
import { probePermissions } from './permission-probe.ts';
import type { Refusal } from './refusal-log.ts';
import { settledBy } from './settled-by.ts';

/** A server that cuts idle connections must not be probed with each of them. */
const CLEAN_MS = 60_000;
/** Refusals come by the thousand, and a probe may not explain them. */
const REFUSED_APART_MS = 1_000;
const MAX_REFUSED_APART_MS = 60_000;
const REPEAT = { firstMs: 1_000, maxMs: 30_000 };
/** The subject of refusal-log.ts. */
const SUBJECT = 'permissions';
const CODE = 'NOPERM';

export interface NodePermissionsOptions {
  readonly address: NodeAddress;
  readonly redis: RedisOptions;
  readonly permissions: PermissionOptions;
  readonly isReady: () => boolean;
  readonly slots: () => ProbedSlots;
  /** Undefined: nothing is missing. */
  readonly onChange: (missing: MissingPermissions | undefined) => void;
}

/** Where the probe's keys lie. */
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
  /** Probes in a row that did not find everything there. */
  #attempts = 0;
  #unexplained: Refusal | undefined;
  /** Probes after a refusal that found nothing missing. */
  #futile = 0;
  #isProbing = false;
  #isClosed = false;

  constructor(options: NodePermissionsOptions) {
    this.#options = options;
  }

  /** A connection is ready. */
  connected(): void {
    this.#schedule(Math.max(0, this.#cleanAtMs + CLEAN_MS - this.#nowMs()));
    this.#explainRefusal();
  }

  /** Redis refused a caller for want of a permission. */
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

  /** Schedules the probe that a refusal waits for. One that is due during another probe, or while nothing is connected, does not run. */
  #explainRefusal(): void {
    if (this.#unexplained !== undefined) {
      const apartMs = Math.min(REFUSED_APART_MS * 2 ** this.#futile, MAX_REFUSED_APART_MS);
      this.#schedule(Math.max(0, this.#startedAtMs + apartMs - this.#nowMs()));
    }
  }

  /** The earlier of two due times holds. */
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

  /** Undefined: nothing can be said. */
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
      // Why it cannot be reached, the connections for commands report.
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
      // What callers met is over too.
      redis.refusals.ended(CODE, subject.node);
    } else {
      redis.refusals.found({ ...subject, code: CODE, detail: missing.text });
    }
  }

  #nowMs(): number {
    return this.#options.redis.clock.monotonicMs();
  }
}
