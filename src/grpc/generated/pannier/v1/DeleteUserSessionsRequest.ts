// Original file: proto/pannier/v1/session.proto


export interface DeleteUserSessionsRequest {
  'userId'?: (string);
  'exceptSessionId'?: (string);
}

export interface DeleteUserSessionsRequestOutput {
  'userId': (string);
  'exceptSessionId': (string);
}
