/**
 * The admin address: /livez, /readyz and /metrics over plain HTTP, for the kubelet and the scraper. Nothing here changes anything.
 *
 * Promises: a request is answered or cut within seconds, headers are bounded, an unknown path is 404 and another method 405; bodies hold
 * no secret (they name roles and nodes).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { listenOn } from '../lib/listen.ts';
import type { Logger } from '../lib/logger.ts';

/** Not by import: a module that imports node:http evaluates all that it exports, its WebSocket among them, which is 3 MB of memory. */
const { createServer } = process.getBuiltinModule('node:http');

export interface AdminServerOptions {
  readonly host: string;
  readonly port: number;
  readonly isReady: () => boolean;
  /** Lines that say how the stores are, for the body of /readyz. */
  readonly describe: () => readonly string[];
  readonly metricsText: () => Promise<string>;
  readonly metricsContentType: string;
  readonly log: Logger;
  /** Whoever has not taken its answer by then is cut off. */
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

/** Rejects when the address cannot be had, with a text that names it. */
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
  server.on('error', (error) => options.log.error({ err: error }, 'the admin server failed'));
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
  // Whoever does not read its answer would keep its connection for ever, and enough of them would keep out everybody else.
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
    return { status: 405, type: PLAIN, body: 'only GET and HEAD\n' };
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
      return { status: 404, type: PLAIN, body: `no such page, there are ${PATHS.join(' ')}\n` };
  }
}
