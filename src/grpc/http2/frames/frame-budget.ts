/**
 * Frame budget of a connection: limits the number of frames that serve no call. The description of `maxFrameBudget` in
 * http2-limits.ts lists these frames.
 */
import { ConnectionFault, ErrorCode } from './protocol.ts';

/** Cost of a SETTINGS frame, in points; most other frames that serve no call cost 1 point. */
export const SETTINGS_COST = 20;
/**
 * Cost of a stream that the server refuses or resets. The cost is higher than 1, because the server must also send
 * RST_STREAM.
 */
export const REFUSED_COST = 2;

/**
 * Number of bytes of an oversized header block that together cost one point. The server must decode such a block before
 * it can reject the call.
 */
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

  /**
   * Consumes points. Throws a ConnectionFault when the budget is exhausted, so this method may be called only while the
   * connection reads frames.
   */
  consume(cost: number): void {
    this.#left -= cost;
    if (this.#left < 0) {
      throw new ConnectionFault(
        ErrorCode.enhanceYourCalm,
        'frame budget exhausted: too many control frames, empty frames or resets',
      );
    }
  }

  /**
   * Consumes one point for a small DATA frame that we sent because the peer opens its window by a few bytes at a time.
   * This method never throws, but the next call of `consume` may throw.
   */
  smallPieceSent(): void {
    this.#left -= 1;
  }

  /**
   * Replenishes the budget after a DATA frame. The peer acknowledges the frame with two WINDOW_UPDATE frames, one for
   * the stream and one for the connection.
   */
  dataSent(): void {
    this.#replenish(2);
  }

  /**
   * Replenishes the budget after a call. A client may send other frames with a call: a PING that measures the round
   * trip, or a cancellation that crosses the response.
   */
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
