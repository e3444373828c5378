/**
 * Implements a client of gRPC server reflection. The client lists services, fetches files, and resolves types from
 * these files only.
 */
import { join } from 'node:path';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import type { ServerReflectionRequest } from '../../../src/grpc/generated/grpc/reflection/v1/ServerReflectionRequest.ts';
import type { ServerReflectionResponseOutput } from '../../../src/grpc/generated/grpc/reflection/v1/ServerReflectionResponse.ts';
import { repositoryRoot } from '../repository.ts';
import { waitFor } from '../wait.ts';
import type { RawClient } from './raw-client.ts';

export type ReflectionVersion = 'v1' | 'v1alpha';

const definition = loadSync(['grpc/reflection/v1/reflection.proto', 'grpc/reflection/v1alpha/reflection.proto'], {
  includeDirs: [join(repositoryRoot, 'third_party')],
});

export interface ReflectionClient {
  /** Sends a request on the stream of the client, and returns its response. */
  ask(request: ServerReflectionRequest): Promise<ServerReflectionResponseOutput>;
  services(): Promise<string[]>;
  /** Returns serialized FileDescriptorProtos: the file that declares the symbol, and all files that it imports. */
  filesOf(symbol: string): Promise<Buffer[]>;
  /** Ends the stream, and resolves to the status code of the stream. */
  end(): Promise<number>;
}

export function openReflection(client: RawClient, version: ReflectionVersion): ReflectionClient {
  const service = definition[`grpc.reflection.${version}.ServerReflection`] as unknown as Record<
    string,
    MethodDefinition<object, object>
  >;
  const method = service.ServerReflectionInfo as MethodDefinition<object, object>;
  const stream = client.bidi(method.path);
  let asked = 0;

  async function ask(request: ServerReflectionRequest): Promise<ServerReflectionResponseOutput> {
    const index = asked;
    asked += 1;
    stream.call.write(method.requestSerialize(request));
    const bytes = await waitFor('a response of reflection', () => stream.messages[index]);
    return method.responseDeserialize(bytes) as ServerReflectionResponseOutput;
  }

  return {
    ask,
    services: async () => {
      const answer = await ask({ listServices: '' });
      return (answer.listServicesResponse?.service ?? []).map((each) => each.name);
    },
    filesOf: async (symbol) => {
      const answer = await ask({ fileContainingSymbol: symbol });
      return (answer.fileDescriptorResponse?.fileDescriptorProto ?? []).map((bytes) => Buffer.from(bytes));
    },
    end: async () => {
      stream.call.end();
      return (await stream.ended).code;
    },
  };
}

/** Resolves all types and fields, and returns each method with its `<request type> -> <response type>`. */
export function resolveMethods(files: readonly Buffer[]): Map<string, string> {
  const set = protobuf.Root as unknown as { fromDescriptor(set: protobuf.Message): protobuf.Root };
  const protos = files.map((bytes) => descriptor.FileDescriptorProto.decode(bytes));
  const root = set.fromDescriptor(descriptor.FileDescriptorSet.create({ file: protos }));
  root.resolveAll();
  const methods = new Map<string, string>();
  walk(root, (service) => {
    for (const method of service.methodsArray) {
      method.resolve();
      const request = method.resolvedRequestType?.fullName.slice(1);
      const response = method.resolvedResponseType?.fullName.slice(1);
      methods.set(`${service.fullName.slice(1)}/${method.name}`, `${request} -> ${response}`);
    }
  });
  return methods;
}

function walk(namespace: protobuf.NamespaceBase, visit: (service: protobuf.Service) => void): void {
  if (namespace instanceof protobuf.Service) {
    visit(namespace);
  }
  for (const nested of namespace.nestedArray) {
    if (nested instanceof protobuf.Type) {
      for (const field of nested.fieldsArray) {
        // This call throws if the message or enum type of the field is unknown.
        field.resolve();
      }
    }
    if (nested instanceof protobuf.Namespace) {
      walk(nested, visit);
    }
  }
}
