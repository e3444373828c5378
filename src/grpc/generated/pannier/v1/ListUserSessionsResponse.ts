// Original file: proto/pannier/v1/session.proto

import type { SessionInfo as _pannier_v1_SessionInfo, SessionInfoOutput as _pannier_v1_SessionInfoOutput } from '../../pannier/v1/SessionInfo.ts';

export interface ListUserSessionsResponse {
  'sessions'?: (_pannier_v1_SessionInfo)[];
}

export interface ListUserSessionsResponseOutput {
  'sessions': (_pannier_v1_SessionInfoOutput)[];
}
