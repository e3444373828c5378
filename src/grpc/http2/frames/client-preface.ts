/**
 * Identifies the first bytes of a connection: the HTTP/2 connection preface (RFC 9113, section 3.4), an HTTP/1.x
 * request, or something else.
 *
 * Invariants:
 *   1. The result does not depend on how the bytes are split into chunks. The first result other than `incomplete` is
 *      returned as soon as the bytes identify the protocol.
 *   2. The object never buffers more bytes than the preface contains.
 */

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const PREFACE_TEXT = PREFACE.toString('latin1');
const HTTP1_STARTS = ['GET ', 'HEAD ', 'POST ', 'PUT ', 'DELETE ', 'CONNECT ', 'OPTIONS ', 'TRACE ', 'PATCH '];

/** Protocol of the first bytes; `incomplete` means that more bytes must arrive first. */
export type PrefaceVerdict = 'incomplete' | 'http2' | 'http1' | 'invalid';

export class ClientPreface {
  #text = '';
  #framesStart = 0;

  /** Offset of the first frame in the last chunk; valid after `read` has returned `http2`. */
  get framesStart(): number {
    return this.#framesStart;
  }

  /**
   * True for a HEAD request, whose response must have no body (RFC 9110, section 9.3.2); valid after `read` has
   * returned `http1`.
   */
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

/**
 * Returns the complete HTTP/1.1 response to an HTTP/1.x request. `adminUrl` is the URL of the admin server, or
 * undefined if that server does not run.
 */
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
