/**
 * Reads the frames of one connection. Handles the frames that concern the whole connection, and passes the frames of
 * streams to `ConnectionCalls`.
 *
 * Invariant: `next` throws a ConnectionFault for a connection error (RFC 9113, section 5.4.1). After the error, the
 * connection reads no more frames.
 */
import type { ConnectionCalls } from './calls/connection-calls.ts';
import {
  checkGoaway,
  checkPing,
  checkPriority,
  checkResetStream,
  checkSettings,
  checkSettingsAck,
  readWindowUpdate,
} from './frames/control-frames.ts';
import { type FrameBudget, SETTINGS_COST } from './frames/frame-budget.ts';
import { type Frame, FrameReader } from './frames/frame-reader.ts';
import { HeaderBlocks } from './frames/header-blocks.ts';
import type { Outbox } from './frames/outbox.ts';
import { ConnectionFault, ErrorCode, Flag, FrameType, MAX_FRAME_BYTES } from './frames/protocol.ts';
import { readSettings } from './frames/settings.ts';
import type { Http2Limits } from './limits/http2-limits.ts';
import type { Sender } from './streams/sender.ts';
import type { StreamTable } from './streams/stream-table.ts';

/**
 * Payload of the PING that follows the GOAWAY of a drain. Frames arrive in order. When the peer's acknowledgement of
 * the PING arrives, every call that the peer sent before it received the GOAWAY has therefore arrived too.
 */
export const DRAIN_PING = Buffer.from('draining');

const NO_BYTES = new Uint8Array(0);

/**
 * Outcome of `next`:
 *
 * - `end`: the chunk contains no further complete frame
 * - `frame`: `next` has handled one frame
 * - `drain_seen`: `next` has handled the acknowledgement of DRAIN_PING
 */
export type FrameOutcome = 'end' | 'frame' | 'drain_seen';

export class ConnectionFrames {
  readonly #reader = new FrameReader(MAX_FRAME_BYTES);
  readonly #blocks: HeaderBlocks;
  readonly #outbox: Outbox;
  readonly #frameBudget: FrameBudget;
  readonly #table: StreamTable;
  readonly #sender: Sender;
  readonly #calls: ConnectionCalls;
  #isSettled = false;

  constructor(parts: {
    limits: Http2Limits;
    outbox: Outbox;
    frameBudget: FrameBudget;
    table: StreamTable;
    sender: Sender;
    calls: ConnectionCalls;
  }) {
    this.#blocks = new HeaderBlocks(parts.limits);
    this.#outbox = parts.outbox;
    this.#frameBudget = parts.frameBudget;
    this.#table = parts.table;
    this.#sender = parts.sender;
    this.#calls = parts.calls;
  }

  /** True once the first SETTINGS frame of the peer has arrived. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** True after a HEADERS frame without END_HEADERS, until a CONTINUATION frame completes the header block. */
  get isBlockOpen(): boolean {
    return this.#blocks.isOpen;
  }

  /** Starts reading a chunk at the offset `at`. The caller must first have read all frames of the previous chunk. */
  push(chunk: Buffer, at: number): void {
    this.#reader.push(chunk, at);
  }

  /** Reads and handles the next frame. */
  next(): FrameOutcome {
    if (!this.#reader.next()) {
      return 'end';
    }
    const { frame } = this.#reader;
    this.#checkOrder(frame);
    if (frame.type === FrameType.ping) {
      return this.#onPing(frame);
    }
    this.#onFrame(frame);
    return 'frame';
  }

  /** Releases the chunk and any partial frame. */
  close(): void {
    this.#reader.close();
  }

  #checkOrder(frame: Frame): void {
    if (this.#blocks.isOpen && frame.type !== FrameType.continuation) {
      throw new ConnectionFault(ErrorCode.protocol, 'frames inside a header block must be CONTINUATION');
    }
    if (this.#isSettled) {
      return;
    }
    // The connection preface of a client ends with a SETTINGS frame (RFC 9113, section 3.4).
    if (frame.type !== FrameType.settings || (frame.flags & Flag.ack) !== 0) {
      throw new ConnectionFault(ErrorCode.protocol, 'the first frame must be SETTINGS without the ACK flag');
    }
    this.#isSettled = true;
  }

  #onFrame(frame: Frame): void {
    switch (frame.type) {
      case FrameType.headers:
        if (this.#blocks.headers(frame)) {
          this.#calls.headers(frame);
        }
        return;
      case FrameType.data:
        this.#calls.data(frame);
        return;
      case FrameType.windowUpdate:
        this.#onWindowUpdate(frame);
        return;
      case FrameType.resetStream:
        checkResetStream(frame);
        this.#calls.cancelled(frame.streamId);
        return;
      case FrameType.settings:
        this.#onSettings(frame);
        return;
      case FrameType.continuation:
        this.#frameBudget.consume(1);
        if (this.#blocks.continuation(frame)) {
          this.#calls.headers(frame);
        }
        return;
      case FrameType.priority:
        checkPriority(frame);
        this.#frameBudget.consume(1);
        return;
      case FrameType.goaway:
        checkGoaway(frame);
        this.#frameBudget.consume(1);
        // A peer that sends GOAWAY is about to close the connection. The stream table therefore refuses all streams
        // that the peer opens later.
        this.#table.maxAcceptedId = this.#table.lastId;
        return;
      case FrameType.pushPromise:
        throw new ConnectionFault(ErrorCode.protocol, 'a client must not send PUSH_PROMISE');
      default:
        this.#frameBudget.consume(1);
    }
  }

  #onWindowUpdate(frame: Frame): void {
    const grownBytes = readWindowUpdate(frame);
    this.#frameBudget.consume(1);
    if (frame.streamId !== 0) {
      this.#calls.windowUpdate(frame.streamId, grownBytes);
      return;
    }
    if (grownBytes === 0) {
      throw new ConnectionFault(ErrorCode.protocol, 'the increment of WINDOW_UPDATE must be at least 1, got 0');
    }
    if (!this.#sender.grow(grownBytes)) {
      throw new ConnectionFault(ErrorCode.flowControl, 'WINDOW_UPDATE must not raise a window above 2^31-1 bytes');
    }
    this.#sender.pumpPending();
  }

  #onSettings(frame: Frame): void {
    checkSettings(frame);
    if ((frame.flags & Flag.ack) !== 0) {
      checkSettingsAck(frame);
      this.#frameBudget.consume(1);
      return;
    }
    this.#frameBudget.consume(SETTINGS_COST);
    const { streamWindowBytes, minTableBytes } = readSettings(frame);
    if (minTableBytes !== undefined) {
      this.#sender.tableLimitChanged(minTableBytes);
    }
    if (streamWindowBytes !== undefined) {
      this.#calls.streamWindowChanged(streamWindowBytes);
    }
    this.#outbox.frame(FrameType.settings, Flag.ack, 0, NO_BYTES);
    this.#calls.pumpAll();
  }

  #onPing(frame: Frame): FrameOutcome {
    const { flags, bytes, start, end } = frame;
    checkPing(frame);
    this.#frameBudget.consume(1);
    if ((flags & Flag.ack) === 0) {
      this.#outbox.frame(FrameType.ping, Flag.ack, 0, bytes.subarray(start, end));
      return 'frame';
    }
    return DRAIN_PING.compare(bytes, start, end) === 0 ? 'drain_seen' : 'frame';
  }
}
