/**
 * How long a connection may live, be idle, be silent or be slow. Pure: it receives the state once a second and returns what is due.
 */

import { ConnectionFault, ErrorCode } from './frames/protocol.ts';
import type { Http2Limits } from './limits/http2-limits.ts';

/** How often `sweep` is called. */
export const SWEEP_MS = 1_000;

/** A connection as a sweep finds it. */
export interface LifetimeState {
  /** The first SETTINGS have come. */
  readonly isSettled: boolean;
  /** A header block has begun and not ended. */
  readonly isBlockOpen: boolean;
  readonly isDraining: boolean;
  /** We do not read, because the peer takes its answers too slowly: its silence means nothing. */
  readonly isPaused: boolean;
  readonly streams: number;
  /** The highest stream that was opened: calls may come and go between two sweeps. */
  readonly lastStreamId: number;
  /** Bytes that the peer took, since it connected. */
  readonly takenBytes: number;
  /** Bytes that the socket has buffered for it. */
  readonly unsentBytes: number;
}

/**
 * ping: send a PING to a silent peer; drain: close gracefully; drain_further: the peer does not confirm the GOAWAY, go on without;
 * destroy: the peer is gone; a fault: send it, and close.
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

  /** Bytes came. */
  received(): void {
    this.#silentMs = 0;
    this.#isPingSent = false;
  }

  sweep(state: LifetimeState): LifetimeVerdict {
    this.#count(state);
    const limits = this.#limits;
    if (!state.isSettled && this.#ageMs > limits.maxHandshakeMs) {
      return new ConnectionFault(ErrorCode.protocol, `no SETTINGS within ${limits.maxHandshakeMs} ms`);
    }
    if (this.#openBlockMs > limits.maxRequestMs) {
      return new ConnectionFault(ErrorCode.enhanceYourCalm, `header block not ended within ${limits.maxRequestMs} ms`);
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

/** A limit of 0 is none. */
function isOver(elapsedMs: number, limitMs: number): boolean {
  return limitMs !== 0 && elapsedMs > limitMs;
}
