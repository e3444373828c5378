/**
 * One connection to one node: it is kept up for ever, every command on it settles in time, and a node that went silent is noticed.
 *
 * Promises:
 *   1. `send` never waits for a connection: without one it rejects at once, `unavailable`, or `forbidden` when the last attempt
 *      to get in was refused (password, ACL).
 *   2. A command settles in its time (pending-command.ts), 10 ms later at most; if our event loop was blocked, after one more read of the sockets.
 *   3. A node from which nothing arrives while something is in flight is frozen (watchdog.ts): the connection is dropped.
 *   4. With the connection go its commands. A read goes on through its `recover`, and so does what was certainly not written; the others
 *      reject as `unknown`.
 *   5. Where `isVouching`, reads are only answered by a server that said to be a master (role-vouch.ts); one that is not is dropped as `demoted`.
 *   6. Commands whose replies are too large together wait for one another, in order (reply-budget.ts).
 *   7. Attempts to reconnect never end before `close`; the first after a loss begins at once, the others back off (connect-pacer.ts).
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

/** A connection that was lost sooner and never answered anything counts as another failed attempt. */
const STABLE_MS = 1_000;

/**
 * Commands in flight on one connection, in bytes: a node that went silent is noticed after 250 ms, in which large values could fill the
 * memory of the pod. One command of any size may always go.
 */
const MAX_IN_FLIGHT_BYTES = 67_108_864;

const NO_OPTIONS: SendOptions = {};

export interface ConnectionOptions {
  readonly address: NodeAddress;
  readonly redis: RedisOptions;
  /** Whether a replica at this address would answer reads. */
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
  /** node-redis writes in the next turn of the event loop: what was sent in this batch is certainly not written before that. */
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

  /** Whether it has to prove that it works. */
  get isProving(): boolean {
    return this.#watchdog.isProving;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Why the last attempt to get in was refused by the server, until one succeeds. */
  get refusal(): StoreError | undefined {
    return this.#failures.refusal;
  }

  /** Why the last attempt failed, until one succeeds. */
  get failureReason(): string | undefined {
    return this.#failures.reasons.get(this.name);
  }

  /**
   * Rejects with a StoreError, or with a ServerReply where the server answered with an error and nothing is given to `recover` from
   * that.
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
      return Promise.reject(new StoreError('deadline', 'the deadline was over before anything was sent'));
    }
    const bytes = bytesOf(command);
    const isTooMuch = this.#inFlightBytes > 0 && this.#inFlightBytes + bytes > MAX_IN_FLIGHT_BYTES;
    if (isTooMuch || this.#inFlight.size >= this.#redis.maxQueue) {
      return Promise.reject(new StoreError('unavailable', 'too much is in flight to the Redis node'));
    }
    const pending = new PendingCommand(bytes, deadlineAtMs, options);
    if (pending.expectedReplyBytes > 0 && !this.#budget.take(pending)) {
      if (!this.#budget.wait(pending, command)) {
        return Promise.reject(new StoreError('unavailable', 'too many large replies are expected from the Redis node'));
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

  /** Before anything is handed to node-redis, so that the batch is closed when it writes. */
  #openBatch(): void {
    if (!this.#isBatchOpen) {
      this.#isBatchOpen = true;
      setImmediate(this.#closeBatch);
    }
  }

  /** Something must arrive soon, or the connection is dropped as `silent`: another one of the same node was. */
  prove(): void {
    if (this.#state.kind === 'ready' && !this.#watchdog.isProving) {
      this.#openBatch();
      this.#watchdog.demandProof(this.#inFlightBytes);
      this.#state.client.send(['PING']).catch(() => undefined);
    }
  }

  /** Drops the connection as if it were lost, and reconnects. */
  drop(reason: string): void {
    if (this.#state.kind === 'ready') {
      const { client } = this.#state;
      this.#lost(reason, client);
      client.destroy();
    }
  }

  /** Does not wait any longer before the next attempt: the node was reached. */
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

  /** Takes nothing more; what is in flight may still be answered before the connection is closed. */
  retire(): void {
    const client = this.#end();
    for (const pending of this.#budget.clear()) {
      pending.lose(new LostConnection('retired', false), this.#redis.wheel);
    }
    if (client !== undefined && this.#inFlight.size > 0) {
      // What is in flight still settles in its time; the watchdog ends itself when there is nothing left.
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

  /** Whom the server let in, and lost or was refused, learns nothing from the success of others: they would wake one another for ever. */
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

  /** Those that waited for room among the replies. */
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
