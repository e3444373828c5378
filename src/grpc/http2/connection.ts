/**
 * One HTTP/2 connection: its socket, its first bytes, its faults, and its end.
 *
 * Invariants:
 *   1. After a fault nothing more is read; the socket stays a moment so that the GOAWAY arrives. Every call is cancelled.
 *   2. A drain refuses no call that the peer sent before it saw the GOAWAY, and closes once the last has ended.
 *   3. Nothing that a peer sends throws out of here.
 *   4. Nothing but the GOAWAY of a drain or a fault is sent before the peer's first bytes are known: one that speaks HTTP/1.x
 *      receives an answer in HTTP/1.1.
 */
import type { Socket } from 'node:net';
import { ConnectionCalls, type SharedCallParts } from './calls/connection-calls.ts';
import { ConnectionFrames, DRAIN_PING } from './connection-frames.ts';
import { ConnectionLifetime } from './connection-lifetime.ts';
import { ClientPreface, http1Answer } from './frames/client-preface.ts';
import { goawayPayload } from './frames/control-frames.ts';
import { FrameBudget } from './frames/frame-budget.ts';
import { Outbox } from './frames/outbox.ts';
import { ConnectionFault, ErrorCode, Flag, FrameType, MAX_STREAM_ID } from './frames/protocol.ts';
import { settingsPayload } from './frames/settings.ts';
import { ConnectionBudget, type GlobalBudgets } from './limits/global-budget.ts';
import { ReceiveWindow } from './streams/receive-window.ts';
import { Sender } from './streams/sender.ts';
import { StreamTable } from './streams/stream-table.ts';

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
  /** Until the preface of the peer is whole. */
  #preface: ClientPreface | undefined = new ClientPreface();
  readonly #frames: ConnectionFrames;
  readonly #frameBudget: FrameBudget;
  readonly #receiveWindow: ReceiveWindow;
  readonly #table: StreamTable;
  readonly #sender: Sender;
  readonly #calls: ConnectionCalls;
  readonly #lifetime: ConnectionLifetime;
  #isGreeted = false;
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
    this.#frames = new ConnectionFrames({ limits, outbox, frameBudget, table, sender, calls: this.#calls });
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
    if (!this.#frames.isSettled) {
      // We have read nothing: what the peer may have sent is not executed, and the 0 says so.
      this.#goaway(0, ErrorCode.none, '');
      this.#close();
      return;
    }
    this.#goaway(MAX_STREAM_ID, ErrorCode.none, '');
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
      isSettled: this.#frames.isSettled,
      isBlockOpen: this.#frames.isBlockOpen,
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
        this.#answerHttp1(preface);
        return chunk.length;
      case 'invalid':
        throw new ConnectionFault(ErrorCode.protocol, 'connection preface must be that of HTTP/2 with prior knowledge');
    }
  }

  #readFrames(chunk: Buffer, at: number): void {
    const frames = this.#frames;
    frames.push(chunk, at);
    while (!this.#isDead) {
      const outcome = frames.next();
      if (outcome === 'end') {
        return;
      }
      if (outcome === 'drain_seen' && this.#isDraining) {
        this.#drainFurther();
      }
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

  #answerHttp1(preface: ClientPreface): void {
    this.#isDead = true;
    this.#socket.write(http1Answer(this.#shared.adminUrl, preface.isHeadRequest));
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
      this.#shared.log.error({ error: String(error) }, 'cannot keep a connection: unexpected error');
    }
    this.#isDead = true;
    this.#goaway(this.#table.lastId, fault.code, fault.message);
    this.#calls.cancelAll();
    this.#shared.onDropped(fault);
    this.#close();
  }

  #close(): void {
    this.#isDead = true;
    this.#frames.close();
    this.#outbox.flush();
    const { maxLingerMs, maxStalledWriteMs } = this.#shared.limits;
    const destroyAfter = (ms: number) => setTimeout(() => this.#socket.destroy(), ms).unref();
    this.#socket.end(() => destroyAfter(maxLingerMs));
    // To destroy it at once, with input unread, would reset the connection and lose the GOAWAY.
    this.#socket.resume();
    // After a drain the last answers may still be buffered for a peer that does not read for a moment.
    destroyAfter(this.#isDrainSeen ? maxStalledWriteMs : maxLingerMs);
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
