/**
 * Models the environment of a near cache for random histories. The environment consists of a store with its messages,
 * the steps of reads, changes by this sidecar and by other sidecars, and channels that are lost and repaired. `get`
 * throws if a hit violates an invariant of near-cache-histories.test.ts.
 */
import { bucketOf } from '../../../src/lib/key-hash.ts';
import type { BucketMark } from '../../../src/near/bucket-mark.ts';
import { InvalidationHub } from '../../../src/near/invalidation-hub.ts';
import { encodeInvalidationMessage } from '../../../src/near/invalidation-message.ts';
import { localChannelNames } from '../../../src/near/local-channels.ts';
import { NearCache, type Placeholder } from '../../../src/near/near-cache.ts';
import type { SubscriberListener } from '../../../src/near/subscriber.ts';
import { FakeClock } from '../lib/fake-clock.ts';

const NAMESPACE = 'n';
const LIFE_MS = 1_000;
/**
 * Maximum number of reads in flight. The number is small, so that a history is likely to continue each read. The number
 * exceeds MAX_PLACEHOLDERS by one.
 */
const MAX_READS = 3;
const MAX_PLACEHOLDERS = 2;

function namesOfTwoBuckets(): [string, string, string] {
  const candidates = Array.from({ length: 2_000 }, (_, index) => `name-${index}`);
  const isFirst = (name: string) => bucketOf(name) === bucketOf('name-0');
  return ['name-0', candidates.slice(1).find(isFirst) ?? '', candidates.slice(1).find((name) => !isFirst(name)) ?? ''];
}

/** Names of keys and tags: two names in one bucket and one name in another bucket. */
export const NAMES = namesOfTwoBuckets();

/**
 * Change on the server. `number` is the number of its message on `channel`, or 0 if the server published no message.
 */
interface Change {
  readonly atMs: number;
  readonly channel: string;
  readonly incarnation: number;
  readonly number: number;
  isOwnAndAnswered: boolean;
}

interface Written {
  readonly id: number;
  readonly tags: readonly string[];
  readonly tagVersions: readonly number[];
  readonly endsAtMs: number;
  readonly changes: Change[];
}

interface Read {
  readonly order: number;
  readonly placeholder: Placeholder;
  readonly isFresh: boolean;
  readonly key: string;
  step: 'sent' | 'read' | 'judged';
  found: Written | undefined;
  /** Smallest id of a value that the key may still have. */
  floor: number;
  ttlMs: number;
  /** Position of the key's bucket when the entry was read. */
  mark: BucketMark | undefined;
}

interface Message {
  readonly bytes: Buffer;
  readonly incarnation: number;
  readonly number: number;
}

function textOf(number: number): string {
  return String(number).padStart(8);
}

export class NearCacheWorld {
  readonly clock = new FakeClock();
  hits = 0;
  staleHits = 0;
  readonly #near: NearCache;
  readonly #subscribed = new Set<string>();
  readonly #live = new Set<string>();
  readonly #queues = new Map<string, Message[]>();
  /** Last message received on each channel. After a loss, the model treats all earlier messages as received. */
  readonly #received = new Map<string, { incarnation: number; number: number }>();
  readonly #sequences = new Map<string, { incarnation: number; number: number }>();
  readonly #entries = new Map<string, Written>();
  readonly #written = new Map<number, Written>();
  readonly #tagVersions = new Map<string, number>();
  readonly #reads: Read[] = [];
  readonly #answered: Read[] = [];
  readonly #ownChanges: { readonly change: Change; readonly forget: () => void }[] = [];
  #listener: SubscriberListener | undefined;
  #count = 0;

  constructor() {
    const hub = new InvalidationHub({
      clock: this.clock,
      channelNames: localChannelNames,
      createSubscriber: (listener) => {
        this.#listener = listener;
        return {
          subscribe: (channel) => this.#subscribed.add(channel),
          unsubscribe: (channel) => this.#subscribed.delete(channel),
          barrier: async () => true,
          close: () => undefined,
        };
      },
    });
    this.#near = new NearCache({
      clock: this.clock,
      hub,
      maxEntries: 100,
      maxBytes: 1_000_000,
      maxPlaceholders: MAX_PLACEHOLDERS,
    });
  }

  get placeholderCount(): number {
    return this.#near.placeholderCount;
  }

  get(key: string, isFresh: boolean): void {
    const entry = isFresh ? undefined : this.#near.get(NAMESPACE, Buffer.from(key), this.clock.monotonicMs());
    if (entry !== undefined) {
      const [id = 0, order = 0] = String(entry.value).split(' ').map(Number);
      this.#checkHit(key, id, order);
      return;
    }
    if (this.#reads.length >= MAX_READS) {
      return;
    }
    const placeholder = this.#near.begin(NAMESPACE, Buffer.from(key), isFresh);
    const order = this.#next();
    const found = undefined;
    this.#reads.push({ order, placeholder, isFresh, key, step: 'sent', found, floor: 0, ttlMs: 0, mark: undefined });
  }

  /** Performs all steps of a read. */
  readWhole(key: string): void {
    const before = this.#reads.length;
    this.get(key, false);
    while (this.#reads.length > before) {
      this.goOn(before);
    }
  }

  endReads(): void {
    while (this.#reads.length > 0) {
      this.goOn(0);
    }
  }

  /** Performs the next step of a read in flight: reads the entry, reads its tags, or returns the result. */
  goOn(pick: number): void {
    const read = this.#reads[pick % Math.max(1, this.#reads.length)];
    if (read === undefined) {
      return;
    }
    if (read.step === 'sent') {
      const entry = this.#entries.get(read.key);
      read.ttlMs = (entry?.endsAtMs ?? 0) - this.clock.monotonicMs();
      read.found = read.ttlMs < 1 ? undefined : entry;
      read.floor = read.found?.id ?? this.#count + 1;
      read.mark = this.#markOf(read.key);
      read.step = 'read';
    } else if (read.step === 'read') {
      const isCurrent = read.found?.tags.every((tag, at) => this.#tagVersions.get(tag) === read.found?.tagVersions[at]);
      read.floor += isCurrent === false ? 1 : 0;
      read.found = isCurrent === true ? read.found : undefined;
      read.step = 'judged';
    } else {
      this.#reads.splice(this.#reads.indexOf(read), 1);
      this.#answer(read);
    }
  }

  write(key: string, options: { tags: readonly string[]; ttlMs: number; isOwn: boolean }): void {
    const tagVersions = options.tags.map((tag) => this.#tagVersions.get(tag) ?? this.#next());
    for (const [at, tag] of options.tags.entries()) {
      this.#tagVersions.set(tag, tagVersions[at] ?? 0);
    }
    this.remove(key, options.isOwn);
    const endsAtMs = this.clock.monotonicMs() + options.ttlMs;
    const written = { id: this.#next(), tags: options.tags, tagVersions, endsAtMs, changes: [] };
    this.#entries.set(key, written);
    this.#written.set(written.id, written);
  }

  remove(key: string, isOwn: boolean): void {
    const change = this.#publish(localChannelNames.cacheChannel(NAMESPACE, bucketOf(key)), 'names', [key]);
    this.#entries.get(key)?.changes.push(change);
    this.#entries.delete(key);
    this.#afterOwn(isOwn, change, () => this.#near.drop(NAMESPACE, Buffer.from(key)));
  }

  removeTag(tag: string, isOwn: boolean): void {
    const change = this.#publish(localChannelNames.cacheTagChannel(NAMESPACE, bucketOf(tag)), 'names', [tag]);
    this.#tagVersions.delete(tag);
    for (const written of this.#written.values()) {
      if (written.tags.includes(tag)) {
        written.changes.push(change);
      }
    }
    this.#afterOwn(isOwn, change, () => this.#near.dropTags(NAMESPACE, [tag]));
  }

  flush(isOwn: boolean): void {
    for (const bucket of new Set(NAMES.map((name) => bucketOf(name)))) {
      const change = this.#publish(localChannelNames.cacheChannel(NAMESPACE, bucket), 'flush', []);
      this.#invalidateBucket(bucket, change);
      this.#afterOwn(isOwn, change, () => this.#near.dropNamespace(NAMESPACE));
    }
  }

  /** Evicts the sequence of a bucket on the server, without a message. */
  evict(name: string): void {
    const channel = localChannelNames.cacheChannel(NAMESPACE, bucketOf(name));
    this.#sequences.delete(channel);
    this.#invalidateBucket(bucketOf(name), this.#changeOf(channel, 0, 0));
  }

  answerOwn(pick: number): void {
    const own = this.#ownChanges.splice(pick % Math.max(1, this.#ownChanges.length), 1)[0];
    if (own !== undefined) {
      own.forget();
      own.change.isOwnAndAnswered = true;
    }
  }

  deliver(pick: number, isLost: boolean): void {
    const waiting = [...this.#queues].filter(([, queue]) => queue.length > 0);
    const [channel, queue] = waiting[pick % Math.max(1, waiting.length)] ?? [];
    const message = queue?.shift();
    if (channel !== undefined && message !== undefined && !isLost) {
      this.#listener?.onMessage(channel, message.bytes);
      this.#received.set(channel, message);
    }
  }

  deliverAll(): void {
    while ([...this.#queues.values()].some((queue) => queue.length > 0)) {
      this.deliver(0, false);
    }
  }

  lose(pick: number): void {
    const channel = [...this.#live][pick % Math.max(1, this.#live.size)];
    if (channel !== undefined) {
      this.#live.delete(channel);
      this.#queues.delete(channel);
      this.#listener?.onLost(channel);
      this.#received.set(channel, this.#sequences.get(channel) ?? { incarnation: 0, number: 0 });
    }
  }

  repair(): void {
    for (const channel of this.#subscribed) {
      if (!this.#live.has(channel)) {
        this.#live.add(channel);
        this.#queues.set(channel, []);
        this.#listener?.onLive(channel);
      }
    }
  }

  #answer(read: Read): void {
    const { order, placeholder, found, ttlMs, mark } = read;
    this.#answered.push(read);
    const value = found && {
      absent: false,
      value: Buffer.from(`${found.id} ${order}`),
      version: Buffer.of(1),
      tags: found.tags,
      ageMs: 0,
      ttlMs,
      ...(mark === undefined ? {} : { mark }),
    };
    this.#near.fill(placeholder, value);
  }

  #markOf(key: string): BucketMark | undefined {
    const sequence = this.#sequences.get(localChannelNames.cacheChannel(NAMESPACE, bucketOf(key)));
    return sequence && { ...sequence, incarnation: textOf(sequence.incarnation), stamp: textOf(sequence.number) };
  }

  #checkHit(key: string, id: number, order: number): void {
    const later = this.#answered.filter((read) => read.key === key && (read.order > order || read.isFresh));
    expect(later.filter((read) => read.floor > id)).toEqual([]);
    const nowMs = this.clock.monotonicMs();
    const written = this.#written.get(id);
    const changes = written?.changes ?? [];
    this.hits += 1;
    this.staleHits += changes.length > 0 ? 1 : 0;
    expect(nowMs).toBeLessThan(written?.endsAtMs ?? 0);
    for (const change of changes) {
      expect(nowMs - change.atMs).toBeLessThan(LIFE_MS);
      expect(change.isOwnAndAnswered).toBe(false);
      const last = this.#received.get(change.channel);
      const isReceived = change.number > 0 && last?.incarnation === change.incarnation && last.number >= change.number;
      expect(isReceived).toBe(false);
    }
  }

  #invalidateBucket(bucket: number, change: Change): void {
    for (const [key, written] of this.#entries) {
      if (bucketOf(key) === bucket) {
        written.changes.push(change);
        this.#entries.delete(key);
      }
    }
  }

  #publish(channel: string, kind: 'names' | 'flush', names: readonly string[]): Change {
    const sequence = this.#sequences.get(channel) ?? { incarnation: this.#next(), number: 0 };
    const { incarnation } = sequence;
    const number = sequence.number + 1;
    this.#sequences.set(channel, { incarnation, number });
    const bytes = encodeInvalidationMessage({
      kind,
      incarnation: textOf(incarnation),
      sequence: number,
      stamp: textOf(number),
      names,
    });
    this.#queues.get(channel)?.push({ bytes, incarnation, number });
    return this.#changeOf(channel, incarnation, number);
  }

  #changeOf(channel: string, incarnation: number, number: number): Change {
    return { atMs: this.clock.monotonicMs(), channel, incarnation, number, isOwnAndAnswered: false };
  }

  #afterOwn(isOwn: boolean, change: Change, forget: () => void): void {
    if (isOwn) {
      this.#ownChanges.push({ change, forget });
    }
  }

  #next(): number {
    this.#count += 1;
    return this.#count;
  }
}
