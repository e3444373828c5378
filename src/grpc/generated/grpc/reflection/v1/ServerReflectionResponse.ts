// Original file: third_party/grpc/reflection/v1/reflection.proto

import type { ServerReflectionRequest as _grpc_reflection_v1_ServerReflectionRequest, ServerReflectionRequestOutput as _grpc_reflection_v1_ServerReflectionRequestOutput } from '../../../grpc/reflection/v1/ServerReflectionRequest.ts';
import type { FileDescriptorResponse as _grpc_reflection_v1_FileDescriptorResponse, FileDescriptorResponseOutput as _grpc_reflection_v1_FileDescriptorResponseOutput } from '../../../grpc/reflection/v1/FileDescriptorResponse.ts';
import type { ExtensionNumberResponse as _grpc_reflection_v1_ExtensionNumberResponse, ExtensionNumberResponseOutput as _grpc_reflection_v1_ExtensionNumberResponseOutput } from '../../../grpc/reflection/v1/ExtensionNumberResponse.ts';
import type { ListServiceResponse as _grpc_reflection_v1_ListServiceResponse, ListServiceResponseOutput as _grpc_reflection_v1_ListServiceResponseOutput } from '../../../grpc/reflection/v1/ListServiceResponse.ts';
import type { ErrorResponse as _grpc_reflection_v1_ErrorResponse, ErrorResponseOutput as _grpc_reflection_v1_ErrorResponseOutput } from '../../../grpc/reflection/v1/ErrorResponse.ts';

export interface ServerReflectionResponse {
  'validHost'?: (string);
  'originalRequest'?: (_grpc_reflection_v1_ServerReflectionRequest | null);
  'fileDescriptorResponse'?: (_grpc_reflection_v1_FileDescriptorResponse | null);
  'allExtensionNumbersResponse'?: (_grpc_reflection_v1_ExtensionNumberResponse | null);
  'listServicesResponse'?: (_grpc_reflection_v1_ListServiceResponse | null);
  'errorResponse'?: (_grpc_reflection_v1_ErrorResponse | null);
  'messageResponse'?: "fileDescriptorResponse"|"allExtensionNumbersResponse"|"listServicesResponse"|"errorResponse";
}

export interface ServerReflectionResponseOutput {
  'validHost': (string);
  'originalRequest': (_grpc_reflection_v1_ServerReflectionRequestOutput | null);
  'fileDescriptorResponse'?: (_grpc_reflection_v1_FileDescriptorResponseOutput | null);
  'allExtensionNumbersResponse'?: (_grpc_reflection_v1_ExtensionNumberResponseOutput | null);
  'listServicesResponse'?: (_grpc_reflection_v1_ListServiceResponseOutput | null);
  'errorResponse'?: (_grpc_reflection_v1_ErrorResponseOutput | null);
}
