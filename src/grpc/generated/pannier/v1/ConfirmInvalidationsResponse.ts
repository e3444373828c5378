// Original file: proto/pannier/v1/cache.proto


export interface ConfirmInvalidationsResponse {
  'validForMs'?: (number);
}

export interface ConfirmInvalidationsResponseOutput {
  'validForMs': (number);
}
