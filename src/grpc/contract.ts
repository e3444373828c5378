/**
 * The protos as @grpc/proto-loader reads them: for who calls instead of serving (`pannier call`, tests), and the reference
 * that the generated codecs are held against. Serving does without it (service-table.ts).
 */
import { join } from 'node:path';
import { loadSync, type MethodDefinition, type PackageDefinition } from '@grpc/proto-loader';
import { assetRoot } from '../lib/assets.ts';

/** Where protos lie, relative to the root: ours, and published ones of others. */
export const PROTO_DIRECTORIES = ['proto', 'third_party'] as const;

export const PROTO_FILES = [
  'pannier/v1/rate_limit.proto',
  'pannier/v1/session.proto',
  'pannier/v1/cache.proto',
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
  'grpc/reflection/v1alpha/reflection.proto',
] as const;

/** Every service of the contract with its methods. */
export function loadContract(): PackageDefinition {
  return loadSync([...PROTO_FILES], {
    keepCase: false,
    longs: Number,
    defaults: true,
    arrays: true,
    objects: true,
    oneofs: false,
    includeDirs: PROTO_DIRECTORIES.map((directory) => join(assetRoot, directory)),
  });
}

type Methods = Readonly<Record<string, MethodDefinition<object, object>>>;

/** The methods of one service of `definition`; throws when it has no such service. */
export function methodsOf(definition: PackageDefinition, serviceName: string): Methods {
  const service = definition[serviceName];
  if (service === undefined || 'format' in service) {
    throw new Error(`cannot find ${serviceName}: the protos have no such service, wanted one of theirs`);
  }
  return service as Methods;
}
