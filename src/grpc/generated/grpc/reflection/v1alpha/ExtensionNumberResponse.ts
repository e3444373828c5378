// Original file: third_party/grpc/reflection/v1alpha/reflection.proto


export interface ExtensionNumberResponse {
  'baseTypeName'?: (string);
  'extensionNumber'?: (number)[];
}

export interface ExtensionNumberResponseOutput {
  'baseTypeName': (string);
  'extensionNumber': (number)[];
}
