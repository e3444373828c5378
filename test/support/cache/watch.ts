/**
 * Who watches a namespace through a sidecar in this process, and asks again and again whether the copies may be kept.
 */

import { waitFor } from '../wait.ts';
import type { CacheSidecar } from './redis.ts';
import { callContext, TestStream } from './requests.ts';

interface Confirmation {
  /** When it was asked for, as performance.now(). */
  readonly atMs: number;
  readonly validForMs: number;
  /** Events of the watch when the answer came. */
  readonly eventCount: number;
}

export interface Watcher {
  readonly confirmations: readonly Confirmation[];
  /** Short texts: `key a`, `tag t`, `flush`. */
  events(): string[];
  /** Resolves with the next confirmation above 0 that is asked for from now on. */
  confirmed(timeoutMs?: number): Promise<Confirmation>;
  close(): Promise<void>;
}

const PAUSE_MS = 20;
const MAX_CONFIRMATIONS = 20_000;

export async function startWatcher(sidecar: CacheSidecar): Promise<Watcher> {
  const call = callContext({ leftMs: 600_000 });
  const stream = new TestStream(call);
  const ended = sidecar.service.handlers.WatchInvalidations({ namespace: 'n' }, call, stream);
  await waitFor('the start of the watch', () => stream.watchId > 0);
  const confirmations: Confirmation[] = [];
  let isOver = false;

  async function ask(): Promise<void> {
    const atMs = performance.now();
    const request = { watchId: stream.watchId };
    const { validForMs } = await sidecar.service.handlers.ConfirmInvalidations(request, callContext({ leftMs: 2_000 }));
    confirmations.push({ atMs, validForMs: Number(validForMs), eventCount: stream.events.length });
  }

  const asking = (async () => {
    while (!isOver && confirmations.length < MAX_CONFIRMATIONS) {
      await ask();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  })();
  return {
    confirmations,
    events: () => stream.events,
    confirmed: (timeoutMs) => {
      const sinceMs = performance.now();
      return waitFor(
        'a confirmation',
        () => confirmations.find(({ atMs, validForMs }) => atMs >= sinceMs && validForMs > 0),
        timeoutMs,
      );
    },
    close: async () => {
      isOver = true;
      await asking;
      call.end();
      await ended;
    },
  };
}
