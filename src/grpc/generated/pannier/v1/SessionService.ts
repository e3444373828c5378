// Original file: proto/pannier/v1/session.proto

import type { MethodDefinition } from '@grpc/proto-loader'
import type { CreateSessionRequest as _pannier_v1_CreateSessionRequest, CreateSessionRequestOutput as _pannier_v1_CreateSessionRequestOutput } from '../../pannier/v1/CreateSessionRequest.ts';
import type { CreateSessionResponse as _pannier_v1_CreateSessionResponse, CreateSessionResponseOutput as _pannier_v1_CreateSessionResponseOutput } from '../../pannier/v1/CreateSessionResponse.ts';
import type { DeleteSessionRequest as _pannier_v1_DeleteSessionRequest, DeleteSessionRequestOutput as _pannier_v1_DeleteSessionRequestOutput } from '../../pannier/v1/DeleteSessionRequest.ts';
import type { DeleteSessionResponse as _pannier_v1_DeleteSessionResponse, DeleteSessionResponseOutput as _pannier_v1_DeleteSessionResponseOutput } from '../../pannier/v1/DeleteSessionResponse.ts';
import type { DeleteUserSessionsRequest as _pannier_v1_DeleteUserSessionsRequest, DeleteUserSessionsRequestOutput as _pannier_v1_DeleteUserSessionsRequestOutput } from '../../pannier/v1/DeleteUserSessionsRequest.ts';
import type { DeleteUserSessionsResponse as _pannier_v1_DeleteUserSessionsResponse, DeleteUserSessionsResponseOutput as _pannier_v1_DeleteUserSessionsResponseOutput } from '../../pannier/v1/DeleteUserSessionsResponse.ts';
import type { GetSessionRequest as _pannier_v1_GetSessionRequest, GetSessionRequestOutput as _pannier_v1_GetSessionRequestOutput } from '../../pannier/v1/GetSessionRequest.ts';
import type { GetSessionResponse as _pannier_v1_GetSessionResponse, GetSessionResponseOutput as _pannier_v1_GetSessionResponseOutput } from '../../pannier/v1/GetSessionResponse.ts';
import type { ListUserSessionsRequest as _pannier_v1_ListUserSessionsRequest, ListUserSessionsRequestOutput as _pannier_v1_ListUserSessionsRequestOutput } from '../../pannier/v1/ListUserSessionsRequest.ts';
import type { ListUserSessionsResponse as _pannier_v1_ListUserSessionsResponse, ListUserSessionsResponseOutput as _pannier_v1_ListUserSessionsResponseOutput } from '../../pannier/v1/ListUserSessionsResponse.ts';
import type { RotateSessionRequest as _pannier_v1_RotateSessionRequest, RotateSessionRequestOutput as _pannier_v1_RotateSessionRequestOutput } from '../../pannier/v1/RotateSessionRequest.ts';
import type { RotateSessionResponse as _pannier_v1_RotateSessionResponse, RotateSessionResponseOutput as _pannier_v1_RotateSessionResponseOutput } from '../../pannier/v1/RotateSessionResponse.ts';
import type { UpdateSessionRequest as _pannier_v1_UpdateSessionRequest, UpdateSessionRequestOutput as _pannier_v1_UpdateSessionRequestOutput } from '../../pannier/v1/UpdateSessionRequest.ts';
import type { UpdateSessionResponse as _pannier_v1_UpdateSessionResponse, UpdateSessionResponseOutput as _pannier_v1_UpdateSessionResponseOutput } from '../../pannier/v1/UpdateSessionResponse.ts';

export interface SessionServiceDefinition {
  CreateSession: MethodDefinition<_pannier_v1_CreateSessionRequest, _pannier_v1_CreateSessionResponse, _pannier_v1_CreateSessionRequestOutput, _pannier_v1_CreateSessionResponseOutput>
  DeleteSession: MethodDefinition<_pannier_v1_DeleteSessionRequest, _pannier_v1_DeleteSessionResponse, _pannier_v1_DeleteSessionRequestOutput, _pannier_v1_DeleteSessionResponseOutput>
  DeleteUserSessions: MethodDefinition<_pannier_v1_DeleteUserSessionsRequest, _pannier_v1_DeleteUserSessionsResponse, _pannier_v1_DeleteUserSessionsRequestOutput, _pannier_v1_DeleteUserSessionsResponseOutput>
  GetSession: MethodDefinition<_pannier_v1_GetSessionRequest, _pannier_v1_GetSessionResponse, _pannier_v1_GetSessionRequestOutput, _pannier_v1_GetSessionResponseOutput>
  ListUserSessions: MethodDefinition<_pannier_v1_ListUserSessionsRequest, _pannier_v1_ListUserSessionsResponse, _pannier_v1_ListUserSessionsRequestOutput, _pannier_v1_ListUserSessionsResponseOutput>
  RotateSession: MethodDefinition<_pannier_v1_RotateSessionRequest, _pannier_v1_RotateSessionResponse, _pannier_v1_RotateSessionRequestOutput, _pannier_v1_RotateSessionResponseOutput>
  UpdateSession: MethodDefinition<_pannier_v1_UpdateSessionRequest, _pannier_v1_UpdateSessionResponse, _pannier_v1_UpdateSessionRequestOutput, _pannier_v1_UpdateSessionResponseOutput>
}
