/**
 * The frames of one connection: reads them, acts on those that concern the connection as a whole, and passes the others to its calls.
 *
 * Invariant: a frame that breaks the connection throws a ConnectionFault; after that nothing may be read.
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

/** Sent with the GOAWAY of a drain. When its acknowledgement is here, so is every call that the peer sent before it saw the GOAWAY. */
export const DRAIN_PING = Buffer.from('draining');

const NO_BYTES = new Uint8Array(0);

/** end: the chunk holds no further frame; frame: one was read; drain_seen: it was the acknowledgement of DRAIN_PING. */
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

  /** The first SETTINGS have come. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** A header block has begun and not ended. */
  get isBlockOpen(): boolean {
    return this.#blocks.isOpen;
  }

  /** Gives the bytes of a chunk from `at` on. All frames of the chunk before must have been read. */
  push(chunk: Buffer, at: number): void {
    this.#reader.push(chunk, at);
  }

  /** Reads the next frame and acts on it. */
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

  /** Nothing more will be read. */
  close(): void {
    this.#reader.close();
  }

  #checkOrder(frame: Frame): void {
    if (this.#blocks.isOpen && frame.type !== FrameType.continuation) {
      throw new ConnectionFault(ErrorCode.protocol, 'a header block that is interrupted');
    }
    if (this.#isSettled) {
      return;
    }
    // The preface of a connection ends with SETTINGS (RFC 9113, section 3.4).
    if (frame.type !== FrameType.settings || (frame.flags & Flag.ack) !== 0) {
      throw new ConnectionFault(ErrorCode.protocol, 'the first frame must be SETTINGS');
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
        // The peer opens no more streams; those that it opens all the same are refused.
        this.#table.maxAcceptedId = this.#table.lastId;
        return;
      case FrameType.pushPromise:
        throw new ConnectionFault(ErrorCode.protocol, 'PUSH_PROMISE from a client');
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
      throw new ConnectionFault(ErrorCode.protocol, 'WINDOW_UPDATE of 0');
    }
    if (!this.#sender.grow(grownBytes)) {
      throw new ConnectionFault(ErrorCode.flowControl, 'WINDOW_UPDATE makes the window larger than 2^31');
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
