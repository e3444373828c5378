/**
 * The HTTPS server that API servers call: bounded in everything, and never the reason that a pod is lost.
 *
 * Promises:
 *   1. what cannot be read is answered 400 (413 when too long), a mistake of ours 500: then the failurePolicy of the webhook decides;
 *   2. a new certificate is served from the next handshake on;
 *   3. bodies, connections, the memory of all bodies together and the time of a request are bounded; beyond them 503;
 *   4. every review has a connection of its own: an API server that kept some open would go on asking a replica that is being replaced,
 *      and its pods would get the former configuration after `helm upgrade --wait` had come back. Nor does a connection that we end
 *      ever meet a review that is being sent.
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
  /** By path. May throw: that is a 500. */
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
  /** Resolves when nothing has connected for `quietMs` (the start counts as a connection), and at the latest after `maxWaitMs`. */
  waitUntilQuiet(limits: { readonly quietMs: number; readonly maxWaitMs: number }): Promise<void>;
  /** Takes no more connections, lets requests under way end, cuts what is left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: 'application/json' | 'text/plain; charset=utf-8';
  readonly body: string;
  readonly outcome: Outcome;
}

type Reviewer = (request: AdmissionRequest) => Verdict;

/** A pod may have 1.5 MiB in etcd, a request to the API server 3 MiB. */
const LIMITS: WebhookLimits = {
  maxBodyBytes: 4 * 1_048_576,
  maxAllBodiesBytes: 32 * 1_048_576,
  maxConnections: 512,
  requestMs: 10_000,
};

const QUIET_POLL_MS = 50;

/** Rejects when the address cannot be had, with a text that names it. */
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
  const desk = new ReviewDesk(options, limits);
  server.on('request', (request, response) => void desk.answer(request, response));
  // A port scan or a probe that speaks no TLS is no trouble of ours.
  server.on('tlsClientError', (error) => options.log.debug({ err: error }, 'a TLS handshake failed'));
  await listenOn(server, options);
  server.on('error', (error) => options.log.error({ err: error }, 'the webhook server failed'));
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

/** Reads requests and answers them. */
class ReviewDesk {
  readonly #options: WebhookServerOptions;
  readonly #limits: WebhookLimits;
  #bytesHeld = 0;

  constructor(options: WebhookServerOptions, limits: WebhookLimits) {
    this.#options = options;
    this.#limits = limits;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startMs = performance.now();
    const path = request.url?.split('?')[0] ?? '';
    const reviewer = this.#options.reviewers[path];
    if (reviewer === undefined || request.method !== 'POST') {
      // Not counted: it is no review.
      request.resume();
      const status = reviewer === undefined ? 404 : 405;
      this.#send(response, problem(status, 'unreadable', `cannot answer ${request.method}: wanted POST to a webhook`));
      return;
    }
    const answer = await this.#review(request, reviewer);
    if (answer !== undefined) {
      this.#send(response, answer);
      this.#options.onReview(path, answer.outcome, performance.now() - startMs);
    }
  }

  /** Undefined when the caller went away. */
  async #review(request: IncomingMessage, reviewer: Reviewer): Promise<Answer | undefined> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        this.#bytesHeld += chunk.length;
        if (bytes > this.#limits.maxBodyBytes) {
          const accepted = `at most ${this.#limits.maxBodyBytes}`;
          return problem(
            413,
            'unreadable',
            `cannot read the review: it has more bytes than are read, wanted ${accepted}`,
          );
        }
        if (this.#bytesHeld > this.#limits.maxAllBodiesBytes) {
          return problem(503, 'overloaded', 'cannot read the review: too many are being read, wanted another attempt');
        }
        chunks.push(chunk);
      }
      return this.#decide(Buffer.concat(chunks).toString('utf8'), reviewer);
    } catch (error) {
      this.#options.log.debug({ err: error }, 'a review was not sent to its end');
      return undefined;
    } finally {
      this.#bytesHeld -= bytes;
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
      // No more than the place: the object may hold anything.
      const { namespace, name, uid } = request;
      this.#options.log.error({ err: error, namespace, name, uid }, 'cannot review, the failurePolicy decides');
      return problem(500, 'failed', 'cannot review: an error of the injector, see its log');
    }
    const outcomes = { patched: 'injected', unchanged: 'unchanged', denied: 'refused' } as const;
    const outcome = outcomes[verdict.kind];
    const { namespace, operation } = request;
    this.#options.log.debug({ namespace, operation, outcome, uid: request.uid }, 'reviewed');
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
