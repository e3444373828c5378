/**
 * The times of the calls of one connection: their deadlines, and how long a peer may neither send nor take.
 *
 * Promise: looking costs nothing while no call of the connection is due; the deadlines of others do not make it look.
 */

import type { Http2Limits } from '../limits/http2-limits.ts';
import type { Http2Stream } from '../streams/stream.ts';
import type { StreamTable } from '../streams/stream-table.ts';

const SECOND_MS = 1_000;

export class CallTimes {
  /** Sweeps so far, one a second. */
  sweeps = 0;
  readonly #table: StreamTable;
  readonly #limits: Http2Limits;
  readonly #watchDeadline: (deadlineAtMs: number) => void;
  /** No call that is watched ends before. */
  #nextDeadlineMs = Number.POSITIVE_INFINITY;

  constructor(options: {
    table: StreamTable;
    limits: Http2Limits;
    watchDeadline: (deadlineAtMs: number) => void;
  }) {
    this.#table = options.table;
    this.#limits = options.limits;
    this.#watchDeadline = options.watchDeadline;
  }

  watch(stream: Http2Stream): void {
    this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, stream.deadlineAtMs);
    this.#watchDeadline(stream.deadlineAtMs);
  }

  /** Calls `end` for each call whose deadline is over; returns the next deadline, Infinity where there is none. */
  expire(nowMs: number, end: (stream: Http2Stream) => void): number {
    if (this.#nextDeadlineMs > nowMs) {
      return this.#nextDeadlineMs;
    }
    let nextMs = Number.POSITIVE_INFINITY;
    for (const stream of [...this.#table.values()]) {
      if (stream.deadlineAtMs > nowMs) {
        nextMs = Math.min(nextMs, stream.deadlineAtMs);
      } else if (stream.endBlock === undefined && stream.head.verdict === 'call') {
        end(stream);
      }
    }
    this.#nextDeadlineMs = nextMs;
    return nextMs;
  }

  /**
   * Once a second: calls `end` for each call whose peer does not take its answer, or does not end its request. One whose own
   * window is open waits for its turn on the connection: it goes on as long as the connection does (`isConnectionTaking`).
   */
  sweep(isConnectionTaking: boolean, end: (stream: Http2Stream) => void): void {
    this.sweeps += 1;
    const { slowReaderBytesPerSecond, maxStalledWriteMs, maxRequestMs } = this.#limits;
    for (const stream of [...this.#table.values()]) {
      const takenBytes = stream.sentBytes - stream.sweptBytes;
      stream.sweptBytes = stream.sentBytes;
      // A window of a few bytes is none: it would hold the answer for as long as the peer likes.
      const isOpen = stream.sendWindowBytes >= Math.min(stream.queuedBytes, slowReaderBytesPerSecond);
      const isInTurn = isOpen && isConnectionTaking;
      if (stream.queuedBytes === 0 || takenBytes >= slowReaderBytesPerSecond || isInTurn) {
        stream.progressSweep = this.sweeps;
      }
      const stalledMs = (this.sweeps - stream.progressSweep) * SECOND_MS;
      const isUnfinished = !stream.isRemoteClosed && stream.streaming === undefined;
      if (isUnfinished) {
        // Its headers alone are not watched: most calls are whole in the same breath.
        this.watch(stream);
      }
      const unfinishedMs = isUnfinished ? (this.sweeps - stream.bornSweep) * SECOND_MS : 0;
      if (stalledMs > maxStalledWriteMs || unfinishedMs > maxRequestMs) {
        end(stream);
      }
    }
  }
}
