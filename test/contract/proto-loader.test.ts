/**
 * Tests that each option of @grpc/proto-loader has the effect on responses that docs/clients.md describes.
 */
import { join } from 'node:path';
import { loadSync, type MethodDefinition, type Options } from '@grpc/proto-loader';
import { repositoryRoot } from '../support/repository.ts';

/** Options that docs/clients.md recommends. */
const OPTIONS = { longs: Number, enums: String, defaults: true } as const;

function checkRateLimit(options: Options): MethodDefinition<object, object> {
  const files = ['pannier/v1/rate_limit.proto'];
  const definition = loadSync(files, { includeDirs: [join(repositoryRoot, 'proto')], ...options });
  const service = definition['pannier.v1.RateLimitService'] as Record<string, MethodDefinition<object, object>>;
  return service.CheckRateLimit as MethodDefinition<object, object>;
}

/** Returns the response to a denied check as a client with these options decodes it. */
function readDenial(options: Options): object {
  const bytes = checkRateLimit(OPTIONS).responseSerialize({ decidedBy: 'DECIDED_BY_STORE', windowMs: 4 });
  return checkRateLimit(options).responseDeserialize(bytes);
}

test('the recommended options return numbers, names of enum values and false', () => {
  expect(readDenial(OPTIONS)).toMatchObject({ windowMs: 4, decidedBy: 'DECIDED_BY_STORE', allowed: false });
});

test('without longs, returns an int64 as an object', () => {
  const { longs: _, ...others } = OPTIONS;
  expect(readDenial(others)).toMatchObject({ windowMs: { low: 4, high: 0, unsigned: false } });
});

test('without enums, returns an enum as a number', () => {
  const { enums: _, ...others } = OPTIONS;
  expect(readDenial(others)).toMatchObject({ decidedBy: 1 });
});

test('without defaults, omits a field that has its default', () => {
  const { defaults: _, ...others } = OPTIONS;
  expect(readDenial(others)).not.toHaveProperty('allowed');
});

test('with keepCase, keeps the field names of the protos', () => {
  expect(readDenial({ ...OPTIONS, keepCase: true })).toMatchObject({ window_ms: 4 });
});

test('decodes a string in a bytes field as base64, and ignores a field that does not exist', () => {
  const { requestSerialize } = checkRateLimit(OPTIONS);
  expect(requestSerialize({ key: 'ada', cots: 3 })).toEqual(requestSerialize({ key: 'ada' }));
  const definition = loadSync('pannier/v1/cache.proto', { includeDirs: [join(repositoryRoot, 'proto')], ...OPTIONS });
  const { CacheGet } = definition['pannier.v1.CacheService'] as Record<string, MethodDefinition<object, object>>;
  expect(CacheGet?.requestDeserialize(CacheGet.requestSerialize({ key: 'product1' }))).toMatchObject({
    key: Buffer.from('product1', 'base64'),
  });
});
