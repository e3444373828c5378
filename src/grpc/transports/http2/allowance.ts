/**
 * What a connection may still cost us in frames that do no work: see `allowanceMax` in limits.ts.
 */
import { ConnectionFault, ErrorCode } from './protocol.ts';

/** What a frame costs where it is not 1. */
export const SETTINGS_COST = 20;
/** A stream that we must refuse or reset costs an answer as well. */
export const REFUSED_COST = 2;

export class Allowance {
  readonly #max: number;
  readonly #perSecond: number;
  #left: number;

  constructor(limits: { allowanceMax: number; allowancePerSecond: number }) {
    this.#max = limits.allowanceMax;
    this.#perSecond = limits.allowancePerSecond;
    this.#left = limits.allowanceMax;
  }

  spend(cost: number): void {
    this.#left -= cost;
    if (this.#left < 0) {
      throw new ConnectionFault(ErrorCode.enhanceYourCalm, 'too many frames that do no work');
    }
  }

  callFinished(): void {
    if (this.#left < this.#max) {
      this.#left += 1;
    }
  }

  secondPassed(): void {
    this.#left = Math.min(this.#max, this.#left + this.#perSecond);
  }
}
