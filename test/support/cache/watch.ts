/**
 * Runs a watch of a namespace through a sidecar in this process, and requests confirmations continuously.
 */
import { waitFor } from '../wait.ts';
import type { CacheSidecar } from './redis.ts';
import { callContext, TestStream } from './requests.ts';

interface Confirmation {
  /** Time of the request, on the clock of performance.now(). */
  readonly atMs: number;
  readonly validForMs: number;
  /** Number of events of the watch when the response arrived. */
  readonly eventCount: number;
}

export interface Watcher {
  readonly confirmations: readonly Confirmation[];
  /** Returns the events as short strings such as `key a`, `tag t` and `flush`. */
  events(): string[];
  /** Resolves to the first confirmation above 0 that the watch requests after this call. */
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
