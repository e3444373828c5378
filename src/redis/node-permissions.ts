/**
 * When the permissions of the user are probed on one node, and what the last probe found.
 *
 *   1. The first probe begins when a connection to the node is ready. Another begins when one is ready again a minute or more after the last
 *      probe, and when Redis refused a caller for want of a permission. A password changes no permission; a restart or a new rule may.
 *   2. While something is missing, or nothing could be learned, the probe is repeated after 1 s at first and every 30 s in the end, jittered, so that
 *      a permission that was given is noticed.
 *   3. One probe runs at a time, over a connection of its own, so that no caller waits behind it and none of it counts as a command of a caller.
 *   4. What a probe that was not answered whole has found counts for nothing.
 */
import { backoffMs } from '../lib/backoff.ts';
import { addressText, type NodeAddress } from './address.ts';
import { openClient } from './client.ts';
import { type MissingPermission, MissingPermissions } from './missing-permissions.ts';
import type { PermissionOptions, RedisOptions } from './options.ts';
import { probePermissions } from './permission-probe.ts';
import { settledBy } from './settled-by.ts';

/** A server that cuts idle connections must not be probed with each of them. */
const CLEAN_MS = 60_000;
/** Refusals come by the thousand. */
const REFUSED_APART_MS = 1_000;
const REPEAT = { firstMs: 1_000, maxMs: 30_000 };
/** The subject of refusal-log.ts. */
const SUBJECT = 'permissions';

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
  #isProbing = false;
  #isClosed = false;

  constructor(options: NodePermissionsOptions) {
    this.#options = options;
  }

  /** A connection is ready. */
  connected(): void {
    this.#schedule(Math.max(0, this.#cleanAtMs + CLEAN_MS - this.#nowMs()));
  }

  /** Redis refused a caller for want of a permission. */
  refused(): void {
    this.#schedule(Math.max(0, this.#startedAtMs + REFUSED_APART_MS - this.#nowMs()));
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#adopt(undefined);
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
    const found = await this.#ask();
    this.#isProbing = false;
    if (this.#isClosed) {
      return;
    }
    if (found !== undefined) {
      this.#adopt(found.length === 0 ? undefined : new MissingPermissions(found, this.#options.permissions.prefix));
    }
    if (found?.length === 0) {
      this.#attempts = 0;
      this.#cleanAtMs = this.#startedAtMs;
      return;
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
    const { address, permissions } = this.#options;
    const subject = { node: addressText(address), command: SUBJECT };
    if (before !== undefined) {
      permissions.refusals.succeeded({ ...subject, kind: 'other' });
    }
    if (missing !== undefined) {
      permissions.refusals.found({ ...subject, code: 'NOPERM', detail: missing.text });
    }
  }

  #nowMs(): number {
    return this.#options.redis.clock.monotonicMs();
  }
}
