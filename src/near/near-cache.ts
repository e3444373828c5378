/**
 * Bounded local copies of cache values, and the rules by which they may be made and kept.
 *
 * A copy is made from a store read, never from a write. `begin` before the read is sent, `fill` with what came back:
 * between the two a placeholder stands for the read, and whatever voids its key takes the placeholder away (R1).
 *
 * Promises:
 *   1. A copy lives at most `lifeMs` and never longer than its value's TTL, both counted from when its read was SENT: whatever
 *      fails silently, nothing is served later than that.
 *   2. A copy exists only while the channel of its key and those of all its tags are live, were so before its read was sent,
 *      and nothing was said since that voids it.
 *   3. No more entries and bytes than the options say, least recently used first out.
 *   4. A hit is one look-up, and answers at once.
 *   5. After a read has ended, no copy is served whose read was sent before it; after a fresh one, no copy of any read that was sent
 *      before it ended, but its own. So what a fresh read returned is the oldest that a later read of the key returns (A11).
 *   6. A copy's mark agreed with what the bus knew, and what contradicts it later invalidates the bucket.
 */
import type { BoundedMap } from '../lib/bounded-map.ts';
import type { Clock } from '../lib/clock.ts';
import { ExpirySweeper } from '../lib/expiry-sweeper.ts';
import { bucketOf } from '../lib/key-hash.ts';
import { bufferBytes } from '../lib/memory-size.ts';
import type { BucketMark } from './bucket-mark.ts';
import type { BusAction, BusEvent, SentAt } from './bus.ts';
import type { Channel, HubListener, InvalidationHub } from './invalidation-hub.ts';

export interface NearValue {
  readonly absent: boolean;
  readonly value: Buffer;
  readonly version: Buffer;
  readonly tags: readonly string[];
  readonly ageMs: number;
  readonly ttlMs: number;
  /** Position of the key's bucket when the value was read; unset: nothing is known of it, and nothing can contradict the copy. */
  readonly mark?: BucketMark;
}

export interface NearCopy extends NearValue {
  /** Monotonic; ages and TTLs count from here. */
  readonly sentAtMs: number;
  /** Of the placeholder that it came by. */
  readonly order: number;
  /** Of the key, then of the tags. */
  readonly channels: readonly Channel[];
}

/** What `begin` hands out and `fill` takes. */
export interface Placeholder {
  readonly name: string;
  readonly namespace: string;
  /** Undefined: what the read brings must not be kept. */
  readonly channel: Channel | undefined;
  readonly generation: number;
  readonly sentAtMs: number;
  /** Larger than that of every read sent before. */
  readonly order: number;
  /** The hub's count of events when the read was sent. */
  readonly hubNow: number;
  /** What was known of the bucket when the read was sent. */
  readonly sentAt: SentAt | undefined;
  readonly isFresh: boolean;
}

export interface NearCacheOptions {
  readonly clock: Clock;
  readonly hub: InvalidationHub;
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly lifeMs?: number;
  /** Reads in flight that may end in a copy; more go without. */
  readonly maxPlaceholders?: number;
}

const LIFE_MS = 1_000;
/** Objects and index entries of a copy, besides its buffers and what BoundedMap counts; measured, rounded up. */
const COPY_BYTES = 300;
/** What a tag costs besides its text, which the copy holds and the index once more behind the namespace. */
const TAG_EXTRA_BYTES = 320;
const MAX_PLACEHOLDERS = 10_000;

export class NearCache implements HubListener {
  readonly #clock: Clock;
  readonly #hub: InvalidationHub;
  readonly #lifeMs: number;
  readonly #maxPlaceholders: number;
  readonly #copies: BoundedMap<NearCopy>;
  readonly #sweeper: ExpirySweeper;
  /** By name: of every read in flight that nothing has voided since it was sent. */
  readonly #placeholders = new Map<string, Set<Placeholder>>();
  #placeholderCount = 0;
  /** Names of copies by their channel, and by tag within a tag channel. */
  readonly #byChannel = new Map<Channel, Set<string>>();
  readonly #byTag = new Map<string, Set<string>>();
  #order = 0;

  constructor(options: NearCacheOptions) {
    this.#clock = options.clock;
    this.#hub = options.hub;
    this.#lifeMs = options.lifeMs ?? LIFE_MS;
    this.#maxPlaceholders = options.maxPlaceholders ?? MAX_PLACEHOLDERS;
    this.#sweeper = new ExpirySweeper(() => options.clock.monotonicMs());
    this.#copies = this.#sweeper.createMap({
      maxEntries: options.maxEntries,
      maxBytes: options.maxBytes,
      onEvict: (name, copy) => this.#unlink(name, copy),
    });
    this.#hub.addListener(this);
  }

  get size(): number {
    return this.#copies.size;
  }

  get bytes(): number {
    return this.#copies.bytes;
  }

  get placeholderCount(): number {
    return this.#placeholderCount;
  }

  /** Names that the indexes hold, all in all: none without a copy behind it. */
  get indexedCount(): number {
    let count = 0;
    for (const names of [...this.#byChannel.values(), ...this.#byTag.values()]) {
      count += names.size;
    }
    return count;
  }

  get(namespace: string, key: Buffer, nowMs: number): NearCopy | undefined {
    const copy = this.#copies.get(nameOf(namespace, key), nowMs);
    if (copy === undefined) {
      return undefined;
    }
    for (const channel of copy.channels) {
      this.#hub.touch(channel, nowMs);
    }
    return copy;
  }

  /** Call it right before the read is sent, and `fill` when it has ended, however it ended. */
  begin(namespace: string, key: Buffer, isFresh = false): Placeholder {
    const channel = this.#hub.useForNear(namespace, bucketOf(key), false);
    const mayKeep = channel?.state.live === true && this.#placeholderCount < this.#maxPlaceholders;
    this.#order += 1;
    const placeholder: Placeholder = {
      name: nameOf(namespace, key),
      namespace,
      channel: mayKeep ? channel : undefined,
      generation: channel?.state.generation ?? 0,
      sentAtMs: this.#clock.monotonicMs(),
      order: this.#order,
      hubNow: this.#hub.now(),
      sentAt: mayKeep ? this.#hub.sentAt(channel) : undefined,
      isFresh,
    };
    if (mayKeep) {
      // Any of several reads of one key may leave a copy: of a key that is read all the time a later one is always in flight.
      addTo(this.#placeholders, placeholder.name, placeholder);
      this.#placeholderCount += 1;
    }
    return placeholder;
  }

  /** Keeps what the read brought, where nothing speaks against it. Undefined: the read brought nothing. */
  fill(placeholder: Placeholder, value: NearValue | undefined): void {
    const { name, order, isFresh } = placeholder;
    const isValid = this.#end(placeholder);
    const copy = this.#copies.peek(name, Number.NEGATIVE_INFINITY);
    if (isFresh) {
      // Which of two reads in flight was sent first does not say which the server ran first.
      this.#voidReads(name);
    } else if (copy !== undefined && copy.order > order) {
      return;
    }
    // A copy of a read that was sent before is older than what this one brought, whether that may be kept or not.
    this.#dropCopy(name);
    if (value === undefined || !isValid || !this.#agrees(placeholder, value)) {
      return;
    }
    const channels = this.#channelsOf(placeholder, value.tags);
    if (channels !== undefined) {
      this.#keep(placeholder, value, channels);
    }
  }

  /** For what this process changed itself: no need to wait for the message. */
  drop(namespace: string, key: Buffer): void {
    this.#dropName(nameOf(namespace, key));
  }

  dropTags(namespace: string, tags: readonly string[]): void {
    for (const tag of tags) {
      this.#dropTag(namespace, tag);
    }
    // Which of the reads in flight will bear one of them is not known yet.
    this.#voidPlaceholders(namespace);
  }

  dropNamespace(namespace: string): void {
    for (const [channel, names] of this.#byChannel) {
      if (channel.namespace === namespace) {
        this.#dropNames(names);
      }
    }
    this.#voidPlaceholders(namespace);
  }

  onChannel(channel: Channel, _event: BusEvent, action: BusAction): void {
    if (action.kind === 'flush') {
      // Placeholders fall by the channel's generation and, of tags, by changedAt.
      this.#dropNames(this.#byChannel.get(channel) ?? []);
      return;
    }
    if (action.kind !== 'drop') {
      return;
    }
    for (const name of action.names) {
      if (channel.isTag) {
        this.#dropTag(channel.namespace, Buffer.from(name, 'latin1').toString());
      } else {
        this.#dropName(`${channel.namespace}:${name}`);
      }
    }
  }

  close(): void {
    this.#sweeper.close();
    this.#copies.clear();
    this.#placeholders.clear();
    this.#placeholderCount = 0;
    this.#byChannel.clear();
    this.#byTag.clear();
  }

  /** Whether its channel was live all the time, and what the server said of the bucket agrees with what the bus knows. */
  #agrees({ channel, generation, sentAt }: Placeholder, { mark }: NearValue): boolean {
    if (channel === undefined || !channel.state.live || channel.state.generation !== generation) {
      return false;
    }
    return mark === undefined || this.#hub.admits(channel, mark, sentAt);
  }

  /** The channels that a copy depends on, or undefined when one of them cannot vouch for it. */
  #channelsOf(placeholder: Placeholder, tags: readonly string[]): Channel[] | undefined {
    const channels = placeholder.channel === undefined ? [] : [placeholder.channel];
    let allVouch = true;
    for (const tag of tags) {
      const channel = this.#hub.useForNear(placeholder.namespace, bucketOf(tag), true);
      // The read told us which tags matter, so there was no placeholder for them: anything said on their channels since the
      // read was sent counts against the copy, that the channel became live included.
      if (channel === undefined || !channel.state.live || channel.changedAt > placeholder.hubNow) {
        allVouch = false;
      } else if (!channels.includes(channel)) {
        channels.push(channel);
      }
    }
    return allVouch ? channels : undefined;
  }

  #keep(placeholder: Placeholder, value: NearValue, channels: readonly Channel[]): void {
    const nowMs = this.#clock.monotonicMs();
    const expiresAtMs = placeholder.sentAtMs + Math.min(this.#lifeMs, value.ttlMs);
    if (expiresAtMs <= nowMs) {
      return;
    }
    const { name, namespace } = placeholder;
    const copy: NearCopy = {
      absent: value.absent,
      value: ownBytes(value.value),
      version: ownBytes(value.version),
      tags: value.tags,
      ageMs: value.ageMs,
      ttlMs: value.ttlMs,
      sentAtMs: placeholder.sentAtMs,
      order: placeholder.order,
      channels,
    };
    this.#link(name, copy);
    const bufferedBytes = bufferBytes(value.value.length) + bufferBytes(value.version.length);
    const bytes = COPY_BYTES + bufferedBytes + tagBytes(namespace, value.tags);
    if (!this.#copies.set(name, copy, { bytes, expiresAtMs, nowMs })) {
      this.#unlink(name, copy);
    }
  }

  #dropTag(namespace: string, tag: string): void {
    this.#dropNames(this.#byTag.get(tagName(namespace, tag)) ?? []);
  }

  #dropNames(names: Iterable<string>): void {
    for (const name of [...names]) {
      this.#dropName(name);
    }
  }

  #dropName(name: string): void {
    this.#voidReads(name);
    this.#dropCopy(name);
  }

  #dropCopy(name: string): void {
    const copy = this.#copies.peek(name, Number.NEGATIVE_INFINITY);
    if (copy !== undefined) {
      this.#copies.delete(name);
      this.#unlink(name, copy);
    }
  }

  /** A read has ended, and with it all that were sent before; false where it may leave no copy or something has invalidated it since. */
  #end(placeholder: Placeholder): boolean {
    const { name, order } = placeholder;
    let isValid = false;
    for (const underWay of this.#placeholders.get(name) ?? []) {
      if (underWay.order > order) {
        break;
      }
      isValid = underWay === placeholder;
      removeFrom(this.#placeholders, name, underWay);
      this.#placeholderCount -= 1;
    }
    return isValid;
  }

  #voidReads(name: string): void {
    this.#placeholderCount -= this.#placeholders.get(name)?.size ?? 0;
    this.#placeholders.delete(name);
  }

  #voidPlaceholders(namespace: string): void {
    for (const [name, placeholders] of this.#placeholders) {
      const [first] = placeholders;
      if (first?.namespace === namespace) {
        this.#voidReads(name);
      }
    }
  }

  #link(name: string, copy: NearCopy): void {
    for (const channel of copy.channels) {
      addTo(this.#byChannel, channel, name);
    }
    for (const tag of copy.tags) {
      addTo(this.#byTag, tagName(copy.channels[0]?.namespace ?? '', tag), name);
    }
  }

  #unlink(name: string, copy: NearCopy): void {
    for (const channel of copy.channels) {
      removeFrom(this.#byChannel, channel, name);
    }
    for (const tag of copy.tags) {
      removeFrom(this.#byTag, tagName(copy.channels[0]?.namespace ?? '', tag), name);
    }
  }
}

/** Exact for any bytes of a key: latin1 maps each byte to one character, and a namespace holds no colon. */
function nameOf(namespace: string, key: Buffer): string {
  return `${namespace}:${key.toString('latin1')}`;
}

function tagName(namespace: string, tag: string): string {
  return `${namespace}:${tag}`;
}

function tagBytes(namespace: string, tags: readonly string[]): number {
  let bytes = 0;
  for (const tag of tags) {
    bytes += TAG_EXTRA_BYTES + 2 * (tagName(namespace, tag).length + tag.length);
  }
  return bytes;
}

/** A copy with memory of its own: a view would keep the socket's chunk alive that it came in. */
function ownBytes(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

function addTo<Key, Item>(index: Map<Key, Set<Item>>, key: Key, item: Item): void {
  const items = index.get(key);
  if (items === undefined) {
    index.set(key, new Set([item]));
  } else {
    items.add(item);
  }
}

function removeFrom<Key, Item>(index: Map<Key, Set<Item>>, key: Key, item: Item): void {
  const items = index.get(key);
  if (items?.delete(item) === true && items.size === 0) {
    index.delete(key);
  }
}
