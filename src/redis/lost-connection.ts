/**
 * Defines the error of a command whose connection was lost, or for which there was no connection.
 *
 * If `wasSent` is true, Redis may have executed the command, so only a read may be repeated. If `wasSent` is false, any
 * command may be repeated.
 */
import { StoreError } from '../lib/store-error.ts';

export class LostConnection extends StoreError {
  readonly wasSent: boolean;
  /** Reason for the loss, such as `demoted`, `silent` or `hung up`. */
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
