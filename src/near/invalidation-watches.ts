/**
 * Queues the invalidations of a namespace for each watch, in order.
 *
 * A watch is current while all channels of its namespace are live. If a channel is lost, the watch reports a `flush`.
 * The watch reports another `flush` once all channels are live again, because the application may have cached stale
 * values in between.
 *
 * Invariants:
 *   1. After `start` has resolved to true, the watch adds every invalidation to the queue. Only a later flush may
 *      replace a queued invalidation.
 *   2. The queue contains at most `maxQueue` events. If another event does not fit, one flush replaces all queued
 *      events.
 *   3. `confirm` resolves to true only if the watch is current and every earlier event was delivered (`markDelivered`).
 */
import { randomInt } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import type { StoreError } from '../lib/store-error.ts';
import type { BusAction, BusEvent } from './bus.ts';
import type { Channel, HubListener, InvalidationHub } from './invalidation-hub.ts';

export type WatchEvent =
  /** A key has changed. `version` is the version of the value that CacheSet stored; undefined for an invalidation. */
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
/** Maximum delay of a timer, in ms. Node.js fires a timer with a longer delay immediately. */
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

  /** Error that prevents watches from starting until an operator acts; undefined if there is none. */
  get refusal(): StoreError | undefined {
    return this.#hub.refusal;
  }

  /**
   * Opens a watch, or returns undefined if `maxWatches` are open. Callers must first call `start` on the watch, and
   * call `close` at the end.
   */
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

  /** Returns whether the watch is current and all invalidations before this call were delivered to its application. */
  async confirm(id: number, deadlineAtMs: number): Promise<boolean> {
    const watch = this.#byId.get(id);
    if (watch === undefined || !watch.isCurrent) {
      return false;
    }
    if (!(await this.#hub.barrier(deadlineAtMs))) {
      return false;
    }
    const isDelivered = await watch.waitUntilDelivered(Math.max(0, deadlineAtMs - this.#clock.monotonicMs()));
    return isDelivered && watch.isCurrent && this.#byId.get(id) === watch;
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

  /** Returns a random unused id, so that an id from before a restart never identifies the watch of another caller. */
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
  /** Number of events queued so far. The counts of taken and delivered events include events that a flush replaced. */
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

  /**
   * Resolves to true once all channels are live. From then on, the watch queues events. Resolves to false on timeout or
   * `close`.
   */
  async start(timeoutMs: number): Promise<boolean> {
    await this.#waitFor(() => this.#isLive, timeoutMs);
    this.#isStarted = this.#isLive && !this.#isClosed;
    return this.#isStarted;
  }

  /** Removes all queued events and returns them. Callers call `markDelivered` after they have delivered the events. */
  take(): WatchEvent[] {
    const events = this.#queue;
    this.#queue = [];
    this.#takenCount = this.#queuedCount;
    return events;
  }

  /** Records that all taken events were delivered. */
  markDelivered(): void {
    this.#deliveredCount = this.#takenCount;
    this.#wake();
  }

  /** Resolves once the queue has events or the watch is closed. */
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
    // A `live` event with the action `flush` shows that the channel was already live. A `lost` event without this
    // action shows that the channel was already lost.
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
    // The flush replaces all queued events, because a flush invalidates every key and tag in these events.
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
