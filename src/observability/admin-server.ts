/**
 * HTTP server of the admin address: /livez, /readyz and /metrics, for the kubelet and Prometheus.
 *
 * Invariants:
 *   1. The server is read-only: no request changes any state.
 *   2. The server closes a connection if the request takes longer than 5 s or the response takes longer than 10 s. The
 *      server also limits the size of headers.
 *   3. An unknown path returns 404, and a method other than GET and HEAD returns 405.
 *   4. No body contains a secret. Bodies contain the names of roles and nodes, and errors of the policy file.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { listenOn } from '../lib/listen.ts';
import type { Logger } from '../lib/logger.ts';

/**
 * Loads node:http without an import, because an import evaluates all exports, such as WebSocket, which needs 3 MB of
 * memory.
 */
const { createServer } = process.getBuiltinModule('node:http');

export interface AdminServerOptions {
  readonly host: string;
  readonly port: number;
  readonly isReady: () => boolean;
  /** Returns lines about the state of the stores and of the policy file for the body of /readyz. */
  readonly describe: () => readonly string[];
  readonly metricsText: () => Promise<string>;
  readonly metricsContentType: string;
  readonly log: Logger;
  /** Time after which the server closes the connection of a client that has not read its response. */
  readonly maxAnswerMs?: number;
}

export interface AdminServer {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const MAX_REQUEST_MS = 5_000;
const MAX_ANSWER_MS = 10_000;
const PLAIN = 'text/plain; charset=utf-8';
const PATHS = ['/livez', '/readyz', '/metrics'];

/** Starts the server. If the server cannot listen, rejects with an error that names the address. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const server = createServer({
    maxHeaderSize: 8_192,
    requestTimeout: MAX_REQUEST_MS,
    headersTimeout: MAX_REQUEST_MS,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: 15_000,
  });
  server.maxConnections = 256;
  server.on('request', (request, response) => void answer(request, response, options));
  await listenOn(server, options);
  server.on('error', (error) => options.log.error({ err: error }, 'admin server failed'));
  const address = server.address();
  return {
    host: options.host,
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, options: AdminServerOptions): Promise<void> {
  // Otherwise a client that does not read its response would keep its connection open forever, and many such clients
  // would lock out others.
  const late = setTimeout(() => request.socket.destroy(), options.maxAnswerMs ?? MAX_ANSWER_MS);
  late.unref();
  response.once('close', () => clearTimeout(late));
  let page: Page;
  try {
    page = await pageFor(request, options);
  } catch (error) {
    options.log.error({ err: error }, 'cannot answer an admin request');
    page = { status: 500, type: PLAIN, body: 'internal error\n' };
  }
  response.writeHead(page.status, { 'content-type': page.type, 'content-length': Buffer.byteLength(page.body) });
  response.end(request.method === 'HEAD' ? undefined : page.body);
}

async function pageFor(request: IncomingMessage, options: AdminServerOptions): Promise<Page> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { status: 405, type: PLAIN, body: 'the method must be GET or HEAD\n' };
  }
  switch (request.url?.split('?')[0]) {
    case '/livez':
      return { status: 200, type: PLAIN, body: 'ok\n' };
    case '/readyz': {
      const isReady = options.isReady();
      const lines = [isReady ? 'ready' : 'not ready', ...options.describe()];
      return { status: isReady ? 200 : 503, type: PLAIN, body: `${lines.join('\n')}\n` };
    }
    case '/metrics':
      return { status: 200, type: options.metricsContentType, body: await options.metricsText() };
    case '/':
      return { status: 200, type: PLAIN, body: `${PATHS.join('\n')}\n` };
    default:
      return { status: 404, type: PLAIN, body: `unknown path; must be one of ${PATHS.join(', ')}\n` };
  }
}
