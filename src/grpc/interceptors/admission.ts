/**
 * Admission control: how much may be in flight at once, where a call counts by what it makes the sidecar and the store do.
 *
 * Invariants:
 *   1. The calls in flight never weigh more than `max` together. What does not fit is refused at once and certainly not executed.
 *   2. Heavy calls (weight above 1) are refused whole, and take at most three quarters of `max`: small calls are served beside them.
 *   3. A heavy call is admitted if no other one is in flight and it fits: no request of a valid size is refused for ever.
 */
import type { CacheGetManyRequestOutput } from '../generated/pannier/v1/CacheGetManyRequest.ts';
import type { CacheInvalidateRequestOutput } from '../generated/pannier/v1/CacheInvalidateRequest.ts';
import type { CheckRateLimitsRequestOutput } from '../generated/pannier/v1/CheckRateLimitsRequest.ts';
import { Status, StatusError } from '../status.ts';

type Weigh<Request> = (request: Request) => number;

/** A key of a call of many costs at most a quarter of a call (make bench-cache-buckets). */
const KEYS_PER_UNIT = 4;
/** A flush runs one small script per bucket. */
const FLUSH_WEIGHT = 16;
/** Of the largest valid call: CacheInvalidate with 1,000 keys, 1,000 tags and `all`. A larger one is refused for its size, at little cost. */
const MAX_WEIGHT = 516;

/** By path: methods whose calls do the work of many. All others weigh 1. */
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

/** Weighs the calls of a method; undefined where each weighs 1. */
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
  readonly #what: string;
  #weight = 0;
  #heavyWeight = 0;

  /** `what` is counted: `calls`, `streams`. */
  constructor(options: { readonly max: number; readonly what: string }) {
    this.#max = options.max;
    this.#maxHeavy = Math.floor(options.max * HEAVY_SHARE);
    this.#what = options.what;
  }

  /** Throws a StatusError if the call must wait its turn; else `leave` must follow, once, with the same weight. */
  enter(weight: number): void {
    if (weight === 1) {
      if (this.#weight >= this.#max) {
        throw overloaded(this.#weight, this.#what);
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

function overloaded(count: number, what: string): StatusError {
  const message = `cannot serve the call: ${count} ${what} are in flight, as many as are admitted; repeat it later`;
  return new StatusError(Status.UNAVAILABLE, message, { retryPushbackMs: RETRY_PUSHBACK_MS });
}

function tooHeavy(weight: number, heavyWeight: number, maxHeavy: number): StatusError {
  const message =
    `cannot serve the call: it counts as ${weight} calls, and large calls that count as ${heavyWeight} of at most ${maxHeavy} ` +
    'are in flight; send fewer keys at once, or repeat it later';
  return new StatusError(Status.RESOURCE_EXHAUSTED, message, { retryPushbackMs: RETRY_PUSHBACK_MS });
}
