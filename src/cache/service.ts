/**
 * Implements CacheService: validates requests, serves them from the near cache or the store, and builds the responses.
 *
 * Invariants:
 *   1. CacheGet and CacheGetMany succeed even if the store fails: the outcome of a key that cannot be read is
 *      UNAVAILABLE. The exception is data with an unknown format, which fails the call with FAILED_PRECONDITION.
 *   2. The service returns a near-cache hit synchronously.
 *   3. Before CacheSet or CacheInvalidate returns, the service drops the near-cache entries that the call affects, even
 *      if the call fails.
 *   4. A call whose deadline has passed does not use the store. Other calls stop using the store before the deadline of
 *      the caller.
 */
import type { PolicySource } from '../config/policy-file.ts';
import type { CacheGetManyRequestOutput } from '../grpc/generated/pannier/v1/CacheGetManyRequest.ts';
import type { CacheGetManyResponse } from '../grpc/generated/pannier/v1/CacheGetManyResponse.ts';
import type { CacheGetRequestOutput } from '../grpc/generated/pannier/v1/CacheGetRequest.ts';
import type { CacheGetResponse } from '../grpc/generated/pannier/v1/CacheGetResponse.ts';
import type { CacheInvalidateRequestOutput } from '../grpc/generated/pannier/v1/CacheInvalidateRequest.ts';
import type { CacheInvalidateResponse } from '../grpc/generated/pannier/v1/CacheInvalidateResponse.ts';
import type { CacheSetRequestOutput } from '../grpc/generated/pannier/v1/CacheSetRequest.ts';
import type { CacheSetResponse } from '../grpc/generated/pannier/v1/CacheSetResponse.ts';
import type { ConfirmInvalidationsRequestOutput } from '../grpc/generated/pannier/v1/ConfirmInvalidationsRequest.ts';
import type { ConfirmInvalidationsResponse } from '../grpc/generated/pannier/v1/ConfirmInvalidationsResponse.ts';
import type { WatchInvalidationsRequestOutput } from '../grpc/generated/pannier/v1/WatchInvalidationsRequest.ts';
import type { WatchInvalidationsResponse } from '../grpc/generated/pannier/v1/WatchInvalidationsResponse.ts';
import type { ServerStreamHandler, UnaryHandler } from '../grpc/method.ts';
import type { Service } from '../grpc/service-table.ts';
import { Status, StatusError } from '../grpc/status.ts';
import { storeDeadlineMs } from '../grpc/store-deadline.ts';
import type { Clock } from '../lib/clock.ts';
import { isPromise, type MaybePromise } from '../lib/maybe-promise.ts';
import { isPermissionRefusal, StoreError, settleAll } from '../lib/store-error.ts';
import { InvalidationHub } from '../near/invalidation-hub.ts';
import { InvalidationWatches } from '../near/invalidation-watches.ts';
import { NearCache } from '../near/near-cache.ts';
import type { ChannelNames, Subscriber, SubscriberListener } from '../near/subscriber.ts';
import type { CacheMetrics } from './metrics.ts';
import { defaultTtlMs } from './namespace.ts';
import { CacheReader } from './reader.ts';
import { type Invalidation, readInvalidate, readSet, readWatch } from './request.ts';
import type { CacheStore } from './store.ts';
import { confirmInvalidations, watchInvalidations } from './watch.ts';

export interface CacheServiceOptions {
  readonly store: CacheStore;
  /**
   * Creates a subscriber for the channels on which the store publishes: Redis channels for the Redis store,
   * `LocalChannels` for the memory store.
   */
  readonly createSubscriber: (listener: SubscriberListener) => Subscriber;
  readonly channelNames: ChannelNames;
  /**
   * Bounds of the near cache. Unset for the memory store, which needs no near cache. Tests set `lifeMs`, the staleness
   * bound; its default is 1 s.
   */
  readonly near?: { readonly maxEntries: number; readonly maxBytes: number; readonly lifeMs?: number };
  readonly policies: PolicySource;
  readonly clock: Clock;
  readonly metrics: CacheMetrics;
  readonly maxValueBytes: number;
  /** Maximum bytes of values and tags in a response of CacheGetMany. */
  readonly maxAnswerBytes?: number;
}

type CacheHandlers = {
  readonly CacheGet: UnaryHandler<CacheGetRequestOutput, CacheGetResponse>;
  readonly CacheGetMany: UnaryHandler<CacheGetManyRequestOutput, CacheGetManyResponse>;
  readonly CacheSet: UnaryHandler<CacheSetRequestOutput, CacheSetResponse>;
  readonly CacheInvalidate: UnaryHandler<CacheInvalidateRequestOutput, CacheInvalidateResponse>;
  readonly ConfirmInvalidations: UnaryHandler<ConfirmInvalidationsRequestOutput, ConfirmInvalidationsResponse>;
  readonly WatchInvalidations: ServerStreamHandler<WatchInvalidationsRequestOutput, WatchInvalidationsResponse>;
};

export interface CacheService extends Service {
  readonly handlers: CacheHandlers;
  /** Closes all watches, drops all near-cache entries and closes the subscriber. */
  close(): void;
}

/** Delay before a retry of CacheInvalidate: about the time after which a silent server is considered lost. */
const RETRY_PUSHBACK_MS = 250;
/** Default of `maxAnswerBytes`, below the 4 MiB that gRPC clients accept by default. */
const MAX_ANSWER_BYTES = 3.5 * 1_048_576;

export function createCacheService(options: CacheServiceOptions): CacheService {
  const { store, policies, clock, metrics, channelNames, createSubscriber } = options;
  const hub = new InvalidationHub({ clock, channelNames, createSubscriber });
  const near = options.near === undefined ? undefined : new NearCache({ clock, hub, ...options.near });
  const watches = new InvalidationWatches({ clock, hub });
  hub.addListener({
    onChannel: (channel, _event, action) => {
      // The hub also flushes a channel when it unsubscribes an unused channel. Operators do not need a metric for these
      // flushes.
      const isInUse = channel.watchCount > 0 || channel.nearUsedAtMs !== undefined;
      if (action.kind === 'flush' && isInUse) {
        metrics.bucketFlushed(action.cause);
      }
    },
  });
  const reader = new CacheReader({
    store,
    near,
    policies,
    clock,
    metrics,
    maxAnswerBytes: options.maxAnswerBytes ?? MAX_ANSWER_BYTES,
  });
  const setOptions = {
    defaultTtlMs: (namespace: string) => defaultTtlMs(policies, namespace),
    maxValueBytes: options.maxValueBytes,
  };

  return {
    name: 'pannier.v1.CacheService',
    handlers: {
      CacheGet: (request, context) => reader.get(request, context),
      CacheGetMany: (request, context) => reader.getMany(request, context),
      CacheSet: (request, context) => {
        const write = readSet(request, setOptions);
        const drop = () => near?.drop(write.namespace, write.key);
        const deadlineAtMs = storeDeadlineMs(context, clock, 'set a cached value');
        return afterwards(
          () => store.write(write, deadlineAtMs),
          drop,
          (outcome) => outcome,
        );
      },
      CacheInvalidate: async (request, context) => {
        const invalidation = readInvalidate(request);
        const deadlineAtMs = storeDeadlineMs(context, clock, 'invalidate');
        return { removed: await invalidate(store, near, invalidation, deadlineAtMs) };
      },
      ConfirmInvalidations: (request, context) =>
        confirmInvalidations(watches, request.watchId, storeDeadlineMs(context, clock, 'confirm invalidations')),
      WatchInvalidations: (request, context, responses) =>
        watchInvalidations({ watches, clock, context, responses, namespace: readWatch(request) }),
    },
    close: () => {
      watches.closeAll();
      near?.close();
      hub.close();
    },
  };
}

async function invalidate(
  store: CacheStore,
  near: NearCache | undefined,
  { namespace, keys, tags, all }: Invalidation,
  deadlineAtMs: number,
): Promise<number> {
  const steps: Promise<number>[] = [];
  if (keys.length > 0) {
    steps.push(attempt(() => store.remove(namespace, keys, deadlineAtMs)));
  }
  if (tags.length > 0) {
    steps.push(attempt(() => store.removeTags(namespace, tags, deadlineAtMs)).then(() => 0));
  }
  if (all) {
    steps.push(attempt(() => store.flush(namespace, deadlineAtMs)).then(() => 0));
  }
  try {
    const removed = await settleAll(steps);
    return removed.reduce((sum, count) => sum + count, 0);
  } catch (error) {
    throw repeatable(error);
  } finally {
    for (const key of keys) {
      near?.drop(namespace, key);
    }
    if (tags.length > 0) {
      near?.dropTags(namespace, tags);
    }
    if (all) {
      near?.dropNamespace(namespace);
    }
  }
}

/** Runs a store action and turns a synchronous throw into a rejection, so that `settleAll` treats both alike. */
async function attempt<Value>(action: () => MaybePromise<Value>): Promise<Value> {
  return await action();
}

/**
 * Converts an error of an invalidation. A client may always repeat an invalidation, so an unknown or partial outcome
 * becomes UNAVAILABLE. The function returns an error about a missing permission unchanged, because a retry does not
 * help.
 */
function repeatable(error: unknown): unknown {
  const isTransient = error instanceof StoreError && !isPermissionRefusal(error);
  if (isTransient && (error.kind === 'unknown' || error.kind === 'unavailable')) {
    const text = 'cannot invalidate all entries: the store did not answer every step; retry the whole call';
    return new StatusError(Status.UNAVAILABLE, text, { cause: error, retryPushbackMs: RETRY_PUSHBACK_MS });
  }
  return error;
}

/**
 * Runs `action`, then `after` even if `action` fails, and returns the converted result. Stays synchronous if `action`
 * returns a value.
 */
function afterwards<Value, Result>(
  action: () => MaybePromise<Value>,
  after: () => void,
  convert: (value: Value) => Result,
): MaybePromise<Result> {
  let answer: MaybePromise<Value>;
  try {
    answer = action();
  } catch (error) {
    after();
    throw error;
  }
  if (isPromise(answer)) {
    return answer.finally(after).then(convert);
  }
  after();
  return convert(answer);
}
