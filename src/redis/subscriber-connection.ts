/**
 * Maintains the subscriptions on one master. The connection is opened for the first channel, and reconnects after a
 * loss while there are channels.
 *
 * Every channel has one of three states: due (not subscribed), asked (SSUBSCRIBE sent) or live. After any failure, a
 * channel is lost and becomes due again.
 *
 * Invariants:
 *   1. No channel is subscribed before the server has passed the checks (master-checks.ts). A master that is
 *      partitioned with a minority would accept subscriptions as usual.
 *   2. A barrier runs all checks. If a check fails, the connection is dropped and all its channels are lost.
 *   3. The probes of the channels are sent in turn. Each barrier of a caller sends one probe, and each periodic barrier
 *      sends a quarter of all probes.
 *   4. A connection that passed a barrier reconnects at once, at most every 100 ms. Other reconnects use the delays of
 *      the address (connect-pacer.ts).
 *   5. Without permission for CLIENT INFO, no channel is subscribed and no barrier succeeds. The connection stays open
 *      and repeats the check every second.
 */
import { addressText, type NodeAddress } from './address.ts';
import { type OpenClient, openClient } from './client.ts';
import type { ChannelProbe, RedisListener } from './commands.ts';
import { ConnectFailures } from './connect-failure.ts';
import { connectPacer, Hurry, type Retry } from './connect-pacer.ts';
import { isServerAnswer } from './connect-reason.ts';
import { CHECK, codeOf, type Failure, type KeyedRead, MasterChecks } from './master-checks.ts';
import type { RedisOptions } from './options.ts';
import { CONNECT_SUBSCRIBER, type Refusal } from './refusal-log.ts';
import { RefusedServerError } from './refused-server.ts';
import { settledBy } from './settled-by.ts';
import { type Subscription, Subscriptions } from './subscriptions.ts';

/** Number of periodic barriers within which every channel is probed once. */
const PROBE_ROUNDS = 4;
const SUBSCRIBE = 'SSUBSCRIBE';
/** Maximum number of probes in flight. Further probes wait until replies have arrived. */
const MAX_PROBES_IN_FLIGHT = 128;

export interface SubscriberConnectionOptions {
  readonly address: NodeAddress;
  readonly redis: RedisOptions;
  readonly listener: RedisListener;
  /** Called when the connection or a channel failed, because the topology may have changed. */
  readonly onTrouble: () => void;
  /** Called when the user lacks permission for SSUBSCRIBE or for CLIENT INFO. */
  readonly onNotPermitted: (refusal: Refusal) => void;
}

/** Open connection with the results of its checks. */
interface Opened {
  readonly client: OpenClient;
  readonly checks: MasterChecks;
  /** Whether the server has passed the checks at least once. */
  isVouched: boolean;
}

export class SubscriberConnection {
  readonly #name: string;
  readonly #failures: ConnectFailures;
  readonly #redis: RedisOptions;
  readonly #listener: RedisListener;
  readonly #options: SubscriberConnectionOptions;
  readonly #channels = new Subscriptions();
  /** Channels whose SUNSUBSCRIBE has not been answered yet. */
  readonly #leaving = new Set<string>();
  #opened: Opened | undefined;
  #retry: Retry | undefined;
  /** Number of attempts since the last successful barrier. */
  #attempts = 0;
  readonly #hurry = new Hurry();
  #isOpening = false;
  #isClosed = false;
  /** Last logged reason for a loss; undefined after a successful barrier. */
  #reportedReason: string | undefined;
  #hasToldHiddenRole = false;

  constructor(options: SubscriberConnectionOptions) {
    this.#name = addressText(options.address);
    this.#redis = options.redis;
    const { role, isTls, log, refusals } = options.redis;
    const common = { role, isTls, log, refusals: () => [refusals] };
    this.#failures = new ConnectFailures({ ...common, command: CONNECT_SUBSCRIBER });
    this.#listener = options.listener;
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#channels.size === 0;
  }

  has(channel: string): boolean {
    return this.#channels.get(channel) !== undefined;
  }

  isLive(channel: string): boolean {
    return this.#channels.get(channel)?.state === 'live';
  }

  add(channel: string, probe?: ChannelProbe): void {
    this.#channels.add(channel, probe);
    if (this.#opened === undefined) {
      this.#open();
    } else if (this.#opened.isVouched) {
      void this.#ask(channel, this.#opened);
    }
  }

  /** Ends the subscription of a channel that is no longer needed on this master. */
  remove(channel: string): void {
    const subscription = this.#channels.get(channel);
    this.#channels.delete(channel);
    const opened = this.#opened;
    if (opened === undefined || subscription === undefined || subscription.state === 'due') {
      return;
    }
    // node-redis ignores an SSUBSCRIBE that is sent before SUNSUBSCRIBE is answered.
    this.#leaving.add(channel);
    const left = () => {
      if (opened === this.#opened && this.#leaving.delete(channel)) {
        void this.#ask(channel, opened);
      }
    };
    opened.client.sUnsubscribe(channel).then(left, left);
  }

  /** Ends the subscription of a channel that another node owns now, and reports the channel as lost. */
  lose(channel: string): void {
    const wasLive = this.isLive(channel);
    this.remove(channel);
    if (wasLive) {
      this.#listener.onLost(channel);
    }
  }

  /** Resolves to true if all earlier messages have arrived and all checks pass. Otherwise drops the connection. */
  async barrier(deadlineAtMs: number): Promise<boolean> {
    const opened = this.#opened;
    if (opened?.isVouched !== true) {
      return this.isIdle;
    }
    return (await settledBy(this.#check(opened, 1), deadlineAtMs, this.#redis.wheel)) ?? false;
  }

  /** Runs the periodic barrier, which sends a quarter of the probes. */
  async watchOver(): Promise<boolean> {
    const opened = this.#opened;
    if (opened?.isVouched !== true) {
      if (opened?.checks.countRefusal !== undefined) {
        await this.#begin(opened);
      }
      return this.isIdle;
    }
    let left = Math.max(1, Math.ceil(this.#channels.size / PROBE_ROUNDS));
    let isWhole = true;
    while (left > 0 && isWhole) {
      isWhole = await this.#check(opened, Math.min(left, MAX_PROBES_IN_FLIGHT));
      left -= MAX_PROBES_IN_FLIGHT;
    }
    return isWhole;
  }

  /** Reconnects at once, because another connection has just reached the master. */
  reconnectNow(): void {
    this.#retry?.now();
  }

  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
    const opened = this.#opened;
    this.#opened = undefined;
    this.#channels.clear();
    opened?.client.destroy();
    for (const command of [CONNECT_SUBSCRIBER, SUBSCRIBE, CHECK]) {
      this.#redis.refusals.forget(this.#name, command);
    }
  }

  /** Runs the checks. Resolves to false if the connection was dropped or lost, or if a channel is migrating. */
  async #check(opened: Opened, probes: number): Promise<boolean> {
    let isMoving = false;
    const reads = this.#nextReads(opened, probes, () => {
      isMoving = true;
    });
    // Replies arrive in order, so the server counts only the channels that were subscribed before this check.
    const counted = this.#channels.all().filter(({ state }) => state !== 'due');
    const countExpected = () => counted.filter((each) => this.#channels.isCurrent(each)).length;
    const failure: Failure | undefined = await opened.checks.ask(reads, countExpected);
    if (opened !== this.#opened) {
      return false;
    }
    if (failure !== undefined) {
      this.#giveUp(opened, failure);
      return false;
    }
    if (opened.checks.countRefusal !== undefined) {
      this.#options.onNotPermitted(opened.checks.countRefusal);
      return false;
    }
    if (opened.isVouched) {
      this.#attempts = 0;
      this.#reportedReason = undefined;
    }
    this.#reportHiddenRole(opened);
    return !isMoving;
  }

  /** Returns the reads that the next check sends: probes, or a plain read while all probes are in flight. */
  #nextReads(opened: Opened, count: number, onMoving: () => void): KeyedRead[] {
    const next = this.#channels.takeTurns(count);
    const [first] = next.length === 0 ? this.#channels.all() : [];
    const reads = next.map((subscription) => this.#probeOf(opened, subscription, onMoving));
    return first === undefined ? reads : [this.#readOf(opened, first, onMoving)];
  }

  #probeOf(opened: Opened, subscription: Subscription, onMoving: () => void): KeyedRead {
    const { channel, probe } = subscription;
    const plain = this.#readOf(opened, subscription, onMoving);
    if (probe === undefined) {
      return plain;
    }
    subscription.isProbed = true;
    return {
      ...plain,
      command: probe(),
      onReply: (reply) => {
        subscription.isProbed = false;
        if (this.#isOurs(opened, subscription) && subscription.state === 'live') {
          this.#listener.onProbe?.(channel, reply);
        }
      },
    };
  }

  #readOf(opened: Opened, subscription: Subscription, onMoving: () => void): KeyedRead {
    return {
      command: ['HMGET', subscription.channel, 'n'],
      onReply: () => undefined,
      onAsk: () => {
        if (this.#isOurs(opened, subscription)) {
          onMoving();
          this.lose(subscription.channel);
          this.#options.onTrouble();
        }
      },
    };
  }

  #isOurs(opened: Opened, subscription: Subscription): boolean {
    return opened === this.#opened && this.#channels.isCurrent(subscription);
  }

  #giveUp(opened: Opened, reason: string): void {
    if (opened === this.#opened) {
      this.#lost(reason);
      opened.client.destroy();
    }
  }

  #open(): void {
    if (this.#isOpening || this.#isClosed || this.#opened !== undefined || this.#retry !== undefined) {
      return;
    }
    this.#isOpening = true;
    this.#attempts += 1;
    let lostEarly = false;
    const opening = openClient(this.#options.address, this.#redis, {
      onLost: (reason) => {
        lostEarly = true;
        if (this.#opened !== undefined) {
          this.#lost(reason);
        }
      },
      onChannelMoved: (channel) => this.#moved(channel),
    });
    opening.then(
      (client) => {
        this.#isOpening = false;
        if (this.#isClosed || lostEarly) {
          client.destroy();
          this.#openLater(false);
          return;
        }
        this.#failures.clear();
        this.#opened = { client, checks: new MasterChecks(client, this.#redis, this.#name), isVouched: false };
        void this.#begin(this.#opened);
      },
      (error: unknown) => {
        this.#isOpening = false;
        if (!this.#isClosed) {
          this.#failures.failed(this.#name, error);
        }
        this.#openLater(!(error instanceof RefusedServerError));
        this.#options.onTrouble();
      },
    );
  }

  /** Subscribes the channels once the server has passed the checks. */
  async #begin(opened: Opened): Promise<void> {
    await this.#check(opened, 1);
    if (opened !== this.#opened || opened.checks.countRefusal !== undefined) {
      return;
    }
    opened.isVouched = true;
    for (const { channel } of this.#channels.all()) {
      void this.#ask(channel, opened);
    }
  }

  #openLater(isWokenBySuccess: boolean): void {
    if (this.#isClosed || this.isIdle || this.#retry !== undefined) {
      return;
    }
    if (this.#attempts === 0 && this.#hurry.take(this.#redis.clock.monotonicMs())) {
      this.#open();
      return;
    }
    const options = { failures: Math.max(0, this.#attempts - 1), isWokenBySuccess };
    this.#retry = connectPacer.retry(this.#name, options, () => {
      this.#retry = undefined;
      this.#open();
    });
  }

  async #ask(channel: string, opened: Opened): Promise<void> {
    const subscription = this.#channels.get(channel);
    if (subscription?.state !== 'due' || this.#leaving.has(channel)) {
      return;
    }
    subscription.state = 'asked';
    const isOurs = () => this.#isOurs(opened, subscription);
    try {
      await opened.client.sSubscribe(channel, (message) => {
        if (isOurs() && subscription.state === 'live') {
          this.#listener.onMessage(channel, message);
        }
      });
    } catch (error) {
      this.#noteRefusal(error);
      if (isOurs() && subscription.state === 'asked') {
        // The slot has probably moved, so the next topology assigns the channel to its new owner.
        this.#channels.delete(channel);
        this.#options.onTrouble();
      }
      return;
    }
    if (isOurs() && subscription.state === 'asked') {
      subscription.state = 'live';
      this.#redis.refusals.succeeded({ node: this.#name, command: SUBSCRIBE, kind: 'other' });
      this.#listener.onLive(channel);
    }
  }

  /** Reports a refused SSUBSCRIBE. MOVED is ignored, because it only redirects to the new owner. */
  #noteRefusal(error: unknown): void {
    if (isServerAnswer(error) && !error.message.startsWith('MOVED ')) {
      const refusal = { node: this.#name, command: SUBSCRIBE, text: error.message };
      const isForbidden = codeOf(error) === 'NOPERM';
      isForbidden ? this.#options.onNotPermitted(refusal) : this.#redis.refusals.refused(refusal);
    }
  }

  #moved(channel: string): void {
    const wasLive = this.isLive(channel);
    if (this.#channels.delete(channel) && wasLive) {
      this.#listener.onLost(channel);
    }
    this.#options.onTrouble();
  }

  #lost(reason: string): void {
    const node = this.#name;
    this.#opened = undefined;
    this.#leaving.clear();
    this.#redis.metrics.connectionLost(node, reason);
    // Repeated attempts may fail for the same reason, which is logged once.
    if (this.#reportedReason !== reason) {
      this.#reportedReason = reason;
      this.#redis.log.warn({ node, role: this.#redis.role, reason }, 'lost the subscriber connection to a Redis node');
    }
    for (const { channel, state } of this.#channels.renew()) {
      if (state === 'live') {
        this.#listener.onLost(channel);
      }
    }
    this.#openLater(false);
    this.#options.onTrouble();
  }

  #reportHiddenRole({ checks }: Opened): void {
    if (checks.isRoleHidden && !this.#hasToldHiddenRole) {
      this.#hasToldHiddenRole = true;
      const fields = { node: this.#name, role: this.#redis.role };
      this.#redis.log.warn(
        fields,
        'cannot read the role of a Redis node with ROLE or INFO, so a demotion goes unnoticed',
      );
    }
  }
}
