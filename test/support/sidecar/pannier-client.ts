/**
 * A client of the API in another process: every method of the three services, as a promise that never rejects.
 */
import { join } from 'node:path';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import type { CacheGetManyRequest } from '../../../src/grpc/generated/pannier/v1/CacheGetManyRequest.ts';
import type { CacheGetManyResponseOutput } from '../../../src/grpc/generated/pannier/v1/CacheGetManyResponse.ts';
import type { CacheGetRequest } from '../../../src/grpc/generated/pannier/v1/CacheGetRequest.ts';
import type { CacheGetResponseOutput } from '../../../src/grpc/generated/pannier/v1/CacheGetResponse.ts';
import type { CacheInvalidateRequest } from '../../../src/grpc/generated/pannier/v1/CacheInvalidateRequest.ts';
import type { CacheInvalidateResponseOutput } from '../../../src/grpc/generated/pannier/v1/CacheInvalidateResponse.ts';
import type { CacheSetRequest } from '../../../src/grpc/generated/pannier/v1/CacheSetRequest.ts';
import type { CacheSetResponseOutput } from '../../../src/grpc/generated/pannier/v1/CacheSetResponse.ts';
import type { CheckRateLimitRequest } from '../../../src/grpc/generated/pannier/v1/CheckRateLimitRequest.ts';
import type { CheckRateLimitResponseOutput } from '../../../src/grpc/generated/pannier/v1/CheckRateLimitResponse.ts';
import type { CreateSessionRequest } from '../../../src/grpc/generated/pannier/v1/CreateSessionRequest.ts';
import type { CreateSessionResponseOutput } from '../../../src/grpc/generated/pannier/v1/CreateSessionResponse.ts';
import type { DeleteSessionRequest } from '../../../src/grpc/generated/pannier/v1/DeleteSessionRequest.ts';
import type { DeleteSessionResponseOutput } from '../../../src/grpc/generated/pannier/v1/DeleteSessionResponse.ts';
import type { DeleteUserSessionsRequest } from '../../../src/grpc/generated/pannier/v1/DeleteUserSessionsRequest.ts';
import type { DeleteUserSessionsResponseOutput } from '../../../src/grpc/generated/pannier/v1/DeleteUserSessionsResponse.ts';
import type { GetSessionRequest } from '../../../src/grpc/generated/pannier/v1/GetSessionRequest.ts';
import type { GetSessionResponseOutput } from '../../../src/grpc/generated/pannier/v1/GetSessionResponse.ts';
import type { ListUserSessionsRequest } from '../../../src/grpc/generated/pannier/v1/ListUserSessionsRequest.ts';
import type { ListUserSessionsResponseOutput } from '../../../src/grpc/generated/pannier/v1/ListUserSessionsResponse.ts';
import type { ResetRateLimitRequest } from '../../../src/grpc/generated/pannier/v1/ResetRateLimitRequest.ts';
import type { ResetRateLimitResponseOutput } from '../../../src/grpc/generated/pannier/v1/ResetRateLimitResponse.ts';
import type { RotateSessionRequest } from '../../../src/grpc/generated/pannier/v1/RotateSessionRequest.ts';
import type { RotateSessionResponseOutput } from '../../../src/grpc/generated/pannier/v1/RotateSessionResponse.ts';
import type { UpdateSessionRequest } from '../../../src/grpc/generated/pannier/v1/UpdateSessionRequest.ts';
import type { UpdateSessionResponseOutput } from '../../../src/grpc/generated/pannier/v1/UpdateSessionResponse.ts';
import type { WatchInvalidationsRequest } from '../../../src/grpc/generated/pannier/v1/WatchInvalidationsRequest.ts';
import type { WatchInvalidationsResponseOutput } from '../../../src/grpc/generated/pannier/v1/WatchInvalidationsResponse.ts';
import { repositoryRoot } from '../repository.ts';

/** Result of a call: a response, or a status code and a status message. */
export type Ended<Response> =
  | { ok: true; response: Response; tookMs: number }
  | { ok: false; code: number; details: string; tookMs: number };

interface Watch {
  /** All events that the client has received so far, including `started`. */
  readonly events: readonly WatchInvalidationsResponseOutput[];
  cancel(): void;
}

type Method<Request, Response> = (request: Request, options?: { deadlineMs?: number }) => Promise<Ended<Response>>;

export interface PannierClient {
  checkRateLimit: Method<CheckRateLimitRequest, CheckRateLimitResponseOutput>;
  resetRateLimit: Method<ResetRateLimitRequest, ResetRateLimitResponseOutput>;
  createSession: Method<CreateSessionRequest, CreateSessionResponseOutput>;
  getSession: Method<GetSessionRequest, GetSessionResponseOutput>;
  updateSession: Method<UpdateSessionRequest, UpdateSessionResponseOutput>;
  rotateSession: Method<RotateSessionRequest, RotateSessionResponseOutput>;
  deleteSession: Method<DeleteSessionRequest, DeleteSessionResponseOutput>;
  deleteUserSessions: Method<DeleteUserSessionsRequest, DeleteUserSessionsResponseOutput>;
  listUserSessions: Method<ListUserSessionsRequest, ListUserSessionsResponseOutput>;
  cacheGet: Method<CacheGetRequest, CacheGetResponseOutput>;
  cacheGetMany: Method<CacheGetManyRequest, CacheGetManyResponseOutput>;
  cacheSet: Method<CacheSetRequest, CacheSetResponseOutput>;
  cacheInvalidate: Method<CacheInvalidateRequest, CacheInvalidateResponseOutput>;
  watchInvalidations(request: WatchInvalidationsRequest): Watch;
  close(): void;
}

interface MethodDefinition {
  path: string;
  requestSerialize(value: object): Buffer;
  responseDeserialize(bytes: Buffer): object;
}

const packages = protoLoader.loadSync(
  ['pannier/v1/rate_limit.proto', 'pannier/v1/session.proto', 'pannier/v1/cache.proto'],
  { includeDirs: [join(repositoryRoot, 'proto')], longs: Number, defaults: true, arrays: true, objects: true },
);

/** Creates a client for host:port or unix:PATH. A call without an explicit deadline has a deadline of 5 s. */
export function connectPannier(address: string): PannierClient {
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  function method<Request extends object, Response>(service: string, name: string): Method<Request, Response> {
    const methods = packages[`pannier.v1.${service}`] as unknown as Record<string, MethodDefinition>;
    const definition = methods[name] as MethodDefinition;
    return (request, options) => call<Response>(client, definition, request, options?.deadlineMs ?? 5_000);
  }
  return {
    checkRateLimit: method('RateLimitService', 'CheckRateLimit'),
    resetRateLimit: method('RateLimitService', 'ResetRateLimit'),
    createSession: method('SessionService', 'CreateSession'),
    getSession: method('SessionService', 'GetSession'),
    updateSession: method('SessionService', 'UpdateSession'),
    rotateSession: method('SessionService', 'RotateSession'),
    deleteSession: method('SessionService', 'DeleteSession'),
    deleteUserSessions: method('SessionService', 'DeleteUserSessions'),
    listUserSessions: method('SessionService', 'ListUserSessions'),
    cacheGet: method('CacheService', 'CacheGet'),
    cacheGetMany: method('CacheService', 'CacheGetMany'),
    cacheSet: method('CacheService', 'CacheSet'),
    cacheInvalidate: method('CacheService', 'CacheInvalidate'),
    watchInvalidations: (request) => {
      const methods = packages['pannier.v1.CacheService'] as unknown as Record<string, MethodDefinition>;
      return watch(client, methods.WatchInvalidations as MethodDefinition, request);
    },
    close: () => client.close(),
  };
}

function call<Response>(
  client: grpc.Client,
  definition: MethodDefinition,
  request: object,
  deadlineMs: number,
): Promise<Ended<Response>> {
  const startMs = performance.now();
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      definition.path,
      (value: object) => definition.requestSerialize(value),
      (bytes: Buffer) => definition.responseDeserialize(bytes),
      request,
      { deadline: Date.now() + deadlineMs },
      (error, response) => {
        const tookMs = performance.now() - startMs;
        if (error !== null) {
          resolve({ ok: false, code: error.code, details: error.details, tookMs });
        } else {
          resolve({ ok: true, response: response as Response, tookMs });
        }
      },
    );
  });
}

function watch(client: grpc.Client, definition: MethodDefinition, request: object): Watch {
  const events: WatchInvalidationsResponseOutput[] = [];
  const stream = client.makeServerStreamRequest(
    definition.path,
    (value: object) => definition.requestSerialize(value),
    (bytes: Buffer) => definition.responseDeserialize(bytes) as WatchInvalidationsResponseOutput,
    request,
  );
  stream.on('data', (event: WatchInvalidationsResponseOutput) => events.push(event));
  stream.on('error', () => undefined);
  return { events, cancel: () => stream.cancel() };
}
