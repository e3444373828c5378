/**
 * Serves gRPC server reflection, v1 and v1alpha, from the descriptor set.
 *
 *   1. A response with a file also contains all files that it imports, so that a client can resolve every type.
 *   2. For an unknown name, the response is an ErrorResponse with NOT_FOUND. The stream continues, as the protocol
 *      requires.
 */
import { type Contract, type FileDescriptor, readContract } from './descriptors.ts';
import type { ServerReflectionRequestOutput } from './generated/grpc/reflection/v1/ServerReflectionRequest.ts';
import type { ServerReflectionResponse } from './generated/grpc/reflection/v1/ServerReflectionResponse.ts';
import type { CallContext, ResponseStream } from './method.ts';
import type { Service } from './service-table.ts';
import { Status } from './status.ts';

const MAX_NAME_LENGTH = 200;

export function createReflectionServices(): Service[] {
  const names = ['grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'];
  return names.map((name) => ({ name, handlers: { ServerReflectionInfo: reflect }, close: () => undefined }));
}

async function reflect(
  requests: AsyncIterable<ServerReflectionRequestOutput>,
  context: CallContext,
  responses: ResponseStream<ServerReflectionResponse>,
): Promise<void> {
  for await (const request of requests) {
    const answer = answerOf(request, readContract());
    const mayGoOn = responses.send({ validHost: request.host, originalRequest: request, ...answer });
    if (!mayGoOn) {
      await responses.writable();
    }
    if (context.isOver()) {
      return;
    }
  }
}

type Answer = Pick<
  ServerReflectionResponse,
  'fileDescriptorResponse' | 'allExtensionNumbersResponse' | 'listServicesResponse' | 'errorResponse'
>;

function answerOf(request: ServerReflectionRequestOutput, contract: Contract): Answer {
  if (request.listServices !== undefined) {
    return { listServicesResponse: { service: [...contract.services.keys()].map((name) => ({ name })) } };
  }
  if (request.fileByFilename !== undefined) {
    return fileAnswer(contract, contract.files.get(request.fileByFilename), `file ${shown(request.fileByFilename)}`);
  }
  if (request.fileContainingSymbol !== undefined) {
    const symbol = request.fileContainingSymbol;
    return fileAnswer(contract, contract.fileOfSymbol.get(symbol), `symbol ${shown(symbol)}`);
  }
  if (request.allExtensionNumbersOfType !== undefined) {
    return extensionNumbers(contract, request.allExtensionNumbersOfType);
  }
  if (request.fileContainingExtension !== undefined && request.fileContainingExtension !== null) {
    return notFound('extension', 'the contract has no extensions; request a file or a symbol');
  }
  return refusal(Status.INVALID_ARGUMENT, 'message_request must be set, got none');
}

function extensionNumbers(contract: Contract, typeName: string): Answer {
  if (!contract.messages.has(typeName)) {
    return notFound(`type ${shown(typeName)}`);
  }
  return { allExtensionNumbersResponse: { baseTypeName: typeName, extensionNumber: [] } };
}

function fileAnswer(contract: Contract, file: FileDescriptor | undefined, what: string): Answer {
  if (file === undefined) {
    return notFound(what);
  }
  const needed = new Set<FileDescriptor>([file]);
  // The loop also visits the files that it adds, so the response includes each transitive import once.
  for (const each of needed) {
    for (const name of each.dependencies) {
      const dependency = contract.files.get(name);
      if (dependency !== undefined) {
        needed.add(dependency);
      }
    }
  }
  return { fileDescriptorResponse: { fileDescriptorProto: [...needed].map((each) => each.bytes) } };
}

function notFound(what: string, cause = 'the contract does not declare it; start with list_services'): Answer {
  return refusal(Status.NOT_FOUND, `cannot find ${what}: ${cause}`);
}

function refusal(errorCode: number, errorMessage: string): Answer {
  return { errorResponse: { errorCode, errorMessage } };
}

function shown(name: string): string {
  return name.slice(0, MAX_NAME_LENGTH);
}
