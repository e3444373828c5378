/**
 * Keeps cache entries in the memory of the sidecar, and decides when an entry may be created and served.
 *
 * An entry is created from a read of the store, never from a write. Callers call `begin` before a read and `fill` after
 * it. Until `fill`, an invalidation of the key removes the placeholder of the read (R1 in cache-coherence.md).
 *
 * Invariants:
 *   1. An entry is served for at most `lifeMs`, and never beyond the TTL of its value. Both periods begin when its read
 *      is sent, so this staleness bound holds even if messages are lost without notice.
 *   2. The channels of an entry's key and tags were live before its read was sent and have stayed live, and no message
 *      since then has invalidated the entry.
 *   3. The near cache stays within its bounds. It evicts expired entries first, then the least recently used entries.
 *   4. A hit is one synchronous map lookup.
 *   5. After a read, the near cache serves no entry from an earlier read. After a fresh read, it serves no entry from
 *      any other read that was sent before the fresh read ended. So no later read returns an older value.
 *   6. A value is cached only if its mark agrees with the bus. A later contradiction invalidates the bucket.
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
  /** Position of the key's bucket when the value was read. If unset, the near cache does not compare positions. */
  readonly mark?: BucketMark;
}

export interface NearEntry extends NearValue {
  /** Monotonic time at which the read was sent, from which the near cache measures age and TTL. */
  readonly sentAtMs: number;
  /** Sequence number of the read (`Placeholder.order`). */
  readonly order: number;
  /** Channel of the key, followed by the channels of the tags. */
  readonly channels: readonly Channel[];
}

/** Read in flight. `begin` returns the placeholder, and callers pass it to `fill`. */
export interface Placeholder {
  readonly name: string;
  readonly namespace: string;
  /** Channel of the key; undefined if the result of the read must not be cached. */
  readonly channel: Channel | undefined;
  readonly generation: number;
  readonly sentAtMs: number;
  /** Sequence number of the read, larger than that of every earlier read. */
  readonly order: number;
  /** Event count of the hub when the read was sent. */
  readonly hubNow: number;
  /** Known position of the bucket when the read was sent. */
  readonly sentAt: SentAt | undefined;
  readonly isFresh: boolean;
}

export interface NearCacheOptions {
  readonly clock: Clock;
  readonly hub: InvalidationHub;
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** Staleness bound: maximum time for which an entry is served after its read was sent. */
  readonly lifeMs?: number;
  /** Maximum number of in-flight reads that may fill the near cache. Results of further reads are not cached. */
  readonly maxPlaceholders?: number;
}

const LIFE_MS = 1_000;
/** Measured memory of an entry's objects, rounded up, without its buffers and the bytes that BoundedMap adds. */
const ENTRY_BYTES = 300;
/** Memory of one tag in its entry and in the index, without the string of the tag. */
const TAG_EXTRA_BYTES = 320;
const MAX_PLACEHOLDERS = 10_000;

export class NearCache implements HubListener {
  readonly #clock: Clock;
  readonly #hub: InvalidationHub;
  readonly #lifeMs: number;
  readonly #maxPlaceholders: number;
  readonly #entries: BoundedMap<NearEntry>;
  readonly #sweeper: ExpirySweeper;
  /** Placeholders of the reads in flight, by name. An invalidation of a key removes the placeholders of its reads. */
  readonly #placeholders = new Map<string, Set<Placeholder>>();
  #placeholderCount = 0;
  /** Names of entries by channel, and by tag. */
  readonly #byChannel = new Map<Channel, Set<string>>();
  readonly #byTag = new Map<string, Set<string>>();
  #order = 0;

  constructor(options: NearCacheOptions) {
    this.#clock = options.clock;
    this.#hub = options.hub;
    this.#lifeMs = options.lifeMs ?? LIFE_MS;
    this.#maxPlaceholders = options.maxPlaceholders ?? MAX_PLACEHOLDERS;
    this.#sweeper = new ExpirySweeper(() => options.clock.monotonicMs());
    this.#entries = this.#sweeper.createMap({
      maxEntries: options.maxEntries,
      maxBytes: options.maxBytes,
      onEvict: (name, entry) => this.#unlink(name, entry),
    });
    this.#hub.addListener(this);
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#entries.bytes;
  }

  get placeholderCount(): number {
    return this.#placeholderCount;
  }

  /** Number of names in both indexes. Every indexed name belongs to an entry. */
  get indexedCount(): number {
    let count = 0;
    for (const names of [...this.#byChannel.values(), ...this.#byTag.values()]) {
      count += names.size;
    }
    return count;
  }

  get(namespace: string, key: Buffer, nowMs: number): NearEntry | undefined {
    const entry = this.#entries.get(nameOf(namespace, key), nowMs);
    if (entry === undefined) {
      return undefined;
    }
    for (const channel of entry.channels) {
      this.#hub.touch(channel, nowMs);
    }
    return entry;
  }

  /** Registers a read that is about to be sent. Callers call `fill` when this read has ended or failed. */
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
      // Even an older read may fill the near cache, because a busy key always has a later read in flight.
      addTo(this.#placeholders, placeholder.name, placeholder);
      this.#placeholderCount += 1;
    }
    return placeholder;
  }

  /** Caches the result of a read if the result is still valid. `value` is undefined if the read returned no value. */
  fill(placeholder: Placeholder, value: NearValue | undefined): void {
    const { name, order, isFresh } = placeholder;
    const isValid = this.#end(placeholder);
    const entry = this.#entries.peek(name, Number.NEGATIVE_INFINITY);
    if (isFresh) {
      // The server may run two reads in a different order from the order in which the sidecar sent them.
      this.#removePlaceholders(name);
    } else if (entry !== undefined && entry.order > order) {
      return;
    }
    // An entry of an earlier read is older than this result, even if this result must not be cached.
    this.#dropEntry(name);
    if (value === undefined || !isValid || !this.#agrees(placeholder, value)) {
      return;
    }
    const channels = this.#channelsOf(placeholder, value.tags);
    if (channels !== undefined) {
      this.#keep(placeholder, value, channels);
    }
  }

  /** Drops the entry of a key that this sidecar has changed, without waiting for the message. */
  drop(namespace: string, key: Buffer): void {
    this.#dropName(nameOf(namespace, key));
  }

  dropTags(namespace: string, tags: readonly string[]): void {
    for (const tag of tags) {
      this.#dropTag(namespace, tag);
    }
    // Any read in flight may return an entry with one of these tags.
    this.#removeAllPlaceholders(namespace);
  }

  dropNamespace(namespace: string): void {
    for (const [channel, names] of this.#byChannel) {
      if (channel.namespace === namespace) {
        this.#dropNames(names);
      }
    }
    this.#removeAllPlaceholders(namespace);
  }

  onChannel(channel: Channel, _event: BusEvent, action: BusAction): void {
    if (action.kind === 'flush') {
      // For reads in flight, `fill` checks `generation` of the key's channel and `changedAt` of the tags' channels.
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
    this.#entries.clear();
    this.#placeholders.clear();
    this.#placeholderCount = 0;
    this.#byChannel.clear();
    this.#byTag.clear();
  }

  /** Returns whether the channel has stayed live since the read was sent and the mark agrees with the bus. */
  #agrees({ channel, generation, sentAt }: Placeholder, { mark }: NearValue): boolean {
    if (channel === undefined || !channel.state.live || channel.state.generation !== generation) {
      return false;
    }
    return mark === undefined || this.#hub.admits(channel, mark, sentAt);
  }

  /** Returns the channels that the entry depends on, or undefined if a channel was not live or had an event. */
  #channelsOf(placeholder: Placeholder, tags: readonly string[]): Channel[] | undefined {
    const channels = placeholder.channel === undefined ? [] : [placeholder.channel];
    let areUnchanged = true;
    for (const tag of tags) {
      const channel = this.#hub.useForNear(placeholder.namespace, bucketOf(tag), true);
      // Only the reply names the tags, so events of the tags could not remove the placeholder. Therefore any event of a
      // tag's channel since the read was sent prevents caching, even an event of kind `live`.
      if (channel === undefined || !channel.state.live || channel.changedAt > placeholder.hubNow) {
        areUnchanged = false;
      } else if (!channels.includes(channel)) {
        channels.push(channel);
      }
    }
    return areUnchanged ? channels : undefined;
  }

  #keep(placeholder: Placeholder, value: NearValue, channels: readonly Channel[]): void {
    const nowMs = this.#clock.monotonicMs();
    const expiresAtMs = placeholder.sentAtMs + Math.min(this.#lifeMs, value.ttlMs);
    if (expiresAtMs <= nowMs) {
      return;
    }
    const { name, namespace } = placeholder;
    const entry: NearEntry = {
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
    this.#link(name, entry);
    const bufferedBytes = bufferBytes(value.value.length) + bufferBytes(value.version.length);
    const bytes = ENTRY_BYTES + bufferedBytes + tagBytes(namespace, value.tags);
    if (!this.#entries.set(name, entry, { bytes, expiresAtMs, nowMs })) {
      this.#unlink(name, entry);
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
    this.#removePlaceholders(name);
    this.#dropEntry(name);
  }

  #dropEntry(name: string): void {
    const entry = this.#entries.peek(name, Number.NEGATIVE_INFINITY);
    if (entry !== undefined) {
      this.#entries.delete(name);
      this.#unlink(name, entry);
    }
  }

  /** Removes the placeholders of this and earlier reads of the key. Returns whether this read had a placeholder. */
  #end(placeholder: Placeholder): boolean {
    const { name, order } = placeholder;
    let isValid = false;
    for (const inFlight of this.#placeholders.get(name) ?? []) {
      if (inFlight.order > order) {
        break;
      }
      isValid = inFlight === placeholder;
      removeFrom(this.#placeholders, name, inFlight);
      this.#placeholderCount -= 1;
    }
    return isValid;
  }

  #removePlaceholders(name: string): void {
    this.#placeholderCount -= this.#placeholders.get(name)?.size ?? 0;
    this.#placeholders.delete(name);
  }

  #removeAllPlaceholders(namespace: string): void {
    for (const [name, placeholders] of this.#placeholders) {
      const [first] = placeholders;
      if (first?.namespace === namespace) {
        this.#removePlaceholders(name);
      }
    }
  }

  #link(name: string, entry: NearEntry): void {
    for (const channel of entry.channels) {
      addTo(this.#byChannel, channel, name);
    }
    for (const tag of entry.tags) {
      addTo(this.#byTag, tagName(entry.channels[0]?.namespace ?? '', tag), name);
    }
  }

  #unlink(name: string, entry: NearEntry): void {
    for (const channel of entry.channels) {
      removeFrom(this.#byChannel, channel, name);
    }
    for (const tag of entry.tags) {
      removeFrom(this.#byTag, tagName(entry.channels[0]?.namespace ?? '', tag), name);
    }
  }
}

/** Returns a unique name for any key: latin1 maps each byte to one character, and a namespace contains no colon. */
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

/** Returns a copy that does not share memory. A view would keep its whole socket chunk in memory. */
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
