/**
 * Runs the HTTPS server that API servers call with admission reviews.
 *
 * Invariants:
 *   1. The server answers 400 to a body that is not a review, 413 to a body that is too long, and 500 after an internal
 *      error. The API server then applies the failurePolicy of the webhook.
 *   2. The server uses a new certificate from the next handshake on.
 *   3. The size of a body, the memory of all bodies, the number of connections and the duration of a request are
 *      bounded. If a body would exceed the memory bound, the server answers 503.
 *   4. Every connection serves one review. Otherwise an API server would keep calling a replica that is being replaced,
 *      and pods would get the previous configuration after `helm upgrade --wait` has returned. In addition, the server
 *      never closes a connection on which the API server is sending a review.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { setTimeout as wait } from 'node:timers/promises';
import { listenOn } from '../lib/listen.ts';
import type { Logger } from '../lib/logger.ts';
import { type AdmissionRequest, parseReview, reviewText, type Verdict } from './admission-review.ts';
import type { ServedCertificate } from './certificates/certificate-source.ts';
import type { Outcome } from './webhook-metrics.ts';

export interface WebhookServerOptions {
  readonly host: string;
  readonly port: number;
  readonly certificate: ServedCertificate;
  /** Reviewers by path. If a reviewer throws, the server answers 500. */
  readonly reviewers: Readonly<Record<string, (request: AdmissionRequest) => Verdict>>;
  readonly onReview: (path: string, outcome: Outcome, durationMs: number) => void;
  readonly log: Logger;
  readonly limits?: Partial<WebhookLimits>;
}

interface WebhookLimits {
  readonly maxBodyBytes: number;
  readonly maxAllBodiesBytes: number;
  readonly maxConnections: number;
  readonly requestMs: number;
}

export interface WebhookServer {
  readonly port: number;
  setCertificate(certificate: ServedCertificate): void;
  /**
   * Resolves once no client has connected for `quietMs`, at the latest after `maxWaitMs`. The first interval begins
   * when the server starts.
   */
  waitUntilQuiet(limits: { readonly quietMs: number; readonly maxWaitMs: number }): Promise<void>;
  /**
   * Stops accepting connections, waits for the requests in flight, and destroys the remaining connections after
   * `graceMs`.
   */
  close(graceMs: number): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: 'application/json' | 'text/plain; charset=utf-8';
  readonly body: string;
  readonly outcome: Outcome;
}

type Reviewer = (request: AdmissionRequest) => Verdict;

/**
 * Default limits. For comparison, etcd stores objects of at most 1.5 MiB, and the API server accepts requests of at
 * most 3 MiB.
 */
const LIMITS: WebhookLimits = {
  maxBodyBytes: 4 * 1_048_576,
  maxAllBodiesBytes: 32 * 1_048_576,
  maxConnections: 512,
  requestMs: 10_000,
};

const QUIET_POLL_MS = 50;

/** Starts the server; if it cannot listen on an address, rejects with an error that contains the address. */
export async function startWebhookServer(options: WebhookServerOptions): Promise<WebhookServer> {
  const limits = { ...LIMITS, ...options.limits };
  const server = createServer({
    ...contextOf(options.certificate),
    minVersion: 'TLSv1.2',
    maxHeaderSize: 16_384,
    headersTimeout: limits.requestMs,
    requestTimeout: limits.requestMs,
    handshakeTimeout: limits.requestMs,
    connectionsCheckingInterval: 1_000,
  });
  server.maxConnections = limits.maxConnections;
  const handler = new ReviewHandler(options, limits);
  server.on('request', (request, response) => void handler.answer(request, response));
  // Port scans and plain TCP probes cause such errors, so the server logs them only at level debug.
  server.on('tlsClientError', (error) => options.log.debug({ err: error }, 'TLS handshake failed'));
  await listenOn(server, options);
  server.on('error', (error) => options.log.error({ err: error }, 'webhook server error'));
  let lastConnectionAtMs = performance.now();
  server.on('connection', () => {
    lastConnectionAtMs = performance.now();
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    setCertificate: (certificate) => server.setSecureContext(contextOf(certificate)),
    waitUntilQuiet: async ({ quietMs, maxWaitMs }) => {
      const endsAtMs = performance.now() + maxWaitMs;
      while (performance.now() < endsAtMs && performance.now() - lastConnectionAtMs < quietMs) {
        await wait(QUIET_POLL_MS);
      }
    },
    close: (graceMs) => close(server, graceMs),
  };
}

function contextOf(certificate: ServedCertificate): { cert: string; key: string } {
  return { cert: certificate.certificatePem, key: certificate.keyPem };
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/** Reads review requests within the limits and sends the responses. */
class ReviewHandler {
  readonly #options: WebhookServerOptions;
  readonly #limits: WebhookLimits;
  #bufferedBytes = 0;

  constructor(options: WebhookServerOptions, limits: WebhookLimits) {
    this.#options = options;
    this.#limits = limits;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startMs = performance.now();
    const path = request.url?.split('?')[0] ?? '';
    const reviewer = this.#options.reviewers[path];
    if (reviewer === undefined || request.method !== 'POST') {
      // Such a request is not a review, so no metric counts it.
      request.resume();
      const status = reviewer === undefined ? 404 : 405;
      this.#send(
        response,
        problem(
          status,
          'unreadable',
          `cannot answer ${request.method}: the server accepts only reviews; use POST on the path of a webhook`,
        ),
      );
      return;
    }
    const answer = await this.#review(request, reviewer);
    if (answer !== undefined) {
      this.#send(response, answer);
      this.#options.onReview(path, answer.outcome, performance.now() - startMs);
    }
  }

  /** Reads one review and returns the response; returns undefined if the caller has disconnected. */
  async #review(request: IncomingMessage, reviewer: Reviewer): Promise<Answer | undefined> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        this.#bufferedBytes += chunk.length;
        if (bytes > this.#limits.maxBodyBytes) {
          const maxBytes = this.#limits.maxBodyBytes;
          return problem(
            413,
            'unreadable',
            `cannot read the review: the body is too long; send at most ${maxBytes} bytes`,
          );
        }
        if (this.#bufferedBytes > this.#limits.maxAllBodiesBytes) {
          return problem(503, 'overloaded', 'cannot read the review: too many bytes are buffered; retry');
        }
        chunks.push(chunk);
      }
      return this.#decide(Buffer.concat(chunks).toString('utf8'), reviewer);
    } catch (error) {
      this.#options.log.debug({ err: error }, 'review aborted by the caller');
      return undefined;
    } finally {
      this.#bufferedBytes -= bytes;
    }
  }

  #decide(text: string, reviewer: Reviewer): Answer {
    const review = parseReview(text);
    if ('problem' in review) {
      return problem(400, 'unreadable', review.problem);
    }
    const { request } = review;
    let verdict: Verdict;
    try {
      verdict = reviewer(request);
    } catch (error) {
      // Logs only the identity of the object, because the content of the object may be secret.
      const { namespace, name, uid } = request;
      this.#options.log.error(
        { err: error, namespace, name, uid },
        'cannot decide a review, the failurePolicy of the webhook applies',
      );
      return problem(500, 'failed', 'cannot decide the review: internal error; see the log of the injector');
    }
    const outcomes = { patched: 'injected', unchanged: 'unchanged', denied: 'refused' } as const;
    const outcome = outcomes[verdict.kind];
    const { namespace, operation } = request;
    this.#options.log.debug({ namespace, operation, outcome, uid: request.uid }, 'review decided');
    return { status: 200, type: 'application/json', body: reviewText(request.uid, verdict), outcome };
  }

  #send(response: ServerResponse, answer: Answer): void {
    response.writeHead(answer.status, {
      'content-type': answer.type,
      'content-length': Buffer.byteLength(answer.body),
      connection: 'close',
    });
    response.end(answer.body);
  }
}

function problem(status: number, outcome: Outcome, text: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${text}\n`, outcome };
}
