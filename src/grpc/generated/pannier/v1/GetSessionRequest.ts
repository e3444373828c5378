// Original file: proto/pannier/v1/session.proto


export interface GetSessionRequest {
  'sessionId'?: (string);
  'peek'?: (boolean);
}

export interface GetSessionRequestOutput {
  'sessionId': (string);
  'peek': (boolean);
}
