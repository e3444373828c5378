// Original file: third_party/grpc/reflection/v1alpha/reflection.proto


export interface ServiceResponse {
  'name'?: (string);
}

export interface ServiceResponseOutput {
  'name': (string);
}
