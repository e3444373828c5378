/**
 * Stands between the gRPC framing of @grpc/grpc-js 1.14 and our handlers.
 *
 *   1. The library ignores unknown flags and a compressed message without `grpc-encoding`. Both are refused here.
 *   2. It decompresses all messages that have arrived, each up to the upper bound of a message. Here a message stays
 *      compressed until its handler takes it (request-message.ts).
 *   3. It ignores a message that the caller did not finish. A call with one request message is refused here.
 *   4. Its errors get our texts, and every answer names the encodings that we accept.
 *
 * This is an interceptor, which is public, that replaces private members of the call. The version is pinned, and the first
 * call fails when a member is gone.
 */
import { Metadata, type ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { deadlineOverBeforeStart, deadlineOverInHandler } from '../deadline-errors.ts';
import { Status, StatusError } from '../status.ts';
import { messageCutShort, messageMissing, messageTooLarge, secondMessage } from '../transport/refusals.ts';
import { ACCEPTED_ENCODINGS, flagRefusal, type RequestMessage, requestMessage } from '../transport/request-message.ts';

const PREFIX_BYTES = 5;
/** `ReadState.NO_DATA` of the library: between two messages. */
const BETWEEN_MESSAGES = 0;

interface LibraryStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata?: Metadata | null;
}

/** The private members of a call (BaseServerInterceptingCall) that are used or replaced. */
interface LibraryCall {
  readonly decoder: { readonly readState: number };
  readonly metadataSent: boolean;
  /** A handler of one request message has begun by then. */
  readonly receivedHalfClose: boolean;
  decompressMessage(message: Buffer, encoding: string): unknown;
  handleEndEvent(): void;
  /** Gets what `decompressMessage` threw, too. */
  sendStatus(status: LibraryStatus | StatusError): void;
}

/** What the library says, and what we say instead. */
function ourErrors(maxBytes: number): readonly (readonly [RegExp, (found: string) => StatusError])[] {
  return [
    [/^Received message larger than max \((\d+) vs/, (bytes) => messageTooLarge(bytes, maxBytes)],
    [/^Received no request message/, messageMissing],
    [/^Received a second request message/, secondMessage],
  ];
}

export function guardMessages(options: { maxMessageBytes: number }): ServerInterceptor {
  const maxBytes = options.maxMessageBytes;
  const errors = ourErrors(maxBytes);

  return (definition, interceptingCall) => {
    const call = interceptingCall as unknown as LibraryCall;
    const { handleEndEvent, sendStatus } = checked(call);
    const hasBegun = (): boolean => definition.requestStream || call.receivedHalfClose;

    call.decompressMessage = (message, encoding): RequestMessage => {
      const flag = message.readUInt8(0);
      const refusal = flagRefusal(flag, encoding);
      if (refusal !== undefined) {
        throw refusal;
      }
      return requestMessage(flag, message.subarray(PREFIX_BYTES), { encoding, maxBytes });
    };

    call.sendStatus = (status): void => {
      const answer = ourStatus(status, errors, hasBegun());
      if (call.metadataSent) {
        sendStatus.call(call, answer);
        return;
      }
      const metadata = answer.metadata?.clone() ?? new Metadata();
      metadata.set('grpc-accept-encoding', ACCEPTED_ENCODINGS);
      sendStatus.call(call, { ...answer, metadata });
    };

    call.handleEndEvent = (): void => {
      if (!definition.requestStream && call.decoder.readState !== BETWEEN_MESSAGES) {
        call.sendStatus(statusOf(messageCutShort()));
        return;
      }
      handleEndEvent.call(call);
    };
    return interceptingCall as ServerInterceptingCall;
  };
}

function checked(call: LibraryCall): LibraryCall {
  const { decompressMessage, handleEndEvent, sendStatus, decoder, receivedHalfClose, metadataSent } = call;
  const found = [decompressMessage, handleEndEvent, sendStatus].every((member) => typeof member === 'function');
  const hasFlags = [receivedHalfClose, metadataSent].every((member) => typeof member === 'boolean');
  if (!found || !hasFlags || typeof decoder?.readState !== 'number') {
    throw new Error('cannot serve gRPC: this version of @grpc/grpc-js has other private members; install version 1.14');
  }
  return call;
}

function ourStatus(
  status: LibraryStatus | StatusError,
  errors: ReturnType<typeof ourErrors>,
  hasBegun: boolean,
): LibraryStatus {
  if (status instanceof StatusError) {
    return statusOf(status);
  }
  if (status.details === 'Deadline exceeded') {
    return statusOf(hasBegun ? deadlineOverInHandler() : deadlineOverBeforeStart());
  }
  for (const [theirs, ours] of errors) {
    const match = theirs.exec(status.details);
    if (match !== null) {
      return statusOf(ours(match[1] ?? ''));
    }
  }
  return status.code === Status.OK ? { ...status, details: '' } : status;
}

function statusOf(error: StatusError): LibraryStatus {
  return { code: error.code, details: error.message };
}
