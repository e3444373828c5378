/**
 * A command whose connection went before it was answered, or never came about.
 *
 * Where it `wasSent` it may have been executed: only a read may be repeated. Where it was not, anything may.
 */
import { StoreError } from '../lib/store-error.ts';

export class LostConnection extends StoreError {
  readonly wasSent: boolean;
  /** `demoted`, `silent`, `hung up` ... */
  readonly reason: string;

  constructor(reason: string, wasSent: boolean, cause?: unknown) {
    const detail = wasSent
      ? 'the connection to the Redis node was lost before it answered'
      : 'there is no connection to the Redis node';
    super(wasSent ? 'unknown' : 'unavailable', detail, { cause });
    this.name = 'LostConnection';
    this.wasSent = wasSent;
    this.reason = reason;
  }
}
