/**
 * gRPC server reflection, v1 and v1alpha, as ordinary rows of the method table, answered from the descriptor set.
 *
 * A file is answered together with the files it imports, so that a client resolves every type from one answer. What is
 * not there is an ErrorResponse NOT_FOUND inside the stream, as the protocol wants it; the stream goes on.
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
    return notFound('extension', 'the contract has no extensions');
  }
  return refusal(Status.INVALID_ARGUMENT, 'cannot answer the request: it asks for nothing, wanted one message_request');
}

function extensionNumbers(contract: Contract, typeName: string): Answer {
  if (!contract.messages.has(typeName)) {
    return notFound(`type ${shown(typeName)}`, 'the contract does not declare it');
  }
  return { allExtensionNumbersResponse: { baseTypeName: typeName, extensionNumber: [] } };
}

function fileAnswer(contract: Contract, file: FileDescriptor | undefined, what: string): Answer {
  if (file === undefined) {
    return notFound(what, 'the contract does not declare it');
  }
  const needed = new Set<FileDescriptor>([file]);
  // A set grows while it is walked: imports of imports are reached too, each once.
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

function notFound(what: string, found: string): Answer {
  return refusal(Status.NOT_FOUND, `cannot find ${what}: ${found}, wanted a name that list_services leads to`);
}

function refusal(errorCode: number, errorMessage: string): Answer {
  return { errorResponse: { errorCode, errorMessage } };
}

function shown(name: string): string {
  return name.slice(0, MAX_NAME_LENGTH);
}
