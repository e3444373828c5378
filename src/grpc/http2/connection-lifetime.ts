/**
 * Decides when a connection that is old, idle, silent or slow must be pinged, drained or closed. The module has no
 * timers: the caller passes the state of the connection once a second and carries out the returned action.
 */

import { ConnectionFault, ErrorCode } from './frames/protocol.ts';
import type { Http2Limits } from './limits/http2-limits.ts';

/** Interval between two calls of `sweep`. */
export const SWEEP_MS = 1_000;

/** State of a connection at the time of a sweep. */
export interface LifetimeState {
  /** True once the first SETTINGS frame of the peer has arrived. */
  readonly isSettled: boolean;
  /** True while a header block is incomplete. */
  readonly isBlockOpen: boolean;
  readonly isDraining: boolean;
  /**
   * True while we have paused reading, because the peer does not read its responses. Such a peer seems silent only
   * because we do not read its input.
   */
  readonly isPaused: boolean;
  readonly streams: number;
  /**
   * Highest stream id that the peer has used. If the id has changed since the last sweep, calls may have started and
   * ended between the two sweeps, and the connection was not idle.
   */
  readonly lastStreamId: number;
  /** Bytes that the socket has sent since the connection was accepted. */
  readonly takenBytes: number;
  /** Bytes that the socket has buffered but not sent. */
  readonly unsentBytes: number;
}

/**
 * Action that the caller must carry out:
 *
 * - `ping`: send a PING, because the peer is silent
 * - `drain`: start to close the connection gracefully
 * - `drain_further`: continue the drain, because the peer has not acknowledged the PING of the drain in time
 * - `destroy`: destroy the socket, because the peer does not respond or does not read
 * - a ConnectionFault: send a GOAWAY with the code and message of the fault, and close the connection
 */
export type LifetimeVerdict = 'nothing' | 'ping' | 'drain' | 'drain_further' | 'destroy' | ConnectionFault;

export class ConnectionLifetime {
  readonly #limits: Http2Limits;
  #ageMs = 0;
  #silentMs = 0;
  #idleMs = 0;
  #openBlockMs = 0;
  #stalledMs = 0;
  #drainingMs = 0;
  #takenBytes = 0;
  #lastStreamId = 0;
  #isPingSent = false;

  constructor(limits: Http2Limits) {
    this.#limits = limits;
  }

  /** Records that the peer has sent bytes. */
  received(): void {
    this.#silentMs = 0;
    this.#isPingSent = false;
  }

  sweep(state: LifetimeState): LifetimeVerdict {
    this.#count(state);
    const limits = this.#limits;
    if (!state.isSettled && this.#ageMs > limits.maxHandshakeMs) {
      return new ConnectionFault(
        ErrorCode.protocol,
        `SETTINGS must arrive within ${limits.maxHandshakeMs} ms of connecting`,
      );
    }
    if (this.#openBlockMs > limits.maxRequestMs) {
      return new ConnectionFault(ErrorCode.enhanceYourCalm, `a header block must end within ${limits.maxRequestMs} ms`);
    }
    if (this.#stalledMs > limits.maxStalledWriteMs || this.#isUnresponsive()) {
      return 'destroy';
    }
    if (state.isDraining) {
      return this.#drainingMs > limits.maxDrainPingMs ? 'drain_further' : 'nothing';
    }
    if (isOver(this.#ageMs, limits.maxConnectionAgeMs) || isOver(this.#idleMs, limits.maxConnectionIdleMs)) {
      return 'drain';
    }
    if (this.#silentMs >= limits.keepaliveIntervalMs && !this.#isPingSent && state.isSettled) {
      this.#isPingSent = true;
      return 'ping';
    }
    return 'nothing';
  }

  #count(state: LifetimeState): void {
    this.#ageMs += SWEEP_MS;
    this.#silentMs = state.isPaused ? 0 : this.#silentMs + SWEEP_MS;
    const isIdle = state.streams === 0 && state.lastStreamId === this.#lastStreamId;
    this.#idleMs = isIdle ? this.#idleMs + SWEEP_MS : 0;
    this.#lastStreamId = state.lastStreamId;
    this.#openBlockMs = state.isBlockOpen ? this.#openBlockMs + SWEEP_MS : 0;
    this.#drainingMs = state.isDraining ? this.#drainingMs + SWEEP_MS : 0;
    const takenBytes = state.takenBytes - this.#takenBytes;
    const isStalled = state.unsentBytes > 0 && takenBytes < this.#limits.slowReaderBytesPerSecond;
    this.#stalledMs = isStalled ? this.#stalledMs + SWEEP_MS : 0;
    this.#takenBytes = state.takenBytes;
  }

  #isUnresponsive(): boolean {
    const { keepaliveIntervalMs, keepaliveTimeoutMs } = this.#limits;
    return this.#isPingSent && this.#silentMs > keepaliveIntervalMs + keepaliveTimeoutMs;
  }
}

/** Returns whether the time exceeds the limit. A limit of 0 means that there is no limit. */
function isOver(elapsedMs: number, limitMs: number): boolean {
  return limitMs !== 0 && elapsedMs > limitMs;
}
