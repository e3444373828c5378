// Original file: third_party/grpc/reflection/v1alpha/reflection.proto


export interface ExtensionRequest {
  'containingType'?: (string);
  'extensionNumber'?: (number);
}

export interface ExtensionRequestOutput {
  'containingType': (string);
  'extensionNumber': (number);
}
