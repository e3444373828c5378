/**
 * One connection to one node: it is kept up for ever, every command on it settles in time, and a node that went silent is noticed.
 *
 * Promises:
 *   1. `send` never waits for a connection: without one it rejects at once, `unavailable`, or `forbidden` when the last attempt
 *      to get in was refused (password, ACL).
 *   2. A command settles by min(its deadline, `commandTimeoutMs`) from when it was sent, 10 ms later at most; when this process
 *      itself stood still, after one more look at the sockets.
 *   3. When something has been in flight for `commandTimeoutMs` and nothing at all came back in that time, the node is frozen: the
 *      connection is dropped, all that is in flight rejects as `unknown`, and reconnecting begins. A node that is merely slow
 *      still answers something.
 *   4. Attempts to reconnect never end before `close`, are jittered, and 250 ms apart at most. `onChange` hears of up and down.
 */
import { ErrorReply } from '@redis/client';
import { backoffMs } from '../lib/backoff.ts';
import { StoreError } from '../lib/store-error.ts';
import { addressText, type NodeAddress } from './address.ts';
import { type OpenClient, openClient, wasNeverTaken } from './client.ts';
import type { RedisArgument, RedisReply } from './commands.ts';
import { ConnectFailures } from './connect-failure.ts';
import { InFlight } from './in-flight.ts';
import type { RedisOptions } from './options.ts';
import { PendingCommand, type Recover } from './pending-command.ts';
import { loginRefusalOf } from './server-error.ts';
import { ServerReply } from './server-reply.ts';

const BACKOFF = { firstMs: 25, maxMs: 250 };
/** A connection that was lost sooner counts as another failed attempt: a server that accepts and hangs up is not hurried. */
const STABLE_MS = 1_000;
/** How often a connection with something in flight is looked at. */
const WATCH_MS = 10;
/** A look that comes so much later than the one before says that this process stood still. */
const LATE_MS = 50;

/**
 * Commands in flight on one connection, in bytes: a node that went silent is noticed after 250 ms, in which large values could fill the
 * memory of the pod. One command of any size may always go.
 */
const IN_FLIGHT_BYTES_MAX = 67_108_864;

const NO_OPTIONS = {};

export interface ConnectionOptions {
  readonly address: NodeAddress;
  readonly redis: RedisOptions;
  readonly onChange: (isReady: boolean) => void;
}

type State =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'ready'; readonly client: OpenClient }
  | { readonly kind: 'waiting'; readonly timer: NodeJS.Timeout }
  | { readonly kind: 'closed' };

export class RedisConnection {
  readonly name: string;
  readonly #address: NodeAddress;
  readonly #redis: RedisOptions;
  readonly #onChange: (isReady: boolean) => void;
  readonly #inFlight = new InFlight<PendingCommand>();
  #inFlightBytes = 0;
  #state: State = { kind: 'connecting' };
  #attempt = 0;
  #hasBeenReady = false;
  #readyAtMs = 0;
  #refusal: StoreError | undefined;
  readonly #failures = new ConnectFailures();
  #lastReplyMs = 0;
  #watch: NodeJS.Timeout | undefined;
  #watchedAtMs = 0;

  constructor(options: ConnectionOptions) {
    this.#address = options.address;
    this.#redis = options.redis;
    this.#onChange = options.onChange;
    this.name = addressText(options.address);
    void this.#connect();
  }

  get isReady(): boolean {
    return this.#state.kind === 'ready';
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Why the last attempt to get in was refused by the server, until one succeeds. */
  get refusal(): StoreError | undefined {
    return this.#refusal;
  }

  /**
   * Rejects with a StoreError, or with a ServerReply where the server answered with an error and nothing is given to `recover` from
   * that. `isAsking` sends ASKING before it.
   */
  send(
    command: readonly RedisArgument[],
    deadlineAtMs: number,
    options: { recover?: Recover; isAsking?: boolean } = NO_OPTIONS,
  ): Promise<RedisReply> {
    if (this.#state.kind !== 'ready') {
      return Promise.reject(this.#refusal ?? new StoreError('unavailable', 'there is no connection to the Redis node'));
    }
    const { clock, wheel, commandTimeoutMs, queueMax } = this.#redis;
    const nowMs = clock.monotonicMs();
    if (deadlineAtMs <= nowMs) {
      return Promise.reject(new StoreError('deadline', 'the deadline was over before anything was sent'));
    }
    const bytes = bytesOf(command);
    const isTooMuch = this.#inFlightBytes > 0 && this.#inFlightBytes + bytes > IN_FLIGHT_BYTES_MAX;
    if (isTooMuch || this.#inFlight.size >= queueMax) {
      return Promise.reject(new StoreError('unavailable', 'too much is in flight to the Redis node'));
    }
    const pending = new PendingCommand({ sentAtMs: nowMs, bytes, recover: options.recover });
    this.#inFlightBytes += bytes;
    if (deadlineAtMs < nowMs + commandTimeoutMs) {
      pending.limit(deadlineAtMs, wheel, () => clock.monotonicMs());
    }
    this.#inFlight.add(pending);
    this.#startWatch();
    const { client } = this.#state;
    if (options.isAsking === true) {
      client.send(['ASKING']).catch(() => undefined);
    }
    client.send(command).then(
      (reply) => this.#answered(pending, reply),
      (error: unknown) => this.#failed(pending, error),
    );
    return pending.promise;
  }

  /** Drops the connection as if it were lost, and reconnects. */
  drop(reason: string): void {
    if (this.#state.kind === 'ready') {
      const { client } = this.#state;
      this.#lost(reason);
      client.destroy();
    }
  }

  close(): void {
    const client = this.#end();
    this.#rejectAll('the Redis connection was closed');
    client?.destroy();
  }

  /** Takes nothing more; what is in flight may still be answered before the connection is closed. */
  retire(): void {
    const isWatched = this.#watch !== undefined;
    const client = this.#end();
    if (isWatched && client !== undefined) {
      // What is in flight still settles in its time; the watch ends itself when there is nothing left.
      this.#startWatch();
    }
    if (client !== undefined && this.#inFlight.size > 0) {
      setTimeout(() => client.destroy(), this.#redis.commandTimeoutMs + WATCH_MS);
    } else {
      client?.destroy();
    }
  }

  #end(): OpenClient | undefined {
    const state = this.#state;
    this.#state = { kind: 'closed' };
    this.#stopWatch();
    if (state.kind === 'waiting') {
      clearTimeout(state.timer);
    }
    return state.kind === 'ready' ? state.client : undefined;
  }

  async #connect(): Promise<void> {
    this.#state = { kind: 'connecting' };
    let lostEarly = false;
    try {
      const client = await openClient(this.#address, this.#redis, {
        onLost: (reason) => {
          lostEarly = true;
          if (this.#state.kind === 'ready') {
            this.#lost(reason);
          }
        },
      });
      if (this.#isClosed() || lostEarly) {
        client.destroy();
        this.#retryLater();
        return;
      }
      this.#becomeReady(client);
    } catch (error) {
      this.#refused(error);
      this.#retryLater();
    }
  }

  #becomeReady(client: OpenClient): void {
    this.#state = { kind: 'ready', client };
    this.#readyAtMs = this.#redis.clock.monotonicMs();
    this.#refusal = undefined;
    this.#failures.clear();
    if (this.#hasBeenReady) {
      this.#redis.metrics.reconnected(this.name);
    }
    this.#hasBeenReady = true;
    this.#redis.log.info({ node: this.name, role: this.#redis.role }, 'connected to a Redis node');
    this.#onChange(true);
  }

  #lost(reason: string): void {
    this.#redis.metrics.connectionLost(this.name, reason);
    this.#redis.log.warn({ node: this.name, role: this.#redis.role, reason }, 'lost the connection to a Redis node');
    this.#rejectAll('the connection to the Redis node was lost before it answered');
    this.#stopWatch();
    if (this.#redis.clock.monotonicMs() - this.#readyAtMs >= STABLE_MS) {
      this.#attempt = 0;
    }
    this.#retryLater();
    this.#onChange(false);
  }

  #retryLater(): void {
    if (this.#isClosed()) {
      return;
    }
    const timer = setTimeout(() => void this.#connect(), backoffMs(this.#attempt, BACKOFF));
    timer.unref();
    this.#attempt += 1;
    this.#state = { kind: 'waiting', timer };
  }

  #refused(error: unknown): void {
    const refusal = loginRefusalOf(error);
    if (refusal !== undefined && this.#refusal?.serverCode !== refusal.serverCode) {
      this.#redis.log.error({ node: this.name, role: this.#redis.role, code: refusal.serverCode }, refusal.message);
    }
    this.#refusal = refusal;
    if (refusal === undefined && !this.#isClosed()) {
      this.#failures.tell(this.#redis.log, { node: this.name, role: this.#redis.role }, error);
    }
  }

  #answered(pending: PendingCommand, reply: RedisReply): void {
    this.#settled(pending);
    pending.resolve(reply, this.#redis.wheel);
  }

  #failed(pending: PendingCommand, error: unknown): void {
    if (error instanceof ErrorReply) {
      this.#settled(pending);
      pending.refuse(new ServerReply(error), this.#redis.wheel);
      return;
    }
    this.#forget(pending);
    // Of what node-redis had taken when the connection went it does not say how much was written.
    const kind = wasNeverTaken(error) ? 'unavailable' : 'unknown';
    pending.reject(
      new StoreError(kind, 'the connection to the Redis node was lost', { cause: error }),
      this.#redis.wheel,
    );
  }

  #settled(pending: PendingCommand): void {
    const nowMs = this.#redis.clock.monotonicMs();
    this.#lastReplyMs = nowMs;
    this.#forget(pending);
    this.#redis.metrics.roundTrip(this.name, nowMs - pending.sentAtMs);
  }

  #forget(pending: PendingCommand): void {
    if (this.#inFlight.remove(pending)) {
      this.#inFlightBytes -= pending.bytes;
    }
  }

  #rejectAll(detail: string): void {
    for (const pending of [...this.#inFlight.values()]) {
      this.#forget(pending);
      pending.reject(new StoreError('unknown', detail), this.#redis.wheel);
    }
  }

  #startWatch(): void {
    if (this.#watch === undefined) {
      this.#watchedAtMs = this.#redis.clock.monotonicMs();
      this.#watch = setInterval(() => this.#look(), WATCH_MS);
      this.#watch.unref();
    }
  }

  #stopWatch(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
  }

  #look(): void {
    const nowMs = this.#redis.clock.monotonicMs();
    const isLate = nowMs - this.#watchedAtMs > LATE_MS;
    this.#watchedAtMs = nowMs;
    if (this.#inFlight.size === 0) {
      // Not at each last reply: where commands come one by one the interval would be made anew for each.
      this.#stopWatch();
    } else if (isLate) {
      // The answers may lie unread: sockets are read once before this is judged.
      setImmediate(() => this.#judge());
    } else {
      this.#judge();
    }
  }

  #judge(): void {
    const { clock, commandTimeoutMs } = this.#redis;
    const overdueSinceMs = clock.monotonicMs() - commandTimeoutMs;
    let hasOverdue = false;
    for (const pending of this.#inFlight.values()) {
      if (pending.sentAtMs > overdueSinceMs) {
        break;
      }
      hasOverdue = true;
      pending.giveUp();
    }
    if (hasOverdue && this.#lastReplyMs <= overdueSinceMs) {
      this.drop('silent');
    }
  }

  #isClosed(): boolean {
    return this.#state.kind === 'closed';
  }
}

/** About what a command takes: characters of text, bytes of buffers. */
function bytesOf(command: readonly RedisArgument[]): number {
  let bytes = 0;
  for (const argument of command) {
    bytes += argument.length;
  }
  return bytes;
}
