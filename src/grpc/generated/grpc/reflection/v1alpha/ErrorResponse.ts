// Original file: third_party/grpc/reflection/v1alpha/reflection.proto


export interface ErrorResponse {
  'errorCode'?: (number);
  'errorMessage'?: (string);
}

export interface ErrorResponseOutput {
  'errorCode': (number);
  'errorMessage': (string);
}
