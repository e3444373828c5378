/**
 * Watches: for each one who watches a namespace, what became void, in order, in a bounded queue.
 *
 * A watch is current while all channels of its namespace are live. Whenever that cannot be said, its user is told to drop
 * everything (`flush`), once when it is lost and once when all is well again: what the user kept in between may be wrong too.
 *
 * Promises:
 *   1. From the moment `started` is true, everything that was voided is in the queue, or a flush after it is.
 *   2. The queue holds `maxQueue` events at most; the event that would not fit becomes a flush in place of them all.
 *   3. `confirm` is true only when every event of before it was handed over (`markDelivered`), and the watch was current.
 */
import { randomInt } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import type { StoreError } from '../lib/store-error.ts';
import type { BusAction, BusEvent } from './bus.ts';
import type { Channel, HubListener, InvalidationHub } from './invalidation-hub.ts';

export type WatchEvent =
  /** `version`: of the value that a CacheSet stored; undefined for an invalidation. */
  | { readonly kind: 'key'; readonly key: Buffer; readonly version: Buffer | undefined }
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'flush' };

export interface InvalidationWatchesOptions {
  readonly hub: InvalidationHub;
  readonly clock: Clock;
  readonly maxWatches?: number;
  readonly maxQueue?: number;
}

const MAX_WATCHES = 64;
const MAX_QUEUE = 1_024;
/** A timer of more than this fires at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
const FLUSH: WatchEvent = { kind: 'flush' };

export class InvalidationWatches implements HubListener {
  readonly #hub: InvalidationHub;
  readonly #clock: Clock;
  readonly #maxWatches: number;
  readonly #maxQueue: number;
  readonly #byId = new Map<number, InvalidationWatch>();

  constructor(options: InvalidationWatchesOptions) {
    this.#hub = options.hub;
    this.#clock = options.clock;
    this.#maxWatches = options.maxWatches ?? MAX_WATCHES;
    this.#maxQueue = options.maxQueue ?? MAX_QUEUE;
    this.#hub.addListener(this);
  }

  get count(): number {
    return this.#byId.size;
  }

  get maxWatches(): number {
    return this.#maxWatches;
  }

  /** Why a watch that is open cannot start until an operator acts. */
  get refusal(): StoreError | undefined {
    return this.#hub.refusal;
  }

  /** A watch that has yet to start, or undefined when there are as many as there may be. `close` it. */
  open(namespace: string): InvalidationWatch | undefined {
    if (this.#byId.size >= this.#maxWatches) {
      return undefined;
    }
    const id = this.#freeId();
    const watch = new InvalidationWatch({
      id,
      namespace,
      maxQueue: this.#maxQueue,
      channels: this.#hub.holdNamespace(namespace),
      onClose: () => this.#close(id),
    });
    this.#byId.set(id, watch);
    return watch;
  }

  /** Whether the watch is current and its user has been handed everything that was voided before this call. */
  async confirm(id: number, deadlineAtMs: number): Promise<boolean> {
    const watch = this.#byId.get(id);
    if (watch === undefined || !watch.isCurrent) {
      return false;
    }
    if (!(await this.#hub.barrier(deadlineAtMs))) {
      return false;
    }
    const handedOver = await watch.waitUntilDelivered(Math.max(0, deadlineAtMs - this.#clock.monotonicMs()));
    return handedOver && watch.isCurrent && this.#byId.get(id) === watch;
  }

  onChannel(channel: Channel, event: BusEvent, action: BusAction): void {
    if (channel.watchCount === 0) {
      return;
    }
    for (const watch of this.#byId.values()) {
      if (watch.namespace === channel.namespace) {
        watch.onChannel(channel, event, action);
      }
    }
  }

  closeAll(): void {
    for (const watch of [...this.#byId.values()]) {
      watch.close();
    }
  }

  #close(id: number): void {
    const watch = this.#byId.get(id);
    if (watch !== undefined) {
      this.#byId.delete(id);
      this.#hub.releaseNamespace(watch.channels);
    }
  }

  /** Random, so that an id of before a restart is unknown rather than somebody else's. */
  #freeId(): number {
    let id = randomInt(1, 2 ** 48 - 1);
    while (this.#byId.has(id)) {
      id = randomInt(1, 2 ** 48 - 1);
    }
    return id;
  }
}

export interface InvalidationWatchOptions {
  readonly id: number;
  readonly namespace: string;
  readonly maxQueue: number;
  readonly channels: readonly Channel[];
  readonly onClose: () => void;
}

export class InvalidationWatch {
  readonly id: number;
  readonly namespace: string;
  readonly channels: readonly Channel[];
  readonly #maxQueue: number;
  readonly #onClose: () => void;
  #queue: WatchEvent[] = [];
  #liveCount: number;
  #isStarted = false;
  #isClosed = false;
  /** How many events were queued so far, how many of these taken or replaced by a flush that was, and handed over. */
  #queuedCount = 0;
  #takenCount = 0;
  #deliveredCount = 0;
  readonly #wakeUps = new Set<() => void>();

  constructor(options: InvalidationWatchOptions) {
    this.id = options.id;
    this.namespace = options.namespace;
    this.channels = options.channels;
    this.#maxQueue = options.maxQueue;
    this.#onClose = options.onClose;
    this.#liveCount = this.channels.filter((channel) => channel.state.live).length;
  }

  get isCurrent(): boolean {
    return this.#isStarted && !this.#isClosed && this.#isLive;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get queueLength(): number {
    return this.#queue.length;
  }

  /** Resolves true once all channels are live, and from then on the queue fills; false after `timeoutMs` or `close`. */
  async start(timeoutMs: number): Promise<boolean> {
    await this.#waitFor(() => this.#isLive, timeoutMs);
    this.#isStarted = this.#isLive && !this.#isClosed;
    return this.#isStarted;
  }

  /** The next events, none when there are none; after handing them over call `markDelivered`. */
  take(): WatchEvent[] {
    const events = this.#queue;
    this.#queue = [];
    this.#takenCount = this.#queuedCount;
    return events;
  }

  /** Everything that was taken has been handed over. */
  markDelivered(): void {
    this.#deliveredCount = this.#takenCount;
    this.#wake();
  }

  /** Resolves once there is something to take or the watch is closed. */
  async waitForEvents(): Promise<void> {
    await this.#waitFor(() => this.#queue.length > 0, undefined);
  }

  async waitUntilDelivered(timeoutMs: number): Promise<boolean> {
    const target = this.#queuedCount;
    await this.#waitFor(() => this.#deliveredCount >= target, timeoutMs);
    return this.#deliveredCount >= target && !this.#isClosed;
  }

  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#queue = [];
      this.#onClose();
      this.#wake();
    }
  }

  onChannel(channel: Channel, event: BusEvent, action: BusAction): void {
    if (event.kind === 'live' || event.kind === 'lost') {
      this.#onLiveness(event.kind, action);
      return;
    }
    if (!this.#isStarted || action.kind === 'none' || action.kind === 'refuse') {
      return;
    }
    if (action.kind === 'flush' && action.cause !== 'first') {
      this.#pushFlush();
      return;
    }
    const versionText = event.kind === 'message' ? event.message?.version : undefined;
    const version = versionText === undefined ? undefined : Buffer.from(versionText, 'latin1');
    for (const name of action.names) {
      const bytes = Buffer.from(name, 'latin1');
      this.#push(channel.isTag ? { kind: 'tag', tag: bytes.toString() } : { kind: 'key', key: bytes, version });
    }
  }

  get #isLive(): boolean {
    return this.#liveCount === this.channels.length;
  }

  #onLiveness(kind: 'live' | 'lost', action: BusAction): void {
    const wasLive = this.#isLive;
    // Live that voids was live before; lost that voids nothing was lost before.
    if (kind === 'live' && action.kind === 'none') {
      this.#liveCount += 1;
    } else if (kind === 'lost' && action.kind === 'flush') {
      this.#liveCount -= 1;
    }
    if (this.#isStarted && (wasLive || this.#isLive)) {
      this.#pushFlush();
    }
    this.#wake();
  }

  #push(event: WatchEvent): void {
    if (this.#queue.length >= this.#maxQueue) {
      this.#pushFlush();
      return;
    }
    this.#queue.push(event);
    this.#queuedCount += 1;
    this.#wake();
  }

  #pushFlush(): void {
    // It stands for all that waited as well.
    this.#queue = [FLUSH];
    this.#queuedCount += 1;
    this.#wake();
  }

  async #waitFor(isDone: () => boolean, timeoutMs: number | undefined): Promise<void> {
    let isLate = false;
    let wakeUp = () => {};
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(
            () => {
              isLate = true;
              wakeUp();
            },
            Math.min(timeoutMs, MAX_TIMEOUT_MS),
          );
    while (!isDone() && !isLate && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        wakeUp = resolve;
        this.#wakeUps.add(resolve);
      });
      this.#wakeUps.delete(wakeUp);
    }
    clearTimeout(timer);
  }

  #wake(): void {
    for (const wakeUp of this.#wakeUps) {
      wakeUp();
    }
  }
}
