/**
 * The DATA of a call, into messages: one for most methods, any number for bidi streams.
 *
 * Promises: a message that comes in one frame is decoded where it lies, and never stored; errors of a message end its call
 * alone; a unary call starts once its message is whole and its caller has sent the last byte.
 */
import { messageCutShort, noMessage, secondMessage } from '../../transport/refusals.ts';
import { type RequestMessage, requestMessage } from '../../transport/request-message.ts';
import { ConnectionFault } from '../frames/protocol.ts';
import type { Http2Limits } from '../limits/http2-limits.ts';
import { type ReceiveWindow, WAITING_MESSAGE_BYTES } from '../streams/receive-window.ts';
import type { Http2Stream } from '../streams/stream.ts';
import { MessageReader, PREFIX_BYTES, readPrefix } from './message-reader.ts';

/** What it needs of its connection. */
export interface BodyHost {
  readonly limits: Http2Limits;
  readonly receiveWindow: ReceiveWindow;
  startCall(stream: Http2Stream, message: RequestMessage): void;
  failCall(stream: Http2Stream, error: unknown): void;
}

/** A frame's DATA, `countedBytes` with its padding. */
export interface BodyPiece {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly countedBytes: number;
  readonly isLast: boolean;
}

/** Reads DATA of a call with one request message. Starts the call where the message is whole and the last. */
export function readSingle(host: BodyHost, stream: Http2Stream, piece: BodyPiece): void {
  const { bytes, start, end, isLast } = piece;
  const rules = { maxBytes: host.limits.maxMessageBytes, encoding: stream.head.encoding };
  try {
    if (isLast && stream.reader === undefined && end - start >= PREFIX_BYTES) {
      const length = readPrefix(bytes, start, rules);
      if (end - start === length + PREFIX_BYTES) {
        stream.isRemoteClosed = true;
        host.startCall(
          stream,
          requestMessage(bytes.readUInt8(start), bytes.subarray(start + PREFIX_BYTES, end), rules),
        );
        return;
      }
    }
    host.receiveWindow.hold(stream, end - start);
    stream.reader ??= new MessageReader(rules);
    stream.reader.push(bytes, start, end, (message) => {
      if (stream.message !== undefined) {
        throw secondMessage();
      }
      stream.message = message;
    });
  } catch (error) {
    if (error instanceof ConnectionFault) {
      throw error;
    }
    stream.isRemoteClosed ||= isLast;
    host.failCall(stream, error);
    return;
  }
  host.receiveWindow.giveStream(stream, isLast ? 0 : piece.countedBytes);
}

/** Reads DATA of a call with many request messages. */
export function readMany(host: BodyHost, stream: Http2Stream, piece: BodyPiece): void {
  const { bytes, start, end } = piece;
  const dataBytes = end - start;
  try {
    stream.uncreditedBytes += dataBytes;
    host.receiveWindow.hold(stream, dataBytes);
    stream.reader ??= new MessageReader({ maxBytes: host.limits.maxMessageBytes, encoding: stream.head.encoding });
    stream.reader.push(bytes, start, end, (message) => {
      host.receiveWindow.hold(stream, WAITING_MESSAGE_BYTES);
      stream.streaming?.deliver(message);
    });
  } catch (error) {
    stream.isRemoteClosed ||= piece.isLast;
    host.failCall(stream, error);
    return;
  }
  // Padding is nobody's to take.
  const credit = piece.countedBytes - dataBytes + host.receiveWindow.creditOfCutMessage(stream);
  host.receiveWindow.giveStream(stream, credit);
}

/** The caller has sent its last byte, in a frame of its own or with an unfinished message. */
export function endSingle(host: BodyHost, stream: Http2Stream): void {
  const message = stream.message;
  if (stream.reader?.isInsideMessage === true) {
    host.failCall(stream, messageCutShort());
    return;
  }
  if (message === undefined) {
    host.failCall(stream, noMessage());
    return;
  }
  host.receiveWindow.release(stream, stream.heldBytes - stream.openHeldBytes);
  stream.message = undefined;
  host.startCall(stream, message);
}
