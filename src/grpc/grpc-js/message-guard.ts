/**
 * Corrects how @grpc/grpc-js 1.14 handles request messages.
 *
 *   1. The library accepts messages with unknown flags, and compressed messages of a call without `grpc-encoding`. This
 *      module rejects both kinds of messages.
 *   2. The library decompresses all messages that have arrived, each up to the maximum message size. This module keeps
 *      a message compressed until its handler reads it (request-message.ts).
 *   3. The library ignores an incomplete last message. This module rejects a unary or server-streaming call whose last
 *      message is incomplete.
 *   4. This module replaces the error messages of the library with our messages, and adds `grpc-accept-encoding` to
 *      every response.
 *
 * The module uses the public interceptor API of the library, but it also replaces private members of the call. The
 * version of the library is therefore pinned, and the first call fails if a member is missing.
 */
import { Metadata, type ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { deadlineOverBeforeStart, deadlineOverInHandler } from '../deadline-errors.ts';
import { Status, StatusError } from '../status.ts';
import { messageCutShort, messageMissing, messageTooLarge, secondMessage } from '../transport/refusals.ts';
import { ACCEPTED_ENCODINGS, flagRefusal, type RequestMessage, requestMessage } from '../transport/request-message.ts';

const PREFIX_BYTES = 5;
/** Value of `ReadState.NO_DATA` in the library. This value means that the decoder is between two messages. */
const BETWEEN_MESSAGES = 0;

interface LibraryStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata?: Metadata | null;
}

/** Private members of a call (BaseServerInterceptingCall) that this module uses or replaces. */
interface LibraryCall {
  readonly decoder: { readonly readState: number };
  readonly metadataSent: boolean;
  /** True once the request has ended. If the method has a single request message, the handler has started by then. */
  readonly receivedHalfClose: boolean;
  decompressMessage(message: Buffer, encoding: string): unknown;
  handleEndEvent(): void;
  /** Sends the final status. If `decompressMessage` throws an error, the library passes the error to this method. */
  sendStatus(status: LibraryStatus | StatusError): void;
}

/** Returns patterns of the library's error messages, each with the error that replaces the matching messages. */
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
    throw new Error(
      'cannot serve gRPC: this version of @grpc/grpc-js has different private members; install version 1.14',
    );
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
