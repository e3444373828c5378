/**
 * How many frames that do no work a connection may still send: see `maxFrameBudget` in http2-limits.ts.
 */
import { ConnectionFault, ErrorCode } from './protocol.ts';

/** What a frame costs where it is not 1. */
export const SETTINGS_COST = 20;
/** A stream that we must refuse or reset costs an answer as well. */
export const REFUSED_COST = 2;

/** A header list over its limit is decoded all the same, and then refused. */
export const TOO_LARGE_BYTES_PER_POINT = 1_024;

export class FrameBudget {
  readonly #max: number;
  readonly #perSecond: number;
  #left: number;

  constructor(limits: { maxFrameBudget: number; frameBudgetPerSecond: number }) {
    this.#max = limits.maxFrameBudget;
    this.#perSecond = limits.frameBudgetPerSecond;
    this.#left = limits.maxFrameBudget;
  }

  /** Throws a ConnectionFault where the budget is exhausted: only while frames of the peer are read. */
  consume(cost: number): void {
    this.#left -= cost;
    if (this.#left < 0) {
      throw new ConnectionFault(ErrorCode.enhanceYourCalm, 'too many frames that do no work');
    }
  }

  /** A small piece of DATA was sent because the peer opens its window by a few bytes. The next frame that is read may throw for it. */
  smallPieceSent(): void {
    this.#left -= 1;
  }

  /** A frame of DATA was sent: its peer gives the window back, of the stream and of the connection. */
  dataSent(): void {
    this.#replenish(2);
  }

  /** What a call brings with it besides: a PING that measures, a cancellation that crosses the answer. */
  callFinished(): void {
    this.#replenish(2);
  }

  secondPassed(): void {
    this.#replenish(this.#perSecond);
  }

  #replenish(points: number): void {
    this.#left = Math.min(this.#max, this.#left + points);
  }
}
