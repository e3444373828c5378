/**
 * Error reply of a Redis server, before recovery decides what the caller receives.
 */
import { serverCodeOf } from './server-error.ts';

/** Error reply with its original text, from which MOVED and ASK are parsed. */
export class ServerReply extends Error {
  readonly code: string;

  constructor(cause: Error) {
    super(cause.message, { cause });
    this.name = 'ServerReply';
    this.code = serverCodeOf(cause.message);
  }
}
