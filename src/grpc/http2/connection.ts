/**
 * One HTTP/2 connection: its socket, the frames that concern it as a whole, and its end.
 *
 * Promises:
 *   1. After a fault nothing more is read; the socket stays a moment so that the GOAWAY arrives. Every call is told.
 *   2. A drain refuses no call that the peer sent before it saw the GOAWAY, and closes once the last has ended.
 *   3. Nothing that a peer sends throws out of here.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../lib/clock.ts';
import type { TransportLog } from '../transport/transport.ts';
import { HeaderCache } from './calls/header-cache.ts';
import type { HeaderRules } from './calls/request-headers.ts';
import { ConnectionLifetime } from './connection-lifetime.ts';
import { FrameReader, type FrameSink } from './frames/frame-reader.ts';
import { checkDependency, HeaderBlocks } from './frames/header-blocks.ts';
import {
  ConnectionFault,
  ErrorCode,
  Flag,
  FrameType,
  MAX_FRAME_BYTES,
  MAX_STREAM_ID,
  Setting,
} from './frames/protocol.ts';
import { readSettings, settingsPayload } from './frames/settings.ts';
import { FrameBudget, SETTINGS_COST } from './limits/frame-budget.ts';
import { Share, type SharedBudget } from './limits/global-budget.ts';
import type { Http2Limits } from './limits/http2-limits.ts';
import { ConnectionStreams } from './streams/connection-streams.ts';
import { ReceiveWindow } from './streams/receive-window.ts';
import { Sender, type SenderHost } from './streams/sender.ts';
import type { Http2Stream } from './streams/stream.ts';

const NO_BYTES = new Uint8Array(0);
const DRAIN_PING = Buffer.from('draining');
const LIFE_PING = Buffer.from('alive???');

/** What the connections of a transport share. */
export interface ConnectionHost {
  readonly rules: HeaderRules;
  readonly limits: Http2Limits;
  readonly clock: Clock;
  readonly log: TransportLog;
  readonly defaultDeadlineMs: number;
  readonly budget: SharedBudget;
  /** A call with this deadline is under way. */
  watchDeadline(deadlineAtMs: number): void;
  /** The socket is gone. */
  closed(connection: Http2Connection): void;
  /** The peer broke a rule or a limit, was told so, and is cut off. */
  dropped(fault: ConnectionFault): void;
}

export class Http2Connection implements FrameSink, SenderHost {
  readonly #host: ConnectionHost;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #sender: Sender;
  readonly #receiveWindow: ReceiveWindow;
  readonly #frameBudget: FrameBudget;
  readonly #blocks: HeaderBlocks;
  readonly #streams: ConnectionStreams;
  readonly #lifetime: ConnectionLifetime;
  #isSettled = false;
  #isDraining = false;
  /** The peer has seen that we drain, or had its time to. */
  #isDrainSeen = false;
  #isDead = false;

  constructor(socket: Socket, host: ConnectionHost) {
    const { limits } = host;
    this.#host = host;
    this.#socket = socket;
    this.#reader = new FrameReader(this, MAX_FRAME_BYTES);
    this.#sender = new Sender(socket, { limits, waiting: new Share(host.budget.waiting), host: this });
    const held = new Share(host.budget.held);
    this.#receiveWindow = new ReceiveWindow({ outbox: this.#sender.outbox, limits, held });
    this.#frameBudget = new FrameBudget(limits);
    this.#lifetime = new ConnectionLifetime(limits);
    this.#streams = new ConnectionStreams({
      limits,
      clock: host.clock,
      log: host.log,
      defaultDeadlineMs: host.defaultDeadlineMs,
      sender: this.#sender,
      receiveWindow: this.#receiveWindow,
      frameBudget: this.#frameBudget,
      heads: new HeaderCache({ ...host.rules, hpackTableBytes: limits.hpackTableBytes }),
      watchDeadline: (deadlineAtMs) => host.watchDeadline(deadlineAtMs),
      emptied: () => this.#emptied(),
    });
    this.#blocks = new HeaderBlocks(this.#streams, limits);
    this.#sender.outbox.frame(FrameType.settings, Flag.none, 0, settingsPayload(limits));
    this.#receiveWindow.open();
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('drain', () => this.#socketDrained());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#socketClosed());
  }

  /** Asks the peer to open no more calls, then closes when the open ones have ended. Ends the streams that live for hours. */
  drain(): void {
    if (this.#isDead || this.#isDraining) {
      return;
    }
    this.#isDraining = true;
    if (!this.#isSettled) {
      // We have read nothing: what the peer may have sent is not executed, and 0 tells it so.
      this.#sender.goaway(0, ErrorCode.none, '');
      this.#close();
      return;
    }
    this.#sender.goaway(MAX_STREAM_ID, ErrorCode.none, '');
    // When the answer to this is here, so is every call that the peer sent before it saw the GOAWAY.
    this.#sender.outbox.frame(FrameType.ping, Flag.none, 0, DRAIN_PING);
    // Said at once: the sooner it is heard, the fewer calls come.
    this.#sender.outbox.flush();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Ends the calls whose deadline is over; returns the next deadline. */
  expire(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    this.#guard(() => {
      nextMs = this.#streams.expire(nowMs);
    });
    return nextMs;
  }

  /** Once a second (SWEEP_MS). */
  sweep(): void {
    if (this.#isDead) {
      return;
    }
    this.#frameBudget.secondPassed();
    // A socket that held little says nothing when it has got rid of it.
    this.#sender.outbox.noteUnsent();
    this.#guard(() => this.#streams.sweep());
    const verdict = this.#lifetime.sweep({
      isSettled: this.#isSettled,
      isBlockOpen: this.#blocks.isOpen,
      isDraining: this.#isDraining,
      isPaused: this.#socket.isPaused(),
      streams: this.#streams.table.size,
      lastStreamId: this.#streams.table.lastId,
      takenBytes: this.#socket.bytesWritten - this.#socket.writableLength,
      unsentBytes: this.#socket.writableLength,
    });
    if (verdict instanceof ConnectionFault) {
      this.#fail(verdict);
    } else if (verdict === 'destroy') {
      this.#socket.destroy();
    } else if (verdict === 'drain') {
      this.drain();
    } else if (verdict === 'drain_further') {
      this.#drainFurther();
    } else if (verdict === 'ping') {
      this.#sender.outbox.frame(FrameType.ping, Flag.none, 0, LIFE_PING);
    }
  }

  frame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (this.#isDead) {
      return;
    }
    if (this.#blocks.isOpen && type !== FrameType.continuation) {
      throw new ConnectionFault(ErrorCode.protocol, 'a header block that is interrupted');
    }
    if (!this.#isSettled) {
      this.#settle(type, flags);
    }
    switch (type) {
      case FrameType.headers:
        this.#blocks.headers(flags, id, bytes, start, end);
        return;
      case FrameType.data:
        this.#streams.data(flags, id, bytes, start, end);
        return;
      case FrameType.windowUpdate:
        this.#onWindowUpdate(id, bytes, start, end);
        return;
      case FrameType.resetStream:
        checkLength('RST_STREAM', end - start, 4);
        this.#streams.cancelled(id);
        return;
      case FrameType.settings:
        this.#onSettings(flags, id, bytes, start, end);
        return;
      case FrameType.ping:
        this.#onPing(flags, id, bytes, start, end);
        return;
      case FrameType.continuation:
        this.#frameBudget.spend(1);
        this.#blocks.continuation(flags, id, bytes, start, end);
        return;
      case FrameType.priority:
        checkStream('PRIORITY', id !== 0);
        checkLength('PRIORITY', end - start, 5);
        checkDependency(id, bytes, start);
        this.#frameBudget.spend(1);
        return;
      case FrameType.goaway:
        checkStream('GOAWAY', id === 0);
        checkLength('GOAWAY', Math.min(end - start, 8), 8);
        this.#frameBudget.spend(1);
        // The peer opens no more streams; what it does all the same is refused.
        this.#streams.table.maxAcceptedId = this.#streams.table.lastId;
        return;
      case FrameType.pushPromise:
        throw new ConnectionFault(ErrorCode.protocol, 'PUSH_PROMISE from a client');
      default:
        this.#frameBudget.spend(1);
    }
  }

  streamEnded(stream: Http2Stream): void {
    this.#streams.streamEnded(stream);
  }

  dataSent(): void {
    this.#frameBudget.dataSent();
  }

  windowDribbled(): void {
    // Answers are sent from handlers too, where a fault has nowhere to go.
    this.#guard(() => this.#frameBudget.spend(1));
  }

  #read(chunk: Buffer): void {
    if (this.#isDead) {
      return;
    }
    this.#lifetime.heard();
    this.#streams.beginTurn();
    try {
      this.#reader.push(chunk);
      this.#receiveWindow.acknowledge();
    } catch (error) {
      this.#fail(error);
    }
    if (this.#sender.outbox.isCongested && !this.#isDead) {
      this.#socket.pause();
    }
  }

  #socketDrained(): void {
    this.#sender.outbox.noteUnsent();
    this.#socket.resume();
    this.#guard(() => this.#sender.pumpWaiting());
  }

  #socketClosed(): void {
    this.#isDead = true;
    this.#streams.cancelAll();
    this.#sender.outbox.noteUnsent();
    this.#host.closed(this);
  }

  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Tells the peer what is wrong, and closes. */
  #fail(error: unknown): void {
    if (this.#isDead) {
      return;
    }
    const fault = error instanceof ConnectionFault ? error : new ConnectionFault(ErrorCode.internal, 'internal error');
    if (fault !== error) {
      this.#host.log.error({ error: String(error) }, 'Cannot keep a connection: unexpected error');
    }
    this.#isDead = true;
    this.#sender.goaway(this.#streams.table.lastId, fault.code, fault.message);
    this.#streams.cancelAll();
    this.#host.dropped(fault);
    this.#close();
  }

  #close(): void {
    this.#isDead = true;
    this.#sender.outbox.flush();
    const { maxLingerMs, maxStalledWriteMs } = this.#host.limits;
    const destroyAfter = (ms: number) => setTimeout(() => this.#socket.destroy(), ms).unref();
    this.#socket.end(() => destroyAfter(maxLingerMs));
    // To destroy it at once, with input unread, would reset the connection and lose the GOAWAY.
    this.#socket.resume();
    // After a drain the last answers may still wait for a peer that stands still for a moment.
    destroyAfter(this.#isDrainSeen ? maxStalledWriteMs : maxLingerMs);
  }

  /** The preface of a connection ends with SETTINGS (RFC 9113, section 3.4). */
  #settle(type: number, flags: number): void {
    if (type !== FrameType.settings || (flags & Flag.ack) !== 0) {
      throw new ConnectionFault(ErrorCode.protocol, 'the first frame is not SETTINGS');
    }
    this.#isSettled = true;
  }

  #onWindowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    checkLength('WINDOW_UPDATE', end - start, 4);
    this.#frameBudget.spend(1);
    const grownBytes = bytes.readUInt32BE(start) & 0x7fffffff;
    if (id !== 0) {
      this.#streams.windowUpdate(id, grownBytes);
      return;
    }
    if (grownBytes === 0) {
      throw new ConnectionFault(ErrorCode.protocol, 'WINDOW_UPDATE of 0');
    }
    if (!this.#sender.grow(grownBytes)) {
      throw new ConnectionFault(ErrorCode.flowControl, 'WINDOW_UPDATE makes the window larger than 2^31');
    }
    this.#sender.pumpWaiting();
  }

  #onSettings(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    checkStream('SETTINGS', id === 0);
    if ((flags & Flag.ack) !== 0) {
      checkLength('SETTINGS acknowledgement', end - start, 0);
      this.#frameBudget.spend(1);
      return;
    }
    this.#frameBudget.spend(SETTINGS_COST);
    // A frame may say the same setting thousands of times: the windows of all streams are changed once, to the last value.
    let streamWindowBytes = this.#sender.streamWindowBytes;
    readSettings(bytes, start, end, (setting, value) => {
      if (setting === Setting.initialWindowSize) {
        streamWindowBytes = value;
      } else if (setting === Setting.headerTableSize) {
        this.#sender.tableLimitChanged(value);
      }
    });
    this.#streams.streamWindowChanged(streamWindowBytes);
    this.#sender.outbox.frame(FrameType.settings, Flag.ack, 0, NO_BYTES);
    this.#streams.pumpAll();
  }

  #onPing(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    checkStream('PING', id === 0);
    checkLength('PING', end - start, 8);
    this.#frameBudget.spend(1);
    if ((flags & Flag.ack) === 0) {
      this.#sender.outbox.frame(FrameType.ping, Flag.ack, 0, bytes.subarray(start, end));
    } else if (this.#isDraining && DRAIN_PING.compare(bytes, start, end) === 0) {
      this.#drainFurther();
    }
  }

  /** The peer has seen that we drain: says up to which stream we served, and closes once there is none. */
  #drainFurther(): void {
    const { table } = this.#streams;
    if (this.#isDead) {
      return;
    }
    if (!this.#isDrainSeen) {
      this.#isDrainSeen = true;
      table.maxAcceptedId = table.lastId;
      this.#sender.goaway(table.lastId, ErrorCode.none, '');
      // Not before: what their handlers had to say of the end is said by now.
      this.#guard(() => this.#streams.endStreaming());
    }
    if (table.size === 0) {
      this.#close();
    }
  }

  #emptied(): void {
    if (this.#isDrainSeen) {
      this.#drainFurther();
    }
  }
}

function checkLength(what: string, bytes: number, wanted: number): void {
  if (bytes !== wanted) {
    throw new ConnectionFault(ErrorCode.frameSize, `${what} of ${bytes} bytes, wanted ${wanted}`);
  }
}

function checkStream(what: string, isRight: boolean): void {
  if (!isRight) {
    throw new ConnectionFault(ErrorCode.protocol, `${what} on the wrong stream`);
  }
}
