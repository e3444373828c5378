/**
 * Limits the calls in flight (admission control). The weight of a call depends on the work that it causes.
 *
 * Invariants:
 *   1. The total weight of the calls in flight never exceeds `max`. A call that does not fit is rejected at once and is
 *      not executed.
 *   2. Heavy calls (weight above 1) together use at most three quarters of `max`, so that small calls are still served.
 *   3. A heavy call may exceed three quarters of `max` if no other heavy call is in flight and the total stays within
 *      `max`. Every request of a valid size is therefore admitted eventually.
 */
import type { CacheGetManyRequestOutput } from '../generated/pannier/v1/CacheGetManyRequest.ts';
import type { CacheInvalidateRequestOutput } from '../generated/pannier/v1/CacheInvalidateRequest.ts';
import type { CheckRateLimitsRequestOutput } from '../generated/pannier/v1/CheckRateLimitsRequest.ts';
import { Status, StatusError } from '../status.ts';

type Weigh<Request> = (request: Request) => number;

/**
 * Number of keys per unit of weight. In `make bench-cache-buckets`, a key costs at most a quarter as much as a call.
 */
const KEYS_PER_UNIT = 4;
/** Weight of a flush, which runs a small script for each bucket. */
const FLUSH_WEIGHT = 16;
/**
 * Weight of the largest valid call: CacheInvalidate with 1,000 keys, 1,000 tags and `all`. The service rejects larger
 * calls at little cost.
 */
const MAX_WEIGHT = 516;

/** Functions that determine the weights of calls, by method path. Calls of other methods have weight 1. */
const WEIGHTS: ReadonlyMap<string, Weigh<never>> = new Map<string, Weigh<never>>([
  [
    '/pannier.v1.CacheService/CacheGetMany',
    ((request) => request.keys.length / KEYS_PER_UNIT) satisfies Weigh<CacheGetManyRequestOutput>,
  ],
  [
    '/pannier.v1.CacheService/CacheInvalidate',
    ((request) =>
      (request.keys.length + request.tags.length) / KEYS_PER_UNIT +
      (request.all ? FLUSH_WEIGHT : 0)) satisfies Weigh<CacheInvalidateRequestOutput>,
  ],
  [
    '/pannier.v1.RateLimitService/CheckRateLimits',
    ((request) => request.checks.length) satisfies Weigh<CheckRateLimitsRequestOutput>,
  ],
]);

/** Returns the function that determines the weights of a method's calls, or undefined if each call has weight 1. */
export function weigherOf(path: string): ((request: unknown) => number) | undefined {
  const weigh = WEIGHTS.get(path);
  if (weigh === undefined) {
    return undefined;
  }
  return (request) => Math.min(MAX_WEIGHT, Math.max(1, Math.ceil(weigh(request as never))));
}

const RETRY_PUSHBACK_MS = 100;
const HEAVY_SHARE = 0.75;

export class Admission {
  readonly #max: number;
  readonly #maxHeavy: number;
  readonly #noun: string;
  #weight = 0;
  #heavyWeight = 0;

  /** Creates an admission control for at most `max` calls. `noun` is `calls` or `streams`, for error messages. */
  constructor(options: { readonly max: number; readonly noun: string }) {
    this.#max = options.max;
    this.#maxHeavy = Math.floor(options.max * HEAVY_SHARE);
    this.#noun = options.noun;
  }

  /**
   * Admits a call, or throws a StatusError. After each successful `enter`, the caller must call `leave` once with the
   * same weight.
   */
  enter(weight: number): void {
    if (weight === 1) {
      if (this.#weight >= this.#max) {
        throw overloaded(this.#weight, this.#noun);
      }
    } else if (!this.#admitsHeavy(weight)) {
      throw tooHeavy(weight, this.#heavyWeight, this.#maxHeavy);
    }
    this.#weight += weight;
    this.#heavyWeight += weight === 1 ? 0 : weight;
  }

  leave(weight: number): void {
    this.#weight -= weight;
    this.#heavyWeight -= weight === 1 ? 0 : weight;
  }

  #admitsHeavy(weight: number): boolean {
    const fitsAlone = this.#heavyWeight === 0 || this.#heavyWeight + weight <= this.#maxHeavy;
    return fitsAlone && this.#weight + weight <= this.#max;
  }
}

function overloaded(count: number, noun: string): StatusError {
  const message = `cannot serve the call: ${count} ${noun} are in flight, which is the maximum; retry later`;
  return new StatusError(Status.UNAVAILABLE, message, { retryPushbackMs: RETRY_PUSHBACK_MS });
}

function tooHeavy(weight: number, heavyWeight: number, maxHeavy: number): StatusError {
  const message =
    `cannot serve the call: it counts as ${weight} calls, and the large calls in flight count as ${heavyWeight} of at most ` +
    `${maxHeavy}; send fewer keys per call or retry later`;
  return new StatusError(Status.RESOURCE_EXHAUSTED, message, { retryPushbackMs: RETRY_PUSHBACK_MS });
}
