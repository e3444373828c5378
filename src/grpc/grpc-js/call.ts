/**
 * Adapts a call of @grpc/grpc-js to the interfaces that handlers use: the call context and the response stream.
 *
 * The library emits `cancelled` when a call ends for any reason. This class attaches no listener to the library's call
 * until a handler adds a listener.
 */
import type { Writable } from 'node:stream';
import { Metadata, type ServerDuplexStream, type ServerWritableStream } from '@grpc/grpc-js';
import type { AnswerMetadata, CallContext, MetadataEntry, ResponseStream } from '../method.ts';
import { metadataFields } from '../transport/answer-metadata.ts';
import type { RequestMessage } from '../transport/request-message.ts';

export type StreamCall = ServerWritableStream<RequestMessage, Buffer> | ServerDuplexStream<RequestMessage, Buffer>;

/** Members that all kinds of calls of the library share. */
interface AnyCall {
  readonly cancelled: boolean;
  readonly metadata: Metadata;
  sendMetadata(metadata: Metadata): void;
  once(event: 'cancelled', listener: () => void): unknown;
}

export class GrpcJsContext implements CallContext {
  readonly deadlineAtMs: number;
  readonly #call: AnyCall;
  /** Metadata that is sent with the status. */
  #trailers: readonly MetadataEntry[] = [];
  #headers: readonly MetadataEntry[] = [];
  #hasEnded = false;
  #listeners: (() => void)[] | undefined;

  constructor(call: AnyCall, deadlineAtMs: number) {
    this.#call = call;
    this.deadlineAtMs = deadlineAtMs;
  }

  metadata(key: string): string | undefined {
    const value = this.#call.metadata.get(key)[0];
    return typeof value === 'string' ? value : undefined;
  }

  binaryMetadata(key: string): Buffer | undefined {
    const value = this.#call.metadata.get(key)[0];
    return Buffer.isBuffer(value) ? value : undefined;
  }

  answerWith({ headers = [], trailers = [] }: AnswerMetadata): void {
    metadataFields(headers);
    metadataFields(trailers);
    this.#headers = headers;
    this.#trailers = trailers;
  }

  /**
   * Sends the response headers, if there are any. Must be called before the first message is sent or the call is ended.
   */
  sendHeaders(): void {
    if (this.#headers.length > 0) {
      this.#call.sendMetadata(toMetadata(this.#headers));
      this.#headers = [];
    }
  }

  trailers(): Metadata {
    return toMetadata(this.#trailers);
  }

  isOver(): boolean {
    return this.#hasEnded || this.#call.cancelled;
  }

  onOver(listener: () => void): void {
    if (this.isOver()) {
      listener();
      return;
    }
    if (this.#listeners === undefined) {
      this.#listeners = [];
      this.#call.once('cancelled', () => this.end());
    }
    this.#listeners.push(listener);
  }

  /** Records that the call has ended, and calls the listeners. */
  end(): void {
    this.#hasEnded = true;
    const listeners = this.#listeners ?? [];
    this.#listeners = undefined;
    for (const listener of listeners) {
      listener();
    }
  }
}

export class StreamResponses implements ResponseStream<unknown> {
  readonly #encode: (response: unknown) => Buffer;
  readonly #call: StreamCall;
  readonly #context: GrpcJsContext;
  #waiting: Promise<void> | undefined;
  #resume: (() => void) | undefined;

  constructor(method: { encode(response: unknown): Buffer }, call: StreamCall, context: GrpcJsContext) {
    this.#encode = method.encode;
    this.#call = call;
    this.#context = context;
    const stream: Writable = call;
    stream.on('drain', () => this.#release());
    context.onOver(() => this.#release());
  }

  send(response: unknown): boolean {
    if (this.#context.isOver()) {
      return false;
    }
    const bytes = this.#encode(response);
    this.#context.sendHeaders();
    return this.#call.write(bytes);
  }

  writable(): Promise<void> {
    if (this.#context.isOver() || !this.#call.writableNeedDrain) {
      return Promise.resolve();
    }
    this.#waiting ??= new Promise((resolve) => {
      this.#resume = resolve;
    });
    return this.#waiting;
  }

  #release(): void {
    this.#resume?.();
    this.#resume = undefined;
    this.#waiting = undefined;
  }
}

function toMetadata(entries: readonly MetadataEntry[]): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of entries) {
    metadata.add(key, value);
  }
  return metadata;
}
