/**
 * Implements gRPC's interop service as a method table, for the interop clients of other implementations.
 *
 * A client-streaming method is implemented as a bidi method that sends one response, because both kinds of method are
 * the same on the wire.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import type { AnyMethod, CallContext, MethodTable, ResponseStream } from '../../../src/grpc/method.ts';
import { type StatusCode, StatusError } from '../../../src/grpc/status.ts';

interface Payload {
  readonly type: number;
  readonly body: Buffer;
}

interface EchoStatus {
  readonly code: number;
  readonly message: string;
}

interface SimpleRequest {
  readonly responseType: number;
  readonly responseSize: number;
  readonly responseStatus?: EchoStatus;
  readonly fillServerId: boolean;
}

interface SimpleResponse {
  readonly payload: Payload;
  readonly serverId: string;
}

interface OutputRequest {
  readonly responseType: number;
  readonly responseParameters: readonly { readonly size: number; readonly intervalUs: number }[];
  readonly responseStatus?: EchoStatus;
}

interface OutputResponse {
  readonly payload: Payload;
}

interface InputRequest {
  readonly payload?: Payload;
}

interface InputResponse {
  readonly aggregatedPayloadSize: number;
}

type Method = MethodDefinition<object, object>;

const SERVICE_NAME = 'grpc.testing.TestService';
const ECHO_HEADER = 'x-grpc-test-echo-initial';
const ECHO_TRAILER = 'x-grpc-test-echo-trailing-bin';
/** Payload type COMPRESSABLE in the published proto. The payload consists of zeros. */
const COMPRESSABLE = 0;

export function createInteropTable(): MethodTable {
  const serverId = randomUUID();
  const definition = loadSync('grpc/testing/test.proto', {
    longs: Number,
    defaults: true,
    arrays: true,
    includeDirs: [join(import.meta.dirname, 'proto')],
  });
  const methods = definition[SERVICE_NAME] as Readonly<Record<string, Method>>;
  const rows: AnyMethod[] = [
    { ...codec(methods, 'EmptyCall'), kind: 'unary', handler: () => ({}) },
    {
      ...codec(methods, 'UnaryCall'),
      kind: 'unary',
      handler: (request, context) => answerSimple(request, context, serverId),
    },
    { ...codec(methods, 'StreamingOutputCall'), kind: 'server_stream', handler: sendOutput },
    { ...codec(methods, 'StreamingInputCall'), kind: 'bidi_stream', handler: addInput },
    { ...codec(methods, 'FullDuplexCall'), kind: 'bidi_stream', handler: converse },
  ];
  return new Map(rows.map((row) => [row.path, row]));
}

function codec(methods: Readonly<Record<string, Method>>, name: string) {
  const method = methods[name];
  if (method === undefined) {
    throw new Error(`cannot serve ${SERVICE_NAME}: test.proto has no method ${name}; add it`);
  }
  return { path: method.path, decode: method.requestDeserialize, encode: method.responseSerialize };
}

function answerSimple(request: SimpleRequest, context: CallContext, serverId: string): SimpleResponse {
  echoMetadata(context);
  throwRequestedStatus(request.responseStatus);
  const payload = payloadOf(request.responseType, request.responseSize);
  return { payload, serverId: request.fillServerId ? serverId : '' };
}

async function sendOutput(
  request: OutputRequest,
  context: CallContext,
  responses: ResponseStream<OutputResponse>,
): Promise<void> {
  throwRequestedStatus(request.responseStatus);
  for (const { size, intervalUs } of request.responseParameters) {
    if (intervalUs > 0) {
      await pause(intervalUs / 1_000);
    }
    if (context.isOver()) {
      return;
    }
    if (!responses.send({ payload: payloadOf(request.responseType, size) })) {
      await responses.writable();
    }
  }
}

async function addInput(
  requests: AsyncIterable<InputRequest>,
  _context: CallContext,
  responses: ResponseStream<InputResponse>,
): Promise<void> {
  let aggregatedPayloadSize = 0;
  for await (const request of requests) {
    aggregatedPayloadSize += request.payload?.body.length ?? 0;
  }
  responses.send({ aggregatedPayloadSize });
}

async function converse(
  requests: AsyncIterable<OutputRequest>,
  context: CallContext,
  responses: ResponseStream<OutputResponse>,
): Promise<void> {
  echoMetadata(context);
  for await (const request of requests) {
    await sendOutput(request, context, responses);
  }
}

/** Returns the values of two metadata keys to the caller, one in the headers and the other in the trailers. */
function echoMetadata(context: CallContext): void {
  const initial = context.metadata(ECHO_HEADER);
  const trailing = context.binaryMetadata(ECHO_TRAILER);
  if (initial === undefined && trailing === undefined) {
    return;
  }
  context.answerWith({
    headers: initial === undefined ? [] : [[ECHO_HEADER, initial]],
    trailers: trailing === undefined ? [] : [[ECHO_TRAILER, trailing]],
  });
}

function payloadOf(type: number, size: number): Payload {
  if (type !== COMPRESSABLE) {
    throw new StatusError(3, `response_type must be ${COMPRESSABLE}, got ${type}`);
  }
  return { type, body: Buffer.alloc(size) };
}

function throwRequestedStatus(status: EchoStatus | null | undefined): void {
  if (status && status.code !== 0) {
    throw new StatusError(status.code as StatusCode, status.message);
  }
}
