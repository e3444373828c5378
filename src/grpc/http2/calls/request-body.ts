/**
 * Splits the DATA of a call into messages: one message for unary and server-streaming calls, and any number of messages
 * for bidi-streaming calls.
 *
 * Invariants:
 *   1. If one DATA frame with END_STREAM contains the whole message, the returned message is a view of that frame and
 *      not a copy.
 *   2. For an invalid request, the methods return a StatusError, with which the caller ends only that call.
 */
import { StatusError } from '../../status.ts';
import { messageCutShort, messageMissing, secondMessage } from '../../transport/refusals.ts';
import { type RequestMessage, requestMessage } from '../../transport/request-message.ts';
import type { Frame } from '../frames/frame-reader.ts';
import type { Http2Limits } from '../limits/http2-limits.ts';
import { PREFIX_BYTES, readPrefix } from '../messages/message-prefix.ts';
import { MessageReader } from '../messages/message-reader.ts';
import { type ReceiveWindow, UNREAD_MESSAGE_BYTES } from '../streams/receive-window.ts';
import type { Http2Stream } from '../streams/stream.ts';

export class RequestBody {
  readonly #limits: Http2Limits;
  readonly #receiveWindow: ReceiveWindow;

  constructor(limits: Http2Limits, receiveWindow: ReceiveWindow) {
    this.#limits = limits;
    this.#receiveWindow = receiveWindow;
  }

  /**
   * Reads DATA of a call with one request message. Returns the message if this frame contains the whole message and
   * ends the stream. Otherwise, `end` returns the message later. Returns an error if the request is invalid.
   */
  readSingle(stream: Http2Stream, frame: Frame, countedBytes: number): RequestMessage | StatusError | undefined {
    const { bytes, start, end, isLast } = frame;
    const rules = { maxBytes: this.#limits.maxMessageBytes, encoding: stream.request.encoding };
    if (isLast && stream.reader === undefined && end - start >= PREFIX_BYTES) {
      const length = readPrefix(bytes, start, rules);
      if (typeof length !== 'number') {
        return length;
      }
      if (end - start === length + PREFIX_BYTES) {
        return requestMessage(bytes.readUInt8(start), bytes.subarray(start + PREFIX_BYTES, end), rules);
      }
    }
    const refusal = this.#receiveWindow.reserve(stream, end - start);
    if (refusal !== undefined) {
      return refusal;
    }
    stream.reader ??= new MessageReader(rules);
    stream.reader.push(bytes, start, end);
    for (let message = stream.reader.next(); message !== undefined; message = stream.reader.next()) {
      if (message instanceof StatusError) {
        return message;
      }
      if (stream.message !== undefined) {
        return secondMessage();
      }
      stream.message = message;
    }
    this.#receiveWindow.giveStream(stream, isLast ? 0 : countedBytes);
    return undefined;
  }

  /** Reads DATA of a call with any number of request messages. Returns an error if the call must end. */
  readMany(stream: Http2Stream, frame: Frame, countedBytes: number): StatusError | undefined {
    const { bytes, start, end, payloadBytes } = frame;
    stream.uncreditedBytes += payloadBytes;
    let refusal = this.#receiveWindow.reserve(stream, payloadBytes);
    if (refusal !== undefined) {
      return refusal;
    }
    stream.reader ??= new MessageReader({
      maxBytes: this.#limits.maxMessageBytes,
      encoding: stream.request.encoding,
    });
    const { reader } = stream;
    reader.push(bytes, start, end);
    for (let message = reader.next(); message !== undefined; message = reader.next()) {
      if (message instanceof StatusError) {
        return message;
      }
      refusal = this.#receiveWindow.reserve(stream, UNREAD_MESSAGE_BYTES);
      if (refusal !== undefined) {
        return refusal;
      }
      stream.streaming?.deliver(message);
    }
    // Padding is credited to the stream's window at once, because it belongs to no message that a handler could read.
    const credit = countedBytes - payloadBytes + this.#receiveWindow.creditOfCutMessage(stream);
    this.#receiveWindow.giveStream(stream, credit);
    return undefined;
  }

  /**
   * Must be called at the end of a request with one message. Returns the message, or an error if the message is missing
   * or incomplete.
   */
  end(stream: Http2Stream): RequestMessage | StatusError {
    const { message } = stream;
    if (stream.reader?.isInsideMessage === true) {
      return messageCutShort();
    }
    if (message === undefined) {
      return messageMissing();
    }
    this.#receiveWindow.release(stream, stream.bufferedBytes - stream.openCallBytes);
    stream.message = undefined;
    return message;
  }
}
