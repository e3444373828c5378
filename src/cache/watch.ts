/**
 * WatchInvalidations and ConfirmInvalidations: the invalidations of a namespace as a stream, for a service that keeps copies
 * of its own, and the proof that the stream is current.
 *
 * Promises:
 *   1. The first event is `started`, sent once all channels of the namespace are live: what is voided after it, is told.
 *   2. A stream whose reader is slow costs a bounded queue, then a flush; a stream that ended costs nothing.
 *   3. ConfirmInvalidations answers above 0 only after every earlier event of the watch was handed to its stream, and every server that holds
 *      one of its channels has proved meanwhile to be a master that serves it (Subscriber.barrier).
 */
import type { ConfirmInvalidationsResponse } from '../grpc/generated/pannier/v1/ConfirmInvalidationsResponse.ts';
import type { WatchInvalidationsResponse } from '../grpc/generated/pannier/v1/WatchInvalidationsResponse.ts';
import type { CallContext, ResponseStream } from '../grpc/method.ts';
import { Status, StatusError } from '../grpc/status.ts';
import type { Clock } from '../lib/clock.ts';
import type { InvalidationWatch, InvalidationWatches, WatchEvent } from '../near/invalidation-watches.ts';

/** How long copies may be served after a confirmation. */
const CONFIRMED_MS = 500;
/** A watch that is not live by then ends: its caller shall hear so and try again, not wait. */
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
      `cannot watch invalidations: ${watches.count} watches are open, wanted fewer than ${watches.maxWatches}`,
    );
  }
  context.onOver(() => watch.close());
  try {
    const leftMs = Math.max(0, context.deadlineAtMs - clock.monotonicMs());
    // What an operator must end is not waited for.
    const startMs = watches.refusal === undefined ? Math.min(leftMs, START_TIMEOUT_MS) : 0;
    if (!(await watch.start(startMs))) {
      throw (
        watches.refusal ??
        new StatusError(
          Status.UNAVAILABLE,
          'cannot watch invalidations: not all channels of the namespace are subscribed, wanted an answer from the store',
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
  // No watch has an id beyond the exact numbers.
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

/** Hands one message over; where the transport holds more than it likes to, waits until it has got rid of it. */
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
