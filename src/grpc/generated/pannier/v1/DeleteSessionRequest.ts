// Original file: proto/pannier/v1/session.proto


export interface DeleteSessionRequest {
  'sessionId'?: (string);
  'handle'?: (string);
}

export interface DeleteSessionRequestOutput {
  'sessionId': (string);
  'handle': (string);
}
