/**
 * The times of the calls of one connection: their deadlines, and how long a peer may neither send nor take.
 *
 * Invariant: a check costs nothing while no call of the connection is due; the deadlines of other connections start none.
 */
import type { Http2Limits } from '../limits/http2-limits.ts';
import type { Http2Stream } from '../streams/stream.ts';
import type { StreamTable } from '../streams/stream-table.ts';
import type { DeadlineWatch } from './deadline-watch.ts';

const SECOND_MS = 1_000;
const NO_STREAMS: readonly Http2Stream[] = [];

export class CallTimes {
  /** Sweeps so far, one a second. */
  sweeps = 0;
  readonly #table: StreamTable;
  readonly #limits: Http2Limits;
  readonly #deadlines: DeadlineWatch;
  /** No call that is watched ends before. */
  #nextDeadlineMs = Number.POSITIVE_INFINITY;

  constructor(parts: { table: StreamTable; limits: Http2Limits; deadlines: DeadlineWatch }) {
    this.#table = parts.table;
    this.#limits = parts.limits;
    this.#deadlines = parts.deadlines;
  }

  /** No call is due before; Infinity where there is none. */
  get nextDeadlineMs(): number {
    return this.#nextDeadlineMs;
  }

  watch(stream: Http2Stream): void {
    this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, stream.deadlineAtMs);
    this.#deadlines.watch(stream.deadlineAtMs);
  }

  /** The calls whose deadline is over and that are not answered. They are not watched any more. */
  expired(nowMs: number): readonly Http2Stream[] {
    if (this.#nextDeadlineMs > nowMs) {
      return NO_STREAMS;
    }
    const expired: Http2Stream[] = [];
    let nextMs = Number.POSITIVE_INFINITY;
    for (const stream of this.#table.values()) {
      if (stream.deadlineAtMs > nowMs) {
        nextMs = Math.min(nextMs, stream.deadlineAtMs);
      } else if (stream.endBlock === undefined && stream.request.verdict === 'call') {
        expired.push(stream);
      }
    }
    this.#nextDeadlineMs = nextMs;
    return expired;
  }

  /**
   * Once a second: the calls whose peer does not take its answer, or does not end its request. One whose own window is open has its turn
   * on the connection later: it goes on as long as the connection does (`isConnectionTaking`).
   */
  sweep(isConnectionTaking: boolean): readonly Http2Stream[] {
    this.sweeps += 1;
    const stalled: Http2Stream[] = [];
    const { slowReaderBytesPerSecond, maxStalledWriteMs, maxRequestMs } = this.#limits;
    for (const stream of this.#table.values()) {
      const takenBytes = stream.sentBytes - stream.sweptBytes;
      stream.sweptBytes = stream.sentBytes;
      // A window of a few bytes is none: it would keep the answer buffered for as long as the peer likes.
      const isOpen = stream.sendWindowBytes >= Math.min(stream.queuedBytes, slowReaderBytesPerSecond);
      const isInTurn = isOpen && isConnectionTaking;
      if (stream.queuedBytes === 0 || takenBytes >= slowReaderBytesPerSecond || isInTurn) {
        stream.progressSweep = this.sweeps;
      }
      const stalledMs = (this.sweeps - stream.progressSweep) * SECOND_MS;
      const isUnfinished = !stream.isRemoteClosed && stream.streaming === undefined;
      if (isUnfinished) {
        // Its headers alone are not watched: most calls are whole in the same chunk.
        this.watch(stream);
      }
      const unfinishedMs = isUnfinished ? (this.sweeps - stream.bornSweep) * SECOND_MS : 0;
      if (stalledMs > maxStalledWriteMs || unfinishedMs > maxRequestMs) {
        stalled.push(stream);
      }
    }
    return stalled;
  }
}
