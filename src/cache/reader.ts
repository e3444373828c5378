/**
 * Serves CacheGet and CacheGetMany: reads from the near cache or, after a miss, from the store. Fills the near cache
 * with values that the store returned.
 *
 * Invariants:
 *   1. A failure of the store does not fail the call. The affected keys have the outcome UNAVAILABLE.
 *   2. The reader registers a placeholder for each read that may fill the near cache, before the read is sent. When the
 *      read has ended, the reader passes this placeholder to `fill`, even if the read failed.
 *   3. CacheGetMany returns results in the order of the keys, reads a repeated key once, and stays within its byte
 *      budget.
 */
import type { PolicySource } from '../config/policy-file.ts';
import type { CacheGetManyRequestOutput } from '../grpc/generated/pannier/v1/CacheGetManyRequest.ts';
import type { CacheGetManyResponse } from '../grpc/generated/pannier/v1/CacheGetManyResponse.ts';
import type { CacheGetRequestOutput } from '../grpc/generated/pannier/v1/CacheGetRequest.ts';
import type { CacheGetResponse } from '../grpc/generated/pannier/v1/CacheGetResponse.ts';
import { CacheOutcome } from '../grpc/generated/pannier/v1/CacheOutcome.ts';
import { CacheSource } from '../grpc/generated/pannier/v1/CacheSource.ts';
import type { CallContext } from '../grpc/method.ts';
import { storeDeadlineMs } from '../grpc/store-deadline.ts';
import type { Clock } from '../lib/clock.ts';
import { after, type MaybePromise } from '../lib/maybe-promise.ts';
import { StoredFormatError, StoreError } from '../lib/store-error.ts';
import type { NearCache, NearEntry, Placeholder } from '../near/near-cache.ts';
import type { CacheMetrics } from './metrics.ts';
import { isNear, namespaceLabel } from './namespace.ts';
import { checkGet, checkGetMany } from './request.ts';
import { emptyResponse, hitResponse, withinBudget } from './response.ts';
import { budgetBytesOf, type CacheStore, type ReadManyResult, type StoredValue } from './store.ts';

export interface CacheReaderOptions {
  readonly store: CacheStore;
  readonly near: NearCache | undefined;
  readonly policies: PolicySource;
  readonly clock: Clock;
  readonly metrics: CacheMetrics;
  readonly maxAnswerBytes: number;
}

export class CacheReader {
  readonly #store: CacheStore;
  readonly #near: NearCache | undefined;
  readonly #policies: PolicySource;
  readonly #clock: Clock;
  readonly #metrics: CacheMetrics;
  readonly #maxAnswerBytes: number;

  constructor(options: CacheReaderOptions) {
    this.#store = options.store;
    this.#near = options.near;
    this.#policies = options.policies;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    this.#maxAnswerBytes = options.maxAnswerBytes;
  }

  get(request: CacheGetRequestOutput, context: CallContext): MaybePromise<CacheGetResponse> {
    const namespace = checkGet(request);
    const near = this.#nearOf(namespace);
    if (near !== undefined && !request.fresh) {
      const nowMs = this.#clock.monotonicMs();
      const nearEntry = near.get(namespace, request.key, nowMs);
      if (nearEntry !== undefined) {
        return this.#nearAnswer(namespace, nearEntry, nowMs);
      }
    }
    const deadlineAtMs = storeDeadlineMs(context, this.#clock, 'get a cached value');
    const placeholder = near?.begin(namespace, request.key, request.fresh);
    let answer: MaybePromise<StoredValue | undefined>;
    try {
      answer = this.#store.read(namespace, request.key, deadlineAtMs);
    } catch (error) {
      return this.#failed(near, placeholder, error);
    }
    return after(
      answer,
      (value) => this.#stored(near, placeholder, value),
      (error) => this.#failed(near, placeholder, error),
    );
  }

  async getMany(request: CacheGetManyRequestOutput, context: CallContext): Promise<CacheGetManyResponse> {
    const namespace = checkGetMany(request);
    const near = this.#nearOf(namespace);
    const deadlineAtMs = storeDeadlineMs(context, this.#clock, 'get cached values');
    const nowMs = this.#clock.monotonicMs();
    const answers = new Map<string, CacheGetResponse>();
    const missing = new Map<string, Buffer>();
    let budgetBytes = this.#maxAnswerBytes;
    for (const key of request.keys) {
      const name = key.toString('latin1');
      const nearEntry = request.fresh ? undefined : near?.get(namespace, key, nowMs);
      if (nearEntry === undefined || answers.has(name)) {
        missing.set(name, key);
        continue;
      }
      const bytes = budgetBytesOf(nearEntry);
      answers.set(name, bytes > budgetBytes ? this.#skipped('near') : this.#nearAnswer(namespace, nearEntry, nowMs));
      budgetBytes -= bytes > budgetBytes ? 0 : bytes;
    }
    for (const name of answers.keys()) {
      missing.delete(name);
    }
    await this.#readMissing({ namespace, near, missing, fresh: request.fresh, deadlineAtMs, budgetBytes, answers });
    return { results: withinBudget(request.keys, answers, this.#maxAnswerBytes) };
  }

  async #readMissing(read: {
    namespace: string;
    near: NearCache | undefined;
    missing: ReadonlyMap<string, Buffer>;
    fresh: boolean;
    deadlineAtMs: number;
    budgetBytes: number;
    answers: Map<string, CacheGetResponse>;
  }): Promise<void> {
    if (read.missing.size === 0) {
      return;
    }
    const keys = [...read.missing.values()];
    const placeholders = keys.map((key) => read.near?.begin(read.namespace, key, read.fresh));
    let results: readonly ReadManyResult[] = [];
    try {
      results = await this.#store.readMany(read.namespace, keys, read);
    } finally {
      for (const [index, placeholder] of placeholders.entries()) {
        const result = results[index];
        endPlaceholder(read.near, placeholder, result?.outcome === 'hit' ? result.entry : undefined);
      }
    }
    for (const [index, name] of [...read.missing.keys()].entries()) {
      read.answers.set(name, this.#manyAnswer(results[index] ?? { outcome: 'unavailable' }));
    }
  }

  #manyAnswer(result: ReadManyResult): CacheGetResponse {
    switch (result.outcome) {
      case 'hit':
        return this.#stored(undefined, undefined, result.entry);
      case 'miss':
        return this.#stored(undefined, undefined, undefined);
      case 'skipped':
        return this.#skipped('store');
      case 'unavailable':
        return this.#unavailable();
    }
  }

  #nearOf(namespace: string): NearCache | undefined {
    return this.#near !== undefined && isNear(this.#policies, namespace) ? this.#near : undefined;
  }

  #nearAnswer(namespace: string, nearEntry: NearEntry, nowMs: number): CacheGetResponse {
    this.#metrics.nearHit(namespaceLabel(this.#policies, namespace));
    this.#metrics.read(nearEntry.absent ? 'absent' : 'hit', 'near');
    return hitResponse(nearEntry, CacheSource.CACHE_SOURCE_NEAR, Math.floor(nowMs - nearEntry.sentAtMs));
  }

  #stored(
    near: NearCache | undefined,
    placeholder: Placeholder | undefined,
    value: StoredValue | undefined,
  ): CacheGetResponse {
    endPlaceholder(near, placeholder, value);
    if (value === undefined) {
      this.#metrics.read('miss', 'store');
      return emptyResponse(CacheOutcome.CACHE_OUTCOME_MISS, CacheSource.CACHE_SOURCE_STORE);
    }
    this.#metrics.read(value.absent ? 'absent' : 'hit', 'store');
    return hitResponse(value, CacheSource.CACHE_SOURCE_STORE, 0);
  }

  #failed(near: NearCache | undefined, placeholder: Placeholder | undefined, error: unknown): CacheGetResponse {
    endPlaceholder(near, placeholder, undefined);
    if (!(error instanceof StoreError) || error instanceof StoredFormatError) {
      throw error;
    }
    return this.#unavailable();
  }

  #unavailable(): CacheGetResponse {
    this.#metrics.read('unavailable', 'store');
    return emptyResponse(CacheOutcome.CACHE_OUTCOME_UNAVAILABLE, CacheSource.CACHE_SOURCE_STORE);
  }

  #skipped(source: 'near' | 'store'): CacheGetResponse {
    this.#metrics.read('skipped', source);
    return emptyResponse(CacheOutcome.CACHE_OUTCOME_SKIPPED, CacheSource.CACHE_SOURCE_UNSPECIFIED);
  }
}

function endPlaceholder(
  near: NearCache | undefined,
  placeholder: Placeholder | undefined,
  value: StoredValue | undefined,
): void {
  if (near !== undefined && placeholder !== undefined) {
    near.fill(placeholder, value);
  }
}
