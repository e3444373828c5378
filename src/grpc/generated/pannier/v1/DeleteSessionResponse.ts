// Original file: proto/pannier/v1/session.proto


export interface DeleteSessionResponse {
  'existed'?: (boolean);
}

export interface DeleteSessionResponseOutput {
  'existed': (boolean);
}
