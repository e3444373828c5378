/**
 * Implements WatchInvalidations and ConfirmInvalidations. With these calls, an application that has its own cache can
 * follow the invalidations of a namespace. The application can also check that it has received every invalidation.
 *
 * Invariants:
 *   1. The first event is `started`. The service sends this event once all channels of the namespace are live, so the
 *      stream contains every later invalidation.
 *   2. The queue for a slow reader is bounded. If the queue overflows, a flush replaces the queued events. A stream
 *      that has ended uses no resources.
 *   3. ConfirmInvalidations returns a time above 0 only if two conditions are met. First, the service has passed every
 *      earlier event to the stream of the watch. Second, every server with a channel of the watch has proved to be a
 *      master that serves this channel (Subscriber.barrier).
 */
import type { ConfirmInvalidationsResponse } from '../grpc/generated/pannier/v1/ConfirmInvalidationsResponse.ts';
import type { WatchInvalidationsResponse } from '../grpc/generated/pannier/v1/WatchInvalidationsResponse.ts';
import type { CallContext, ResponseStream } from '../grpc/method.ts';
import { Status, StatusError } from '../grpc/status.ts';
import type { Clock } from '../lib/clock.ts';
import type { InvalidationWatch, InvalidationWatches, WatchEvent } from '../near/invalidation-watches.ts';

/** Time for which the application may serve its cached values after a confirmation. */
const CONFIRMED_MS = 500;
/** Maximum time for a watch to become live. After this time, the call fails, so that the caller can retry. */
const START_TIMEOUT_MS = 5_000;

export interface WatchCall {
  readonly watches: InvalidationWatches;
  readonly clock: Clock;
  readonly context: CallContext;
  readonly responses: ResponseStream<WatchInvalidationsResponse>;
  readonly namespace: string;
}

export async function watchInvalidations(call: WatchCall): Promise<void> {
  const { watches, clock, context, responses, namespace } = call;
  const watch = watches.open(namespace);
  if (watch === undefined) {
    throw new StatusError(
      Status.RESOURCE_EXHAUSTED,
      `cannot watch invalidations: ${watches.count} watches are open; close one or retry later`,
    );
  }
  context.onOver(() => watch.close());
  try {
    const leftMs = Math.max(0, context.deadlineAtMs - clock.monotonicMs());
    // Waiting does not help if an operator must act first.
    const startMs = watches.refusal === undefined ? Math.min(leftMs, START_TIMEOUT_MS) : 0;
    if (!(await watch.start(startMs))) {
      throw (
        watches.refusal ??
        new StatusError(
          Status.UNAVAILABLE,
          'cannot watch invalidations: the store has not confirmed all subscriptions of the namespace; retry later',
        )
      );
    }
    await hand(responses, { started: { watchId: watch.id } });
    await forward(watch, context, responses);
  } finally {
    watch.close();
  }
}

export async function confirmInvalidations(
  watches: InvalidationWatches,
  watchId: number | bigint,
  deadlineAtMs: number,
): Promise<ConfirmInvalidationsResponse> {
  // Watch ids are below 2^53. The decoder returns larger numbers as bigint.
  const isConfirmed = typeof watchId === 'number' && (await watches.confirm(watchId, deadlineAtMs));
  return { validForMs: isConfirmed ? CONFIRMED_MS : 0 };
}

async function forward(
  watch: InvalidationWatch,
  context: CallContext,
  responses: ResponseStream<WatchInvalidationsResponse>,
): Promise<void> {
  while (!watch.isClosed && !context.isOver()) {
    for (const event of watch.take()) {
      if (context.isOver()) {
        return;
      }
      await hand(responses, toResponse(event));
    }
    watch.markDelivered();
    await watch.waitForEvents();
  }
}

/** Sends one message, and waits if the buffer of the transport is full. */
async function hand(
  responses: ResponseStream<WatchInvalidationsResponse>,
  response: WatchInvalidationsResponse,
): Promise<void> {
  if (!responses.send(response)) {
    await responses.writable();
  }
}

function toResponse(event: WatchEvent): WatchInvalidationsResponse {
  switch (event.kind) {
    case 'key':
      return event.version === undefined ? { key: event.key } : { key: event.key, version: event.version };
    case 'tag':
      return { tag: event.tag };
    case 'flush':
      return { flush: {} };
  }
}
