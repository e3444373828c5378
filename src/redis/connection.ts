/**
 * Maintains one connection to one node, settles every command of the connection in time, and detects when the node
 * stops responding.
 *
 * Invariants:
 *   1. `send` never waits for a connection. If there is no connection, `send` rejects at once with `unavailable`, or
 *      with `forbidden` if Redis refused the last login (password, ACL).
 *   2. A command settles within its time limit (pending-command.ts) plus 10 ms. If our event loop was blocked, the
 *      process reads its sockets once before the command fails.
 *   3. If commands are in flight and no bytes arrive, the node is considered frozen and the connection is dropped
 *      (watchdog.ts).
 *   4. If the connection is lost, `recover` handles reads and all commands that were certainly not written. Every other
 *      command rejects with `unknown`.
 *   5. If `isVouching` returns true, a reply to a read is accepted only if the server has recently reported that it is
 *      a master (role-vouch.ts). A connection to a replica is dropped as `demoted`.
 *   6. While the expected replies in flight use up the reply budget, further reads are queued and later sent in order
 *      (reply-budget.ts).
 *   7. Reconnection attempts continue until `close` is called. The first attempt after a loss starts at once, and later
 *      attempts back off (connect-pacer.ts).
 */
import { ErrorReply } from '@redis/client';
import { StoreError } from '../lib/store-error.ts';
import { addressText, type NodeAddress } from './address.ts';
import { type OpenClient, openClient, wasNeverTaken } from './client.ts';
import { bytesOf } from './command-bytes.ts';
import type { RedisArgument, RedisReply } from './commands.ts';
import { ConnectFailures } from './connect-failure.ts';
import { connectPacer, Hurry, type Retry } from './connect-pacer.ts';
import { InFlight } from './in-flight.ts';
import { LostConnection } from './lost-connection.ts';
import type { RedisOptions } from './options.ts';
import { PendingCommand, type SendOptions } from './pending-command.ts';
import { CONNECT } from './refusal-log.ts';
import { RefusedServerError } from './refused-server.ts';
import { ReplyBudget } from './reply-budget.ts';
import { RoleVouch } from './role-vouch.ts';
import { ServerReply } from './server-reply.ts';
import { WATCH_MS, Watchdog } from './watchdog.ts';

/** Minimum lifetime of a connection that received no bytes. A shorter lifetime is treated as a failed attempt. */
const STABLE_MS = 1_000;

/**
 * Maximum number of bytes in flight. The limit bounds the memory in use until the watchdog detects a silent node (250
 * ms). A single command may exceed the limit.
 */
const MAX_IN_FLIGHT_BYTES = 67_108_864;

const NO_OPTIONS: SendOptions = {};

export interface ConnectionOptions {
  readonly address: NodeAddress;
  readonly redis: RedisOptions;
  /** Returns whether the server must prove its role, because a replica at this address would answer reads. */
  readonly isVouching: () => boolean;
  readonly onReady: () => void;
  readonly onLost: (reason: string) => void;
}

type State =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'ready'; readonly client: OpenClient }
  | { readonly kind: 'waiting'; readonly retry: Retry }
  | { readonly kind: 'closed' };

export class RedisConnection {
  readonly name: string;
  readonly #options: ConnectionOptions;
  readonly #redis: RedisOptions;
  readonly #inFlight = new InFlight<PendingCommand>();
  readonly #budget = new ReplyBudget();
  readonly #watchdog: Watchdog;
  readonly #vouch: RoleVouch;
  #inFlightBytes = 0;
  #state: State = { kind: 'connecting' };
  #failedAttempts = 0;
  #hasBeenReady = false;
  #readyAtMs = 0;
  #readyAtBytes = 0;
  readonly #hurry = new Hurry();
  readonly #failures: ConnectFailures;
  /** Number of the current write batch. node-redis writes the batch in the next turn of the event loop. */
  #batch = 0;
  #isBatchOpen = false;
  readonly #closeBatch = (): void => {
    this.#isBatchOpen = false;
    this.#batch += 1;
  };

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#redis = options.redis;
    this.name = addressText(options.address);
    const { clock, commandTimeoutMs, role, isTls, log, refusals } = options.redis;
    this.#failures = new ConnectFailures({ role, isTls, log, command: CONNECT, refusals: () => [refusals] });
    this.#watchdog = new Watchdog({
      clock,
      commandTimeoutMs,
      inFlight: this.#inFlight,
      onSilent: () => this.drop('silent'),
    });
    this.#vouch = new RoleVouch({ isNeeded: options.isVouching, onReplica: () => this.drop('demoted') });
    void this.#connect();
  }

  get isReady(): boolean {
    return this.#state.kind === 'ready';
  }

  /** Whether a PING that tests the connection is still unanswered. */
  get isProving(): boolean {
    return this.#watchdog.isProving;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Reason why the server refused the last login; undefined after a successful login. */
  get refusal(): StoreError | undefined {
    return this.#failures.refusal;
  }

  /** Reason why the last attempt failed; undefined after a successful attempt. */
  get failureReason(): string | undefined {
    return this.#failures.reasons.get(this.name);
  }

  /**
   * Sends a command. Rejects with a StoreError, or with a ServerReply if the server answered with an error and
   * `options` has no `recover`.
   */
  send(
    command: readonly RedisArgument[],
    deadlineAtMs: number,
    options: SendOptions = NO_OPTIONS,
  ): Promise<RedisReply> {
    if (this.#state.kind !== 'ready') {
      return Promise.reject(this.refusal ?? new LostConnection('away', false));
    }
    const nowMs = this.#redis.clock.monotonicMs();
    if (deadlineAtMs <= nowMs) {
      return Promise.reject(new StoreError('deadline', 'the deadline expired before the command was sent'));
    }
    const bytes = bytesOf(command);
    const isTooMuch = this.#inFlightBytes > 0 && this.#inFlightBytes + bytes > MAX_IN_FLIGHT_BYTES;
    if (isTooMuch || this.#inFlight.size >= this.#redis.maxQueue) {
      return Promise.reject(new StoreError('unavailable', 'too many commands are in flight to the Redis node'));
    }
    const pending = new PendingCommand(bytes, deadlineAtMs, options);
    if (pending.expectedReplyBytes > 0 && !this.#budget.take(pending)) {
      if (!this.#budget.wait(pending, command)) {
        return Promise.reject(
          new StoreError('unavailable', 'too many reads of large values are queued for the Redis node'),
        );
      }
      this.#limit(pending, () => deadlineAtMs);
      return pending.promise;
    }
    const { client } = this.#state;
    this.#write(client, pending, command, nowMs);
    const { endMs = deadlineAtMs } = options;
    if (endMs < nowMs + this.#redis.commandTimeoutMs) {
      this.#limit(pending, () => pending.dueMs(endMs, client.bytesRead()));
    }
    return pending.promise;
  }

  #limit(pending: PendingCommand, dueMs: () => number): void {
    const { clock, wheel } = this.#redis;
    pending.limit(dueMs, wheel, () => clock.monotonicMs());
  }

  #write(client: OpenClient, pending: PendingCommand, command: readonly RedisArgument[], nowMs: number): void {
    this.#openBatch();
    if (pending.isRead) {
      this.#vouch.precede(nowMs);
    }
    if (pending.isAsking) {
      client.send(['ASKING']).catch(() => undefined);
    }
    pending.sent(nowMs, this.#inFlightBytes, client.bytesRead());
    this.#inFlightBytes += pending.bytes;
    this.#inFlight.add(pending);
    this.#watchdog.start();
    client.send(command).then(
      (reply) => this.#answered(pending, reply),
      (error: unknown) => this.#failed(pending, error),
    );
    pending.batch = this.#batch;
  }

  /** Opens a batch before a command is passed to node-redis, so that the batch closes when node-redis writes. */
  #openBatch(): void {
    if (!this.#isBatchOpen) {
      this.#isBatchOpen = true;
      setImmediate(this.#closeBatch);
    }
  }

  /** Sends a PING. Drops the connection as `silent` unless bytes arrive soon. */
  prove(): void {
    if (this.#state.kind === 'ready' && !this.#watchdog.isProving) {
      this.#openBatch();
      this.#watchdog.demandProof(this.#inFlightBytes);
      this.#state.client.send(['PING']).catch(() => undefined);
    }
  }

  /** Drops the connection as if it had been lost, and reconnects. */
  drop(reason: string): void {
    if (this.#state.kind === 'ready') {
      const { client } = this.#state;
      this.#lost(reason, client);
      client.destroy();
    }
  }

  /** Reconnects at once, because another connection has just reached the node. */
  reconnectNow(): void {
    if (this.#state.kind === 'waiting') {
      this.#state.retry.now();
    }
  }

  close(): void {
    const client = this.#end();
    for (const pending of [...this.#inFlight.values(), ...this.#budget.clear()]) {
      this.#forget(pending);
      pending.reject(new LostConnection('closed', pending.unsent === undefined), this.#redis.wheel);
    }
    client?.destroy();
  }

  /** Stops accepting commands. Commands in flight may still complete before the connection is closed. */
  retire(): void {
    const client = this.#end();
    for (const pending of this.#budget.clear()) {
      pending.lose(new LostConnection('retired', false), this.#redis.wheel);
    }
    if (client !== undefined && this.#inFlight.size > 0) {
      // The watchdog still enforces the time limits of the commands in flight, and stops itself after the last of these
      // commands.
      this.#watchdog.start();
      setTimeout(() => client.destroy(), this.#redis.commandTimeoutMs + WATCH_MS);
    } else {
      client?.destroy();
    }
  }

  #end(): OpenClient | undefined {
    const state = this.#state;
    this.#state = { kind: 'closed' };
    this.#watchdog.stop();
    if (state.kind === 'waiting') {
      state.retry.cancel();
    }
    return state.kind === 'ready' ? state.client : undefined;
  }

  async #connect(): Promise<void> {
    this.#state = { kind: 'connecting' };
    let lostEarly = false;
    try {
      const client = await openClient(this.#options.address, this.#redis, {
        onLost: (reason) => {
          lostEarly = true;
          if (this.#state.kind === 'ready') {
            this.#lost(reason, this.#state.client);
          }
        },
      });
      if (this.#isClosed() || lostEarly) {
        client.destroy();
        this.#retryLater(false);
        return;
      }
      this.#becomeReady(client);
    } catch (error) {
      if (!this.#isClosed()) {
        this.#failures.failed(this.name, error);
      }
      this.#retryLater(!(error instanceof RefusedServerError));
    }
  }

  #becomeReady(client: OpenClient): void {
    this.#state = { kind: 'ready', client };
    this.#readyAtMs = this.#redis.clock.monotonicMs();
    this.#readyAtBytes = client.bytesRead();
    this.#watchdog.attach(client.bytesRead);
    this.#vouch.attach(client);
    this.#failures.clear();
    if (this.#hasBeenReady) {
      this.#redis.metrics.reconnected(this.name);
    }
    this.#hasBeenReady = true;
    this.#redis.log.info({ node: this.name, role: this.#redis.role }, 'connected to a Redis node');
    this.#options.onReady();
  }

  #lost(reason: string, client: OpenClient): void {
    this.#redis.metrics.connectionLost(this.name, reason);
    this.#redis.log.warn({ node: this.name, role: this.#redis.role, reason }, 'lost the connection to a Redis node');
    this.#watchdog.stop();
    const nowMs = this.#redis.clock.monotonicMs();
    const hasServed = client.bytesRead() > this.#readyAtBytes || nowMs - this.#readyAtMs >= STABLE_MS;
    this.#failedAttempts = hasServed ? 0 : this.#failedAttempts;
    if (hasServed && this.#hurry.take(nowMs)) {
      void this.#connect();
    } else {
      this.#retryLater(false);
    }
    this.#options.onLost(reason);
    for (const pending of [...this.#inFlight.values()]) {
      this.#forget(pending);
      const wasSent = !this.#isBatchOpen || pending.batch !== this.#batch;
      pending.lose(new LostConnection(reason, wasSent), this.#redis.wheel);
    }
    for (const pending of this.#budget.clear()) {
      pending.lose(new LostConnection(reason, false), this.#redis.wheel);
    }
  }

  /**
   * Schedules the next attempt. Connections that the server accepted and then closed, and connections to a server that
   * the sidecar refuses, must not start each other's attempts, because these attempts would never stop.
   */
  #retryLater(isWokenBySuccess: boolean): void {
    if (this.#isClosed()) {
      return;
    }
    const options = { failures: this.#failedAttempts, isWokenBySuccess };
    const retry = connectPacer.retry(this.name, options, () => void this.#connect());
    this.#failedAttempts += 1;
    this.#state = { kind: 'waiting', retry };
  }

  #answered(pending: PendingCommand, reply: RedisReply): void {
    const nowMs = this.#redis.clock.monotonicMs();
    if (pending.isRead && !pending.isSettled && !this.#vouch.covers(nowMs)) {
      this.#vouch.hold(nowMs, (isVouched) => this.#vouched(pending, reply, isVouched));
      return;
    }
    this.#settled(pending, nowMs);
    pending.resolve(reply, this.#redis.wheel);
  }

  #vouched(pending: PendingCommand, reply: RedisReply, isVouched: boolean): void {
    this.#settled(pending, this.#redis.clock.monotonicMs());
    if (isVouched) {
      pending.resolve(reply, this.#redis.wheel);
    } else {
      pending.lose(new LostConnection('role unknown', true), this.#redis.wheel);
    }
  }

  #failed(pending: PendingCommand, error: unknown): void {
    if (error instanceof ErrorReply) {
      this.#settled(pending, this.#redis.clock.monotonicMs());
      pending.refuse(new ServerReply(error), this.#redis.wheel);
      return;
    }
    this.#forget(pending);
    pending.lose(new LostConnection('lost', !wasNeverTaken(error), error), this.#redis.wheel);
  }

  #settled(pending: PendingCommand, nowMs: number): void {
    this.#forget(pending);
    this.#redis.metrics.roundTrip(this.name, nowMs - pending.sentAtMs);
  }

  #forget(pending: PendingCommand): void {
    if (this.#inFlight.remove(pending)) {
      this.#inFlightBytes -= pending.bytes;
      if (pending.expectedReplyBytes > 0) {
        this.#budget.release(pending);
        this.#sendWaiting();
      }
    }
  }

  /** Sends queued reads as long as their expected replies fit into the reply budget. */
  #sendWaiting(): void {
    while (this.#state.kind === 'ready' && this.#inFlight.size < this.#redis.maxQueue) {
      const pending = this.#budget.next();
      const command = pending?.unsent;
      if (pending === undefined || command === undefined) {
        return;
      }
      pending.unsent = undefined;
      const nowMs = this.#redis.clock.monotonicMs();
      this.#write(this.#state.client, pending, command, nowMs);
    }
  }

  #isClosed(): boolean {
    return this.#state.kind === 'closed';
  }
}
