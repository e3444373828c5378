/**
 * An error reply of a server, before anybody has decided what it means for the caller.
 */
import { serverCodeOf } from './server-error.ts';

/** An error reply of the server's, as it came: MOVED and ASK are read from it. */
export class ServerReply extends Error {
  readonly code: string;

  constructor(cause: Error) {
    super(cause.message, { cause });
    this.name = 'ServerReply';
    this.code = serverCodeOf(cause.message);
  }
}
