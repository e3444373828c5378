/**
 * Tracks the deadlines of the calls of one connection, and detects calls whose peer has stopped sending or reading.
 *
 * Invariant: `expired` takes constant time while no watched deadline of this connection has passed, even if deadlines
 * of other connections have passed.
 */
import type { Http2Limits } from '../limits/http2-limits.ts';
import type { Http2Stream } from '../streams/stream.ts';
import type { StreamTable } from '../streams/stream-table.ts';
import type { DeadlineWatch } from './deadline-watch.ts';

const SECOND_MS = 1_000;
const NO_STREAMS: readonly Http2Stream[] = [];

export class CallTimes {
  /** Number of sweeps so far. A sweep runs once a second, so this number also measures time in seconds. */
  sweeps = 0;
  readonly #table: StreamTable;
  readonly #limits: Http2Limits;
  readonly #deadlines: DeadlineWatch;
  /** Earliest deadline of the watched calls. */
  #nextDeadlineMs = Number.POSITIVE_INFINITY;

  constructor(parts: { table: StreamTable; limits: Http2Limits; deadlines: DeadlineWatch }) {
    this.#table = parts.table;
    this.#limits = parts.limits;
    this.#deadlines = parts.deadlines;
  }

  /** Earliest deadline of the watched calls, or Infinity if no call is watched. */
  get nextDeadlineMs(): number {
    return this.#nextDeadlineMs;
  }

  watch(stream: Http2Stream): void {
    this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, stream.deadlineAtMs);
    this.#deadlines.watch(stream.deadlineAtMs);
  }

  /**
   * Returns the calls whose deadlines have passed and that have no final status yet, and stops watching these calls.
   */
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
   * Returns the calls that the caller must reset, because the peer does not read the response or does not finish the
   * request. Must be called once a second. If the window of a stream is open, its response waits only for the
   * connection's window. The result does not contain the call of such a stream as long as the peer reads other
   * responses of the connection (`isConnectionTaking`).
   */
  sweep(isConnectionTaking: boolean): readonly Http2Stream[] {
    this.sweeps += 1;
    const stalled: Http2Stream[] = [];
    const { slowReaderBytesPerSecond, maxStalledWriteMs, maxRequestMs } = this.#limits;
    for (const stream of this.#table.values()) {
      const takenBytes = stream.sentBytes - stream.sweptBytes;
      stream.sweptBytes = stream.sentBytes;
      // This method treats a window of a few bytes as closed. Otherwise, a peer that opens its window by a few bytes
      // could keep the response buffered indefinitely.
      const isOpen = stream.sendWindowBytes >= Math.min(stream.queuedBytes, slowReaderBytesPerSecond);
      const isInTurn = isOpen && isConnectionTaking;
      if (stream.queuedBytes === 0 || takenBytes >= slowReaderBytesPerSecond || isInTurn) {
        stream.progressSweep = this.sweeps;
      }
      const stalledMs = (this.sweeps - stream.progressSweep) * SECOND_MS;
      const isUnfinished = !stream.isRemoteClosed && stream.streaming === undefined;
      if (isUnfinished) {
        // Starts watching the deadline only here and not when HEADERS arrive, because most calls arrive completely in
        // one chunk.
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
