/**
 * The first bytes of a connection: the preface of HTTP/2 (RFC 9113, section 3.4), a request of HTTP/1.x, or something else.
 *
 * Invariants:
 *   1. The verdict does not depend on how the bytes are cut into chunks, and comes with the first byte that decides it.
 *   2. At most the bytes of the preface are kept.
 */

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const PREFACE_TEXT = PREFACE.toString('latin1');
const HTTP1_STARTS = ['GET ', 'HEAD ', 'POST ', 'PUT ', 'DELETE ', 'CONNECT ', 'OPTIONS ', 'TRACE ', 'PATCH '];

/** incomplete: more bytes decide. */
export type PrefaceVerdict = 'incomplete' | 'http2' | 'http1' | 'invalid';

export class ClientPreface {
  #text = '';
  #framesStart = 0;

  /** With verdict http2: where in the last chunk the first frame begins. */
  get framesStart(): number {
    return this.#framesStart;
  }

  /** With verdict http1: its answer may have no body (RFC 9110, section 9.3.2). */
  get isHeadRequest(): boolean {
    return this.#text.startsWith('HEAD ');
  }

  read(chunk: Buffer): PrefaceVerdict {
    const bytesBefore = this.#text.length;
    this.#text += chunk.toString('latin1', 0, PREFACE.length - bytesBefore);
    const text = this.#text;
    if (PREFACE_TEXT.startsWith(text)) {
      this.#framesStart = text.length - bytesBefore;
      return text.length === PREFACE.length ? 'http2' : 'incomplete';
    }
    if (HTTP1_STARTS.some((start) => text.startsWith(start))) {
      return 'http1';
    }
    return HTTP1_STARTS.some((start) => start.startsWith(text)) ? 'incomplete' : 'invalid';
  }
}

/** The whole answer to a request of HTTP/1.x. `adminUrl` is where health and metrics are served, if they are. */
export function http1Answer(adminUrl: string | undefined, isHeadRequest: boolean): string {
  const admin =
    adminUrl === undefined
      ? ''
      : `Health and metrics are served over HTTP/1.1 at ${adminUrl} (/livez, /readyz, /metrics).\n`;
  const body =
    'cannot serve the request: it is HTTP/1.x, and this port serves gRPC over HTTP/2 without TLS (prior knowledge); use a gRPC client.\n' +
    admin;
  const lines = [
    'HTTP/1.1 400 Bad Request',
    'Connection: close',
    'Content-Type: text/plain',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    isHeadRequest ? '' : body,
  ];
  return lines.join('\r\n');
}
