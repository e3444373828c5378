/**
 * One HTTP/2 connection: its socket, the frames that concern it as a whole, and its end.
 *
 * Invariants:
 *   1. After a fault nothing more is read; the socket stays a moment so that the GOAWAY arrives. Every call is cancelled.
 *   2. A drain refuses no call that the peer sent before it saw the GOAWAY, and closes once the last has ended.
 *   3. Nothing that a peer sends throws out of here.
 *   4. Nothing is sent before the peer's first bytes are known: one that speaks HTTP/1.x receives an answer in HTTP/1.1.
 */
import type { Socket } from 'node:net';
import { ConnectionCalls, type SharedCallParts } from './calls/connection-calls.ts';
import { ConnectionLifetime } from './connection-lifetime.ts';
import { ClientPreface, http1Answer } from './frames/client-preface.ts';
import {
  checkGoaway,
  checkPing,
  checkPriority,
  checkResetStream,
  checkSettings,
  checkSettingsAck,
  goawayPayload,
  readWindowUpdate,
} from './frames/control-frames.ts';
import { FrameBudget, SETTINGS_COST } from './frames/frame-budget.ts';
import { type Frame, FrameReader } from './frames/frame-reader.ts';
import { HeaderBlocks } from './frames/header-blocks.ts';
import { Outbox } from './frames/outbox.ts';
import { ConnectionFault, ErrorCode, Flag, FrameType, MAX_FRAME_BYTES, MAX_STREAM_ID } from './frames/protocol.ts';
import { readSettings, settingsPayload } from './frames/settings.ts';
import { ConnectionBudget, type GlobalBudgets } from './limits/global-budget.ts';
import { ReceiveWindow } from './streams/receive-window.ts';
import { Sender } from './streams/sender.ts';
import { StreamTable } from './streams/stream-table.ts';

const NO_BYTES = new Uint8Array(0);
const DRAIN_PING = Buffer.from('draining');
const KEEPALIVE_PING = Buffer.from('alive???');

/** What the connections of a transport share. */
export interface SharedConnectionParts extends SharedCallParts {
  readonly budgets: GlobalBudgets;
  /** Where health and metrics are served, for a peer that speaks HTTP/1.x. */
  readonly adminUrl: string | undefined;
  /** The peer broke a rule or a limit, received the reason, and is cut off. */
  readonly onDropped: (fault: ConnectionFault) => void;
}

export class Http2Connection {
  readonly #shared: SharedConnectionParts;
  readonly #socket: Socket;
  readonly #outbox: Outbox;
  readonly #reader = new FrameReader(MAX_FRAME_BYTES);
  /** Until the preface of the peer is whole. */
  #preface: ClientPreface | undefined = new ClientPreface();
  readonly #blocks: HeaderBlocks;
  readonly #frameBudget: FrameBudget;
  readonly #receiveWindow: ReceiveWindow;
  readonly #table: StreamTable;
  readonly #sender: Sender;
  readonly #calls: ConnectionCalls;
  readonly #lifetime: ConnectionLifetime;
  #isGreeted = false;
  #isSettled = false;
  #isDraining = false;
  /** The peer has seen that we drain, or had its time to. */
  #isDrainSeen = false;
  #isDead = false;

  constructor(socket: Socket, shared: SharedConnectionParts) {
    const { limits, budgets } = shared;
    this.#shared = shared;
    this.#socket = socket;
    const answers = new ConnectionBudget(budgets.answers);
    const outbox = new Outbox(socket, { maxUnsentBytes: limits.maxUnsentBytes, budget: answers });
    const frameBudget = new FrameBudget(limits);
    const receiveWindow = new ReceiveWindow({ outbox, limits, budget: new ConnectionBudget(budgets.requests) });
    const table = new StreamTable({ outbox, frameBudget, receiveWindow });
    const sender = new Sender({ outbox, table, frameBudget, budget: answers, limits });
    this.#outbox = outbox;
    this.#frameBudget = frameBudget;
    this.#receiveWindow = receiveWindow;
    this.#table = table;
    this.#sender = sender;
    this.#calls = new ConnectionCalls(shared, { table, sender, receiveWindow, frameBudget });
    this.#blocks = new HeaderBlocks(limits);
    this.#lifetime = new ConnectionLifetime(limits);
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
      // We have read nothing: what the peer may have sent is not executed, and the 0 says so.
      this.#goaway(0, ErrorCode.none, '');
      this.#close();
      return;
    }
    this.#goaway(MAX_STREAM_ID, ErrorCode.none, '');
    // When the answer to this is here, so is every call that the peer sent before it saw the GOAWAY.
    this.#outbox.frame(FrameType.ping, Flag.none, 0, DRAIN_PING);
    // Sent at once: the sooner it arrives, the fewer calls come.
    this.#outbox.flush();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Ends the calls whose deadline is over; returns the next deadline. */
  expire(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    this.#guard(() => {
      nextMs = this.#calls.expire(nowMs);
    });
    return nextMs;
  }

  /** Once a second (SWEEP_MS). */
  sweep(): void {
    if (this.#isDead) {
      return;
    }
    this.#frameBudget.secondPassed();
    // A socket that had little buffered emits no event when it is empty.
    this.#outbox.noteUnsent();
    this.#guard(() => this.#calls.sweep());
    const verdict = this.#lifetime.sweep({
      isSettled: this.#isSettled,
      isBlockOpen: this.#blocks.isOpen,
      isDraining: this.#isDraining,
      isPaused: this.#socket.isPaused(),
      streams: this.#table.size,
      lastStreamId: this.#table.lastId,
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
      this.#outbox.frame(FrameType.ping, Flag.none, 0, KEEPALIVE_PING);
    }
  }

  #read(chunk: Buffer): void {
    if (this.#isDead) {
      return;
    }
    this.#lifetime.received();
    this.#calls.beginTurn();
    try {
      this.#readFrames(chunk, this.#preface === undefined ? 0 : this.#readPreface(this.#preface, chunk));
      this.#receiveWindow.acknowledge();
    } catch (error) {
      this.#fail(error);
    }
    if (this.#outbox.isCongested && !this.#isDead) {
      this.#socket.pause();
    }
  }

  /** Returns where in the chunk the first frame begins: behind it, where the preface is not whole or there will be none. */
  #readPreface(preface: ClientPreface, chunk: Buffer): number {
    switch (preface.read(chunk)) {
      case 'http2':
        this.#preface = undefined;
        this.#greet();
        return preface.framesStart;
      case 'incomplete':
        return chunk.length;
      case 'http1':
        this.#answerHttp1();
        return chunk.length;
      case 'invalid':
        throw new ConnectionFault(ErrorCode.protocol, 'connection preface must be that of HTTP/2 with prior knowledge');
    }
  }

  #readFrames(chunk: Buffer, at: number): void {
    const reader = this.#reader;
    reader.push(chunk, at);
    while (!this.#isDead && reader.next()) {
      this.#onFrame(reader.frame);
    }
  }

  #onFrame(frame: Frame): void {
    if (this.#blocks.isOpen && frame.type !== FrameType.continuation) {
      throw new ConnectionFault(ErrorCode.protocol, 'a header block that is interrupted');
    }
    if (!this.#isSettled) {
      this.#settle(frame);
    }
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
      case FrameType.ping:
        this.#onPing(frame);
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

  #socketDrained(): void {
    this.#outbox.noteUnsent();
    this.#socket.resume();
    this.#guard(() => this.#sender.pumpPending());
  }

  #socketClosed(): void {
    this.#isDead = true;
    this.#calls.cancelAll();
    this.#outbox.noteUnsent();
  }

  /** Sends our SETTINGS, which must be our first frame (RFC 9113, section 3.4). */
  #greet(): void {
    if (!this.#isGreeted) {
      this.#isGreeted = true;
      this.#outbox.frame(FrameType.settings, Flag.none, 0, settingsPayload(this.#shared.limits));
      this.#receiveWindow.open();
    }
  }

  #goaway(lastId: number, code: ErrorCode, text: string): void {
    this.#greet();
    this.#outbox.frame(FrameType.goaway, Flag.none, 0, goawayPayload(lastId, code, text));
  }

  #answerHttp1(): void {
    this.#isDead = true;
    this.#socket.write(http1Answer(this.#shared.adminUrl));
    this.#shared.onDropped(new ConnectionFault(ErrorCode.protocol, 'HTTP/1.x'));
    this.#close();
  }

  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Sends the peer what is wrong, and closes. */
  #fail(error: unknown): void {
    if (this.#isDead) {
      return;
    }
    const fault = error instanceof ConnectionFault ? error : new ConnectionFault(ErrorCode.internal, 'internal error');
    if (fault !== error) {
      this.#shared.log.error({ error: String(error) }, 'Cannot keep a connection: unexpected error');
    }
    this.#isDead = true;
    this.#goaway(this.#table.lastId, fault.code, fault.message);
    this.#calls.cancelAll();
    this.#shared.onDropped(fault);
    this.#close();
  }

  #close(): void {
    this.#isDead = true;
    this.#reader.close();
    this.#outbox.flush();
    const { maxLingerMs, maxStalledWriteMs } = this.#shared.limits;
    const destroyAfter = (ms: number) => setTimeout(() => this.#socket.destroy(), ms).unref();
    this.#socket.end(() => destroyAfter(maxLingerMs));
    // To destroy it at once, with input unread, would reset the connection and lose the GOAWAY.
    this.#socket.resume();
    // After a drain the last answers may still be buffered for a peer that does not read for a moment.
    destroyAfter(this.#isDrainSeen ? maxStalledWriteMs : maxLingerMs);
  }

  /** The preface of a connection ends with SETTINGS (RFC 9113, section 3.4). */
  #settle(frame: Frame): void {
    if (frame.type !== FrameType.settings || (frame.flags & Flag.ack) !== 0) {
      throw new ConnectionFault(ErrorCode.protocol, 'the first frame must be SETTINGS');
    }
    this.#isSettled = true;
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

  #onPing(frame: Frame): void {
    const { flags, bytes, start, end } = frame;
    checkPing(frame);
    this.#frameBudget.consume(1);
    if ((flags & Flag.ack) === 0) {
      this.#outbox.frame(FrameType.ping, Flag.ack, 0, bytes.subarray(start, end));
    } else if (this.#isDraining && DRAIN_PING.compare(bytes, start, end) === 0) {
      this.#drainFurther();
    }
  }

  /** The peer has seen that we drain: announces up to which stream we served, and closes once there is none. */
  #drainFurther(): void {
    if (this.#isDead || this.#isDrainSeen) {
      return;
    }
    this.#isDrainSeen = true;
    this.#table.maxAcceptedId = this.#table.lastId;
    this.#goaway(this.#table.lastId, ErrorCode.none, '');
    this.#table.onEmpty = () => this.#closeDrained();
    // Not before: what their handlers had to send at the end is sent by now.
    this.#guard(() => this.#calls.endStreaming());
    if (this.#table.size === 0) {
      this.#closeDrained();
    }
  }

  #closeDrained(): void {
    if (!this.#isDead) {
      this.#close();
    }
  }
}
