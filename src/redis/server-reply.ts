/**
 * Defines the error reply of a Redis server. Recovery later decides whether the caller receives an error.
 */
import { serverCodeOf } from './server-error.ts';

/** Error reply with its original text. The addresses in MOVED and ASK are parsed from this text. */
export class ServerReply extends Error {
  readonly code: string;

  constructor(cause: Error) {
    super(cause.message, { cause });
    this.name = 'ServerReply';
    this.code = serverCodeOf(cause.message);
  }
}
