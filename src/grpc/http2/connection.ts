/**
 * Runs one HTTP/2 connection: reads the connection preface, handles connection errors, and drains and closes the
 * connection.
 *
 * Invariants:
 *   1. After a connection error, the connection reads no more frames and cancels all its calls. The socket stays open
 *      for up to `maxLingerMs`, so that the GOAWAY can arrive.
 *   2. Once the peer's SETTINGS have arrived, a drain refuses no call until the peer has acknowledged the PING of the
 *      drain or `maxDrainPingMs` have passed. The connection closes when the last call ends.
 *   3. This class never throws because of input from a peer.
 *   4. Until the first bytes of the peer have arrived, the server sends frames only for a drain or an error. A peer
 *      that uses HTTP/1.x therefore receives an HTTP/1.1 response.
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

/** Dependencies that all connections of a transport share. */
export interface SharedConnectionParts extends SharedCallParts {
  readonly budgets: GlobalBudgets;
  /** URL of the admin server. The response to an HTTP/1.x client contains this URL. */
  readonly adminUrl: string | undefined;
  /** Called when a connection is closed because its peer violated the protocol or exceeded a limit. */
  readonly onDropped: (fault: ConnectionFault) => void;
}

export class Http2Connection {
  readonly #shared: SharedConnectionParts;
  readonly #socket: Socket;
  readonly #outbox: Outbox;
  /** Parser of the connection preface; undefined once the preface is complete. */
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
  /**
   * True once the peer has acknowledged the PING of the drain, or the time limit for the acknowledgement has passed.
   */
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

  /**
   * Drains the connection: asks the peer to open no more calls, ends the streaming calls, and closes the connection
   * once the unary calls have ended.
   */
  drain(): void {
    if (this.#isDead || this.#isDraining) {
      return;
    }
    this.#isDraining = true;
    if (!this.#frames.isSettled) {
      // The server has not executed any call. The GOAWAY therefore contains 0 as the last stream id, so that the peer
      // can safely retry all its calls.
      this.#goaway(0, ErrorCode.none, '');
      this.#close();
      return;
    }
    this.#goaway(MAX_STREAM_ID, ErrorCode.none, '');
    this.#outbox.frame(FrameType.ping, Flag.none, 0, DRAIN_PING);
    // Flushes the outbox immediately: the earlier the GOAWAY arrives, the fewer calls the peer opens before it stops.
    this.#outbox.flush();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Ends the calls whose deadlines have passed, and returns the next deadline, or Infinity if there is none. */
  expire(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    this.#guard(() => {
      nextMs = this.#calls.expire(nowMs);
    });
    return nextMs;
  }

  /** Checks the time limits of the connection and its calls. The transport calls this method every SWEEP_MS. */
  sweep(): void {
    if (this.#isDead) {
      return;
    }
    this.#frameBudget.secondPassed();
    // A socket below its high-water mark emits no `drain` event, so each sweep checks how many bytes the socket
    // buffers.
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

  /**
   * Returns the offset of the first frame in the chunk. Returns the length of the chunk if the chunk contains no frame,
   * because the preface is incomplete or the peer uses HTTP/1.x.
   */
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
        throw new ConnectionFault(ErrorCode.protocol, 'a connection must start with the HTTP/2 connection preface');
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

  /** Sends our SETTINGS, which must be the first frame of a server (RFC 9113, section 3.4). */
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

  /**
   * Handles a connection error: sends GOAWAY with the code and message of the error, cancels the calls, and closes the
   * connection.
   */
  #fail(error: unknown): void {
    if (this.#isDead) {
      return;
    }
    const fault = error instanceof ConnectionFault ? error : new ConnectionFault(ErrorCode.internal, 'internal error');
    if (fault !== error) {
      this.#shared.log.error({ error: String(error) }, 'http2 connection closed: unexpected error');
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
    // Reads and drops the input, because closing a socket with unread input resets the connection, and the peer could
    // lose the GOAWAY.
    this.#socket.resume();
    // After a drain, the last responses may still be buffered for a peer that has paused reading.
    destroyAfter(this.#isDrainSeen ? maxStalledWriteMs : maxLingerMs);
  }

  /**
   * Continues the drain after the peer has received the first GOAWAY. Sends a second GOAWAY with the id of the last
   * stream that we serve, and ends the streaming calls. The connection closes when no stream is open.
   */
  #drainFurther(): void {
    if (this.#isDead || this.#isDrainSeen) {
      return;
    }
    this.#isDrainSeen = true;
    this.#table.maxAcceptedId = this.#table.lastId;
    this.#goaway(this.#table.lastId, ErrorCode.none, '');
    this.#table.onEmpty = () => this.#closeDrained();
    // Streaming calls end only now, so that the peer receives the messages that handlers have sent so far.
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
