// Original file: third_party/grpc/reflection/v1alpha/reflection.proto


export interface FileDescriptorResponse {
  'fileDescriptorProto'?: (Buffer | Uint8Array | string)[];
}

export interface FileDescriptorResponseOutput {
  'fileDescriptorProto': (Buffer)[];
}
