/**
 * Builds requests and call contexts for tests of CacheService. A request has every field set, as if the decoder had
 * returned it.
 */
import type { CacheGetRequestOutput } from '../../../src/grpc/generated/pannier/v1/CacheGetRequest.ts';
import type { CacheInvalidateRequestOutput } from '../../../src/grpc/generated/pannier/v1/CacheInvalidateRequest.ts';
import type { CacheSetRequestOutput } from '../../../src/grpc/generated/pannier/v1/CacheSetRequest.ts';
import type { WatchInvalidationsResponse } from '../../../src/grpc/generated/pannier/v1/WatchInvalidationsResponse.ts';
import type { CallContext, ResponseStream } from '../../../src/grpc/method.ts';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';

export function getRequest(fields: Partial<CacheGetRequestOutput> = {}): CacheGetRequestOutput {
  return { namespace: 'n', key: Buffer.from('key'), leaseMs: 0, waitMs: 0, fresh: false, tags: [], ...fields };
}

export function setRequest(fields: Partial<CacheSetRequestOutput> = {}): CacheSetRequestOutput {
  return {
    namespace: 'n',
    key: Buffer.from('key'),
    value: Buffer.from('value'),
    tags: [],
    lease: '',
    absent: false,
    staleMs: 0,
    loadMs: 0,
    release: false,
    ifAbsent: false,
    ...fields,
  };
}

export function invalidateRequest(fields: Partial<CacheInvalidateRequestOutput> = {}): CacheInvalidateRequestOutput {
  return { namespace: 'n', keys: [], tags: [], all: false, ...fields };
}

export interface TestCall extends CallContext {
  end(): void;
}

export function callContext(options: { clock?: Clock; leftMs?: number } = {}): TestCall {
  const clock = options.clock ?? systemClock;
  const listeners: (() => void)[] = [];
  let over = false;
  return {
    deadlineAtMs: clock.monotonicMs() + (options.leftMs ?? 5_000),
    metadata: () => undefined,
    binaryMetadata: () => undefined,
    answerWith: () => undefined,
    isOver: () => over,
    onOver: (listener) => {
      if (over) {
        listener();
      } else {
        listeners.push(listener);
      }
    },
    end: () => {
      over = true;
      for (const listener of listeners) {
        listener();
      }
    },
  };
}

/**
 * Stream that records its messages. A blocked stream accepts one message and reports that its buffer is full.
 */
export class TestStream implements ResponseStream<WatchInvalidationsResponse> {
  readonly sent: WatchInvalidationsResponse[] = [];
  #unblock: (() => void) | undefined;
  #isBlocked = false;
  readonly #call: TestCall;

  constructor(call: TestCall) {
    this.#call = call;
  }

  get watchId(): number {
    return Number(this.sent[0]?.started?.watchId ?? 0);
  }

  /** Events after `started` as short strings, such as `key a`. */
  get events(): string[] {
    return this.sent.slice(1).map((response) => {
      if (response.key !== undefined) {
        return `key ${Buffer.from(response.key as Buffer).toString()}`;
      }
      return response.tag === undefined ? 'flush' : `tag ${response.tag}`;
    });
  }

  block(): void {
    this.#isBlocked = true;
  }

  unblock(): void {
    this.#isBlocked = false;
    this.#unblock?.();
  }

  send(response: WatchInvalidationsResponse): boolean {
    this.sent.push(response);
    return !this.#isBlocked;
  }

  writable(): Promise<void> {
    return new Promise((resolve) => {
      this.#unblock = resolve;
      this.#call.onOver(resolve);
    });
  }
}
