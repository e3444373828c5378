/**
 * The streams of a connection: those that are open, how many count, and which we ended ourselves.
 *
 * Promise: a handler counts against the limit of its connection until it settles, even where its stream was reset
 * (CVE-2023-44487, CVE-2025-8671): resetting frees no work.
 */

import { ConnectionFault, ErrorCode, MAX_STREAM_ID } from '../frames/protocol.ts';
import type { Http2Stream } from './stream.ts';

/** What was on its way to streams that we reset is ignored, not punished. */
const MAX_REMEMBERED_RESETS = 256;

export class StreamTable {
  /** The highest stream that the peer has opened. */
  lastId = 0;
  /** Streams above this one are refused: the peer was told so, or announced it. */
  maxAcceptedId = MAX_STREAM_ID;
  readonly #open = new Map<number, Http2Stream>();
  readonly #resetIds = new Set<number>();
  /** Handlers that still run although their stream is gone. */
  #orphans = 0;

  get size(): number {
    return this.#open.size;
  }

  /** Streams that are open and handlers that run without one. */
  get busy(): number {
    return this.#open.size + this.#orphans;
  }

  values(): IterableIterator<Http2Stream> {
    return this.#open.values();
  }

  add(stream: Http2Stream): void {
    this.#open.set(stream.id, stream);
  }

  get(id: number): Http2Stream | undefined {
    return this.#open.get(id);
  }

  /** The stream of a control frame, undefined where it is closed; throws for one that was never opened. */
  known(id: number, what: string): Http2Stream | undefined {
    if (id === 0 || id > this.lastId) {
      throw new ConnectionFault(ErrorCode.protocol, `${what} on an idle stream`);
    }
    return this.#open.get(id);
  }

  /** False where it was removed before. */
  remove(stream: Http2Stream): boolean {
    if (stream.isClosed) {
      return false;
    }
    this.#open.delete(stream.id);
    if (stream.isRunning) {
      this.#orphans += 1;
    }
    return true;
  }

  /** The handler of a stream settled. */
  settled(stream: Http2Stream): void {
    stream.isRunning = false;
    if (stream.isClosed) {
      this.#orphans -= 1;
    }
  }

  rememberReset(id: number): void {
    this.#resetIds.add(id);
    if (this.#resetIds.size > MAX_REMEMBERED_RESETS) {
      const [oldest] = this.#resetIds;
      this.#resetIds.delete(oldest as number);
    }
  }

  wasReset(id: number): boolean {
    return this.#resetIds.has(id);
  }
}
