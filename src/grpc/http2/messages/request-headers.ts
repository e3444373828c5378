/**
 * Validates and interprets the request headers of a call.
 *
 * Invariant: a RequestHeaders object never changes, because requests with the same header block can share the object.
 */
import { NO_DEADLINE_MS } from '../../deadline.ts';
import type { AnyMethod, MethodTable } from '../../method.ts';
import type { StatusError } from '../../status.ts';
import {
  type HttpRefusal,
  httpRefusal,
  malformedTimeout,
  metadataTooLarge,
  unknownMethod,
} from '../../transport/refusals.ts';
import { type Field, Role } from '../hpack/field.ts';

export interface RequestHeaders {
  /**
   * Kind of request:
   *
   * - `call`: a gRPC call
   * - `http`: a valid HTTP/2 request that is not gRPC; the server responds with an HTTP error
   * - `malformed`: a request that violates RFC 9113, section 8; the server resets its stream
   */
  readonly verdict: 'call' | 'http' | 'malformed';
  /** True if the header list exceeded a limit; in this case some fields are missing. */
  readonly isTooLarge: boolean;
  /** Error of a call that the server rejects because of its headers. */
  readonly refusal: StatusError | undefined;
  readonly method: AnyMethod | undefined;
  /** Value of `grpc-timeout`; Infinity if the header is absent, NaN if it is malformed. */
  readonly timeoutMs: number;
  readonly encoding: string;
  /** Value of `content-length`; -1 if the header is absent. */
  readonly contentLength: number;
  /** HTTP status of the response if `verdict` is `http`. */
  readonly httpStatus: HttpRefusal;
  /** True for a HEAD request, whose response must have no body. Used only if `verdict` is `http`. */
  readonly isHeadRequest: boolean;
  readonly metadata: readonly Field[];
  /** Size of the header list as HPACK defines it. */
  readonly listBytes: number;
}

export interface HeaderRules {
  readonly table: MethodTable;
  readonly maxMetadataBytes: number;
  readonly maxMetadataFields: number;
}

/** Intermediate result while the fields are being read. */
interface Draft {
  method: string | undefined;
  scheme: string | undefined;
  path: string | undefined;
  contentType: string;
  encoding: string;
  timeoutMs: number;
  contentLength: number;
  hasAuthority: boolean;
  /** True once a regular field has been read. No pseudo-header may follow it (RFC 9113, section 8.3). */
  isPastPseudo: boolean;
  isMalformed: boolean;
  readonly metadata: Field[];
}

/** Interprets a header list. `isComplete` is false if the list exceeded a limit and some fields are missing. */
export function readRequestHeaders(fields: readonly Field[], isComplete: boolean, rules: HeaderRules): RequestHeaders {
  const draft = newDraft();
  let listBytes = 0;
  for (const field of fields) {
    listBytes += field.bytes;
    readField(draft, field);
  }
  const { path = '' } = draft;
  const lacksPseudo = !draft.method || !draft.scheme || path === '';
  const isMalformed = draft.isMalformed || (isComplete && lacksPseudo);
  const method = rules.table.get(path);
  const refusedByHttp = httpRefusal(draft.method ?? '', draft.contentType);
  return {
    verdict: isMalformed ? 'malformed' : refusedByHttp === undefined || !isComplete ? 'call' : 'http',
    isTooLarge: !isComplete,
    refusal: refusalOf(draft, isComplete, method, rules),
    method,
    timeoutMs: draft.timeoutMs,
    encoding: draft.encoding,
    contentLength: draft.contentLength,
    httpStatus: refusedByHttp ?? '415',
    isHeadRequest: draft.method === 'HEAD',
    metadata: draft.metadata,
    listBytes,
  };
}

/**
 * Returns the deadline of a call that arrives now. A unary call without `grpc-timeout` gets the default deadline; a
 * stream without this header has no deadline.
 */
export function deadlineOf(request: RequestHeaders, nowMs: number, defaultDeadlineMs: number): number {
  if (request.timeoutMs !== Number.POSITIVE_INFINITY) {
    return Math.min(NO_DEADLINE_MS, nowMs + request.timeoutMs);
  }
  return request.method?.kind === 'unary' ? nowMs + defaultDeadlineMs : NO_DEADLINE_MS;
}

/**
 * Returns whether the trailers of a request are valid (RFC 9113, section 8.1). The server does not use the content of
 * the trailers.
 */
export function areTrailersValid(fields: readonly Field[]): boolean {
  return fields.every((field) => field.role !== Role.forbidden && !field.name.startsWith(':'));
}

function newDraft(): Draft {
  return {
    method: undefined,
    scheme: undefined,
    path: undefined,
    contentType: '',
    encoding: 'identity',
    timeoutMs: Number.POSITIVE_INFINITY,
    contentLength: -1,
    hasAuthority: false,
    isPastPseudo: false,
    isMalformed: false,
    metadata: [],
  };
}

function readField(draft: Draft, field: Field): void {
  switch (field.role) {
    case Role.method:
      draft.isMalformed ||= draft.isPastPseudo || draft.method !== undefined;
      draft.method = field.value;
      return;
    case Role.scheme:
      draft.isMalformed ||= draft.isPastPseudo || draft.scheme !== undefined;
      draft.scheme = field.value;
      return;
    case Role.path:
      draft.isMalformed ||= draft.isPastPseudo || draft.path !== undefined;
      draft.path = field.value;
      return;
    case Role.authority:
      draft.isMalformed ||= draft.isPastPseudo || draft.hasAuthority;
      draft.hasAuthority = true;
      return;
    default:
      draft.isPastPseudo = true;
      readRegularField(draft, field);
  }
}

function readRegularField(draft: Draft, field: Field): void {
  switch (field.role) {
    case Role.contentType:
      draft.contentType = field.value;
      return;
    case Role.timeout:
      draft.timeoutMs = field.number;
      return;
    case Role.encoding:
      draft.encoding = field.value;
      return;
    case Role.contentLength:
      draft.isMalformed ||=
        Number.isNaN(field.number) || (draft.contentLength >= 0 && draft.contentLength !== field.number);
      draft.contentLength = field.number;
      return;
    case Role.forbidden:
      draft.isMalformed = true;
      return;
    case Role.metadata:
      draft.metadata.push(field);
      return;
    default:
  }
}

function refusalOf(
  draft: Draft,
  isComplete: boolean,
  method: AnyMethod | undefined,
  rules: HeaderRules,
): StatusError | undefined {
  if (!isComplete) {
    return metadataTooLarge(rules);
  }
  if (method === undefined) {
    return unknownMethod(draft.path ?? '');
  }
  return Number.isNaN(draft.timeoutMs) ? malformedTimeout() : undefined;
}
