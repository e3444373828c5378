// Original file: proto/pannier/v1/session.proto


export interface ListUserSessionsRequest {
  'userId'?: (string);
}

export interface ListUserSessionsRequestOutput {
  'userId': (string);
}
