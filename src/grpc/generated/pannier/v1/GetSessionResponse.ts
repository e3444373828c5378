// Original file: proto/pannier/v1/session.proto

import type { Session as _pannier_v1_Session, SessionOutput as _pannier_v1_SessionOutput } from '../../pannier/v1/Session.ts';

export interface GetSessionResponse {
  'session'?: (_pannier_v1_Session | null);
}

export interface GetSessionResponseOutput {
  'session': (_pannier_v1_SessionOutput | null);
}
