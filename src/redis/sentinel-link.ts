/**
 * Maintains the connection to one Sentinel. The link queries the address of the master, and receives the Sentinel's
 * announcements of a new master.
 *
 * Invariants:
 *   1. The Sentinel is queried every second (with jitter), at once on +switch-master for our master, and on request.
 *      Only one query runs at a time. A request during a query causes one more query.
 *   2. The vote of the Sentinel is its latest answer. The vote becomes `silent` when the connection is lost or cannot
 *      be opened, or when the Sentinel has not answered within the connect timeout. So no vote is older than one second
 *      plus that timeout.
 *   3. Reconnection attempts continue until `close` is called, with the same delays as connections to a server
 *      (connect-pacer.ts).
 *   4. The reason why a Sentinel cannot be used is logged once. A Sentinel that refuses the subscription is still used,
 *      and one warning reports the refusal.
 */
import { ErrorReply } from '@redis/client';
import { addressText, type NodeAddress } from './address.ts';
import { NO_ADDRESS_MAP, reachableAddress } from './address-map.ts';
import { type OpenClient, openClient } from './client.ts';
import type { RedisReply } from './commands.ts';
import { ConnectFailures } from './connect-failure.ts';
import { connectPacer, type Retry } from './connect-pacer.ts';
import { connectReason } from './connect-reason.ts';
import type { RedisAccess, RedisOptions, SentinelOptions } from './options.ts';
import { CONNECT_SENTINEL, type RefusalLog } from './refusal-log.ts';
import type { SentinelVote } from './sentinel-election.ts';
import { serverCodeOf, storeErrorOf } from './server-error.ts';

const ASK_MS = 1_000;
/** Maximum number of commands in flight. Two queries and a subscription are expected. */
const MAX_QUEUE = 16;
const SWITCH_CHANNEL = '+switch-master';

export interface SentinelLinkOptions {
  readonly address: NodeAddress;
  readonly redis: RedisOptions;
  readonly sentinel: SentinelOptions;
  /** Refusal logs of the roles that use the Sentinel. */
  readonly refusals: () => Iterable<RefusalLog>;
  /** Called after each answer, and when the Sentinel becomes silent. */
  readonly onVote: (vote: SentinelVote) => void;
  /** Called once per connection with the number of other Sentinels that the Sentinel knows. */
  readonly onOthers: (count: number) => void;
}

export class SentinelLink {
  readonly name: string;
  readonly #options: SentinelLinkOptions;
  readonly #access: RedisAccess;
  readonly #failures: ConnectFailures;
  #client: OpenClient | undefined;
  #retry: Retry | undefined;
  #attempts = 0;
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<void> | undefined;
  #isAskedAgain = false;
  #isSubscriptionRefused = false;
  #isClosed = false;

  constructor(options: SentinelLinkOptions) {
    this.#options = options;
    const { role, isTls, log } = options.redis;
    this.#failures = new ConnectFailures({ role, isTls, log, command: CONNECT_SENTINEL, refusals: options.refusals });
    this.name = addressText(options.address);
    const { guard: _, ...access } = options.redis;
    this.#access = { ...access, credentials: options.sentinel.credentials, maxQueue: MAX_QUEUE };
    void this.#connect();
  }

  /** Reason why the Sentinel cannot be queried, keyed by the Sentinel's address; empty if queries succeed. */
  get reasons(): ReadonlyMap<string, string> {
    return this.#failures.reasons;
  }

  /**
   * Queries the address of the master now. Resolves when a query that was sent after this call has been
   * answered or has failed. Never rejects.
   */
  async ask(): Promise<void> {
    if (this.#client === undefined) {
      return;
    }
    if (this.#asking === undefined) {
      this.#asking = this.#askUntilQuiet(this.#client);
    } else {
      this.#isAskedAgain = true;
    }
    await this.#asking;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#retry?.cancel();
    this.#client?.destroy();
  }

  async #askUntilQuiet(client: OpenClient): Promise<void> {
    do {
      this.#isAskedAgain = false;
      await this.#askOnce(client);
    } while (this.#isAskedAgain && client === this.#client);
    this.#asking = undefined;
    this.#askLater();
  }

  async #askOnce(client: OpenClient): Promise<void> {
    const late = setTimeout(() => client.destroy(), this.#access.connectTimeoutMs);
    try {
      const command = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.#options.sentinel.masterName];
      const vote = this.#voteOf(await client.send(command));
      if (client === this.#client) {
        this.#failures.clear();
        this.#attempts = 0;
        this.#options.onVote(vote);
      }
    } catch (error) {
      // Any other error means that the connection was lost, which another handler reports.
      if (error instanceof ErrorReply && client === this.#client) {
        this.#refused(error);
      }
    } finally {
      clearTimeout(late);
    }
  }

  #askLater(): void {
    clearTimeout(this.#timer);
    if (!this.#isClosed && this.#client !== undefined) {
      this.#timer = setTimeout(() => void this.ask(), ASK_MS * (0.75 + Math.random() / 4));
      this.#timer.unref();
    }
  }

  async #connect(): Promise<void> {
    this.#retry = undefined;
    let isLost = false;
    try {
      const client = await openClient(this.#options.address, this.#access, {
        onLost: (reason) => {
          isLost = true;
          this.#lost(reason);
        },
      });
      if (this.#isClosed || isLost) {
        client.destroy();
        this.#retryLater(false);
        return;
      }
      this.#client = client;
      this.#subscribe(client);
      void this.ask().then(() => this.#askForOthers(client));
    } catch (error) {
      this.#refused(error);
      this.#retryLater(true);
    }
  }

  /**
   * Subscribes to +switch-master. A Sentinel that refuses the subscription is still used. Entries in the refusal log
   * raise alerts. This refusal needs no alert, so the log does not record it.
   */
  #subscribe(client: OpenClient): void {
    const { isTls, log, role } = this.#options.redis;
    const isOurs = (message: Buffer): boolean => String(message).split(' ')[0] === this.#options.sentinel.masterName;
    client
      .subscribe(SWITCH_CHANNEL, (message) => {
        if (isOurs(message)) {
          void this.ask();
        }
      })
      .then(
        () => {
          this.#isSubscriptionRefused = false;
        },
        (error: unknown) => {
          if (error instanceof ErrorReply && !this.#isSubscriptionRefused) {
            this.#isSubscriptionRefused = true;
            const fields = { node: this.name, role, reason: connectReason(error, isTls) };
            log.warn(fields, 'cannot subscribe to the announcements of a Redis Sentinel, querying it every second');
          }
        },
      );
  }

  /** Reads the number of other Sentinels, which is used only for a warning. A refusal is ignored. */
  #askForOthers(client: OpenClient): void {
    client.send(['SENTINEL', 'MASTER', this.#options.sentinel.masterName]).then(
      (reply) => {
        const count = othersOf(reply);
        if (count !== undefined) {
          this.#options.onOthers(count);
        }
      },
      () => undefined,
    );
  }

  #lost(reason: string): void {
    if (this.#client === undefined) {
      return;
    }
    this.#client = undefined;
    clearTimeout(this.#timer);
    if (this.#isClosed) {
      return;
    }
    // A Sentinel that accepts and closes connections repeatedly is reported once.
    if (this.#attempts === 0) {
      const { log, role } = this.#options.redis;
      log.warn({ node: this.name, role, reason }, 'lost the connection to a Redis Sentinel');
    }
    this.#options.onVote({ kind: 'silent' });
    this.#retryLater(false);
  }

  #refused(error: unknown): void {
    if (this.#isClosed) {
      return;
    }
    this.#failures.failed(this.name, error);
    // A rejected login or a missing permission lasts until an operator corrects it. Other server errors (LOADING, too
    // many clients) may be temporary, so they are treated as silence.
    const isRefused = error instanceof ErrorReply && storeErrorOf(error).kind === 'forbidden';
    this.#options.onVote(isRefused ? { kind: 'refused', code: serverCodeOf(error.message) } : { kind: 'silent' });
  }

  /** Converts the reply: `[host, port]`, or null if the Sentinel monitors no master of that name. */
  #voteOf(reply: RedisReply): SentinelVote {
    if (reply === null) {
      return { kind: 'unknown_name' };
    }
    const [host, port] = Array.isArray(reply) ? (reply as readonly unknown[]).map(String) : [];
    if (host === undefined || host === '' || !/^\d{1,5}$/.test(port ?? '')) {
      return { kind: 'refused', code: 'ERR' };
    }
    const announced = { host, port: Number(port) };
    return { kind: 'master', master: reachableAddress(this.#options.redis.addressMap ?? NO_ADDRESS_MAP, announced) };
  }

  #retryLater(isWokenBySuccess: boolean): void {
    if (!this.#isClosed) {
      const options = { failures: this.#attempts, isWokenBySuccess };
      this.#retry = connectPacer.retry(this.name, options, () => void this.#connect());
      this.#attempts += 1;
    }
  }
}

/**
 * Returns the number of other Sentinels. The reply is a map in RESP3, and a list of names and values on older servers.
 */
function othersOf(reply: RedisReply): number | undefined {
  const pairs = Array.isArray(reply) ? reply : Object.entries(reply ?? {}).flat();
  const words = (pairs as readonly unknown[]).map(String);
  const count = Number(words[words.indexOf('num-other-sentinels') + 1]);
  return words.includes('num-other-sentinels') && Number.isInteger(count) ? count : undefined;
}
