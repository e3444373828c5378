/**
 * Loads the protos with @grpc/proto-loader, for `pannier call`, benchmarks and tests.
 *
 * Invariant: the sidecar can serve calls without this module, because service-table.ts uses generated codecs.
 */
import { join } from 'node:path';
import { loadSync, type MethodDefinition, type PackageDefinition } from '@grpc/proto-loader';
import { assetRoot } from '../lib/assets.ts';

/** Directories of our protos and of third-party protos, relative to the root of the repository. */
export const PROTO_DIRECTORIES = ['proto', 'third_party'] as const;

export const PROTO_FILES = [
  'pannier/v1/rate_limit.proto',
  'pannier/v1/session.proto',
  'pannier/v1/cache.proto',
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
  'grpc/reflection/v1alpha/reflection.proto',
] as const;

/** Loads every service of the contract with its methods. */
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

/** Returns the methods of one service of `definition`. Throws if `definition` does not contain the service. */
export function methodsOf(definition: PackageDefinition, serviceName: string): Methods {
  const service = definition[serviceName];
  if (service === undefined || 'format' in service) {
    throw new Error(
      `cannot find ${serviceName}: the protos do not declare this service; use one of proto/ or third_party/`,
    );
  }
  return service as Methods;
}
