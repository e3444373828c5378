/**
 * Builds the responses of CacheService from values and outcomes. Pure functions.
 */
import type { CacheGetResponse } from '../grpc/generated/pannier/v1/CacheGetResponse.ts';
import { CacheOutcome } from '../grpc/generated/pannier/v1/CacheOutcome.ts';
import { CacheSource } from '../grpc/generated/pannier/v1/CacheSource.ts';
import { budgetBytesOf, type StoredValue } from './store.ts';

const EMPTY = Buffer.alloc(0);

/**
 * Returns one result per key. The results stay within a byte budget. Every occurrence of a repeated key counts toward
 * the budget, because the message contains the value of the key each time.
 */
export function withinBudget(
  keys: readonly Buffer[],
  answers: ReadonlyMap<string, CacheGetResponse>,
  budgetBytes: number,
): CacheGetResponse[] {
  let leftBytes = budgetBytes;
  return keys.map((key) => {
    const answer = answers.get(key.toString('latin1')) ?? {};
    if (answer.outcome !== CacheOutcome.CACHE_OUTCOME_HIT && answer.outcome !== CacheOutcome.CACHE_OUTCOME_ABSENT) {
      return answer;
    }
    const bytes = budgetBytesOf({ value: answer.value as Buffer, tags: answer.tags ?? [] });
    if (bytes > leftBytes) {
      return emptyResponse(CacheOutcome.CACHE_OUTCOME_SKIPPED, CacheSource.CACHE_SOURCE_UNSPECIFIED);
    }
    leftBytes -= bytes;
    return answer;
  });
}

export function hitResponse(value: Omit<StoredValue, 'mark'>, source: CacheSource, heldMs: number): CacheGetResponse {
  return {
    outcome: value.absent ? CacheOutcome.CACHE_OUTCOME_ABSENT : CacheOutcome.CACHE_OUTCOME_HIT,
    value: value.value,
    source,
    version: value.version,
    ageMs: value.ageMs + heldMs,
    ttlMs: Math.max(1, value.ttlMs - heldMs),
    lease: '',
    holdsLease: false,
    retryMs: 0,
    tags: value.tags as string[],
  };
}

export function emptyResponse(outcome: CacheOutcome, source: CacheSource): CacheGetResponse {
  return {
    outcome,
    value: EMPTY,
    source,
    version: EMPTY,
    ageMs: 0,
    ttlMs: 0,
    lease: '',
    holdsLease: false,
    retryMs: 0,
    tags: [],
  };
}
