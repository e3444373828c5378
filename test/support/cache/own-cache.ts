/**
 * Simulates an application with its own cache. The application recognizes its own writes in the events of a watch, as
 * described in docs/guides/caching.md.
 */
import type { CacheService } from '../../../src/cache/service.ts';
import type { WatchInvalidationsResponse } from '../../../src/grpc/generated/pannier/v1/WatchInvalidationsResponse.ts';
import { waitFor } from '../wait.ts';
import { callContext, setRequest, TestStream } from './requests.ts';

interface CachedValue {
  readonly value: string;
  readonly version: string;
  /**
   * Whether the event of the CacheSet that wrote this value has arrived. Until this event arrives, events of the key
   * belong to earlier changes.
   */
  isAnnounced: boolean;
}

interface SetInFlight {
  readonly key: string;
  /** Versions in the events of the key that arrived after the call was sent; an empty string for an invalidation. */
  readonly versions: string[];
  isFlushed: boolean;
}

export class OwnCache {
  readonly values = new Map<string, CachedValue>();
  readonly #service: CacheService;
  readonly #namespace: string;
  readonly #setsInFlight = new Set<SetInFlight>();
  readonly #call = callContext({ leftMs: 600_000 });
  readonly #stream = new TestStream(this.#call);
  #appliedCount = 0;
  #ended: Promise<void> | undefined;

  constructor(service: CacheService, namespace: string) {
    this.#service = service;
    this.#namespace = namespace;
  }

  get eventCount(): number {
    return this.#stream.events.length;
  }

  async start(): Promise<void> {
    const request = { namespace: this.#namespace };
    this.#ended = Promise.resolve(this.#service.handlers.WatchInvalidations(request, this.#call, this.#stream));
    await waitFor('the start of the watch', () => this.#stream.watchId > 0);
    this.applyEvents();
  }

  async set(key: string, value: string, beforeAnswer?: () => Promise<void>): Promise<void> {
    const call: SetInFlight = { key, versions: [], isFlushed: false };
    this.#setsInFlight.add(call);
    const request = setRequest({ namespace: this.#namespace, key: Buffer.from(key), value: Buffer.from(value) });
    const { stored, version } = await this.#service.handlers.CacheSet(request, callContext());
    await beforeAnswer?.();
    this.#setsInFlight.delete(call);
    const own = textOf(version);
    const isAnnounced = call.versions.includes(own);
    const isNewest = !isAnnounced || call.versions.at(-1) === own;
    if (stored === true && isNewest && !call.isFlushed) {
      this.values.set(key, { value, version: own, isAnnounced });
    }
  }

  /** Applies all events that have arrived. */
  applyEvents(): void {
    const events = this.#stream.sent.slice(this.#appliedCount);
    this.#appliedCount += events.length;
    for (const event of events) {
      this.#apply(event);
    }
  }

  async stop(): Promise<void> {
    this.#call.end();
    await this.#ended;
  }

  #apply(event: WatchInvalidationsResponse): void {
    if (event.key === undefined) {
      this.values.clear();
      for (const call of this.#setsInFlight) {
        call.isFlushed = true;
      }
      return;
    }
    const key = String(event.key);
    const version = textOf(event.version);
    for (const call of this.#setsInFlight) {
      if (call.key === key) {
        call.versions.push(version);
      }
    }
    const cached = this.values.get(key);
    if (cached?.version === version) {
      cached.isAnnounced = true;
    } else if (cached?.isAnnounced === true) {
      this.values.delete(key);
    }
  }
}

function textOf(version: WatchInvalidationsResponse['version']): string {
  return version === undefined ? '' : Buffer.from(version as Buffer).toString('latin1');
}
