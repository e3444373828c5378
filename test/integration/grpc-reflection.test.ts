/**
 * Tests the reflection service and the health service of the built program with clients that are configured only with
 * its address.
 *
 * If PANNIER_TEST_GRPCURL contains the path of grpcurl, the test runs grpcurl too.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { MethodDefinition } from '@grpc/proto-loader';
import { loadContract, methodsOf } from '../../src/grpc/contract.ts';
import { Status } from '../../src/grpc/status.ts';
import { connectRaw, type RawClient } from '../support/grpc/raw-client.ts';
import { openReflection, resolveMethods } from '../support/grpc/reflection-client.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

const SERVICES = [
  'grpc.health.v1.Health',
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
  'pannier.v1.CacheService',
  'pannier.v1.RateLimitService',
  'pannier.v1.SessionService',
];
const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

const contract = loadContract();
let sidecar: Sidecar;
let client: RawClient;

beforeAll(async () => {
  sidecar = await startSidecar();
  client = connectRaw(sidecar.address);
});

afterAll(async () => {
  client?.close();
  await sidecar?.stop();
});

describe.each(['v1', 'v1alpha'] as const)('reflection %s', (version) => {
  test('lists every service', async () => {
    const reflection = openReflection(client, version);
    expect((await reflection.services()).toSorted()).toEqual(SERVICES);
    expect(await reflection.end()).toBe(Status.OK);
  });

  test('lets a client resolve every type of every service', async () => {
    const reflection = openReflection(client, version);
    const found = new Map<string, string>();
    for (const service of await reflection.services()) {
      for (const [method, types] of resolveMethods(await reflection.filesOf(service))) {
        found.set(method, types);
      }
    }
    await reflection.end();
    const declared = SERVICES.flatMap((service) =>
      Object.keys(methodsOf(contract, service)).map((method) => `${service}/${method}`),
    );
    expect([...found.keys()].toSorted()).toEqual(declared.toSorted());
    expect(found.get('pannier.v1.RateLimitService/CheckRateLimit')).toBe(
      'pannier.v1.CheckRateLimitRequest -> pannier.v1.CheckRateLimitResponse',
    );
  });

  test('finds a file by its name and by any of its symbols', async () => {
    const reflection = openReflection(client, version);
    const byName = await reflection.ask({ fileByFilename: 'pannier/v1/rate_limit.proto' });
    const [file] = byName.fileDescriptorResponse?.fileDescriptorProto ?? [];
    expect(Buffer.from(file ?? '').includes('CheckRateLimitRequest')).toBe(true);
    const symbols = [
      'pannier.v1.RateLimitService',
      'pannier.v1.RateLimitService.CheckRateLimit',
      'pannier.v1.CheckRateLimitRequest',
      'pannier.v1.CheckRateLimitRequest.policy',
      'pannier.v1.Algorithm',
      'pannier.v1.ALGORITHM_TOKEN_BUCKET',
    ];
    for (const symbol of symbols) {
      expect((await reflection.filesOf(symbol))[0]?.equals(Buffer.from(file ?? ''))).toBe(true);
    }
    await reflection.end();
  });

  test('returns an error response for an unknown name, and continues the stream', async () => {
    const reflection = openReflection(client, version);
    const requests = [
      { fileByFilename: 'nowhere.proto' },
      { fileContainingSymbol: 'pannier.v1.Nothing' },
      { fileContainingSymbol: '' },
      { fileContainingExtension: { containingType: 'pannier.v1.Limit', extensionNumber: 7 } },
      { allExtensionNumbersOfType: 'pannier.v1.Nothing' },
    ];
    for (const request of requests) {
      const answer = await reflection.ask({ host: 'localhost', ...request });
      expect(answer.errorResponse?.errorCode).toBe(Status.NOT_FOUND);
      expect(answer.validHost).toBe('localhost');
    }
    const nothing = await reflection.ask({});
    expect(nothing.errorResponse?.errorCode).toBe(Status.INVALID_ARGUMENT);
    const none = await reflection.ask({ allExtensionNumbersOfType: 'pannier.v1.Limit' });
    expect(none.allExtensionNumbersResponse).toMatchObject({ baseTypeName: 'pannier.v1.Limit' });
    expect((await reflection.services()).length).toBe(SERVICES.length);
    expect(await reflection.end()).toBe(Status.OK);
  });
});

describe('health', () => {
  const methods = methodsOf(contract, 'grpc.health.v1.Health');
  const check = methods.Check as MethodDefinition<object, object>;
  const watch = methods.Watch as MethodDefinition<object, object>;

  function request(service: string): Buffer {
    return check.requestSerialize({ service });
  }

  function statusIn(bytes: Buffer | undefined): unknown {
    return (check.responseDeserialize(bytes as Buffer) as { status: unknown }).status;
  }

  test.each(['', ...SERVICES])('Check returns SERVING for %p', async (service) => {
    const answer = await client.unary(check.path, request(service));
    expect(answer.code).toBe(Status.OK);
    expect(statusIn(answer.bytes)).toBe(SERVING);
  });

  test('Check ends with NOT_FOUND for an unknown service', async () => {
    const answer = await client.unary(check.path, request('pannier.v1.UnknownService'));
    expect(answer.code).toBe(Status.NOT_FOUND);
  });

  test('Watch sends the status at once, and SERVICE_UNKNOWN for an unknown service', async () => {
    const known = client.serverStream(watch.path, request('pannier.v1.CacheService'));
    const unknown = client.serverStream(watch.path, request('pannier.v1.UnknownService'));
    await waitFor('both statuses', () => known.messages.length > 0 && unknown.messages.length > 0);
    expect(statusIn(known.messages[0])).toBe(SERVING);
    expect(statusIn(unknown.messages[0])).toBe(SERVICE_UNKNOWN);
    for (const stream of [known, unknown]) {
      stream.call.cancel();
      expect((await stream.ended).code).toBe(Status.CANCELLED);
    }
  });

  test('Watch sends NOT_SERVING when the sidecar stops, and ends', async () => {
    const other = await startSidecar();
    const watcher = connectRaw(other.address);
    const stream = watcher.serverStream(watch.path, request(''));
    await waitFor('the first status', () => stream.messages.length === 1);
    expect(await other.stop()).toBe(0);
    expect((await stream.ended).code).toBe(Status.UNAVAILABLE);
    expect(stream.messages.map(statusIn)).toEqual([SERVING, NOT_SERVING]);
    watcher.close();
  });
});

/** This test passes even if grpcurl is missing, because the clients above send the same requests. */
test('grpcurl lists, describes and calls services if PANNIER_TEST_GRPCURL is set', async () => {
  const grpcurl = process.env.PANNIER_TEST_GRPCURL;
  if (grpcurl === undefined || grpcurl === '') {
    return;
  }
  const run = promisify(execFile);
  const target = ['-plaintext', '-max-time', '10'];
  const listed = await run(grpcurl, [...target, sidecar.address, 'list']);
  expect(listed.stdout.trim().split('\n').toSorted()).toEqual(SERVICES);
  for (const service of SERVICES) {
    const described = await run(grpcurl, [...target, sidecar.address, 'describe', service]);
    for (const method of Object.keys(methodsOf(contract, service))) {
      expect(described.stdout).toContain(`rpc ${method} (`);
    }
  }
  const limits = [{ name: 'minute', algorithm: 'ALGORITHM_FIXED_WINDOW', limit: 5, windowMs: 60_000 }];
  const data = JSON.stringify({ key: 'grpcurl', limits });
  const called = await run(grpcurl, [
    ...target,
    '-d',
    data,
    sidecar.address,
    'pannier.v1.RateLimitService/CheckRateLimit',
  ]);
  expect(JSON.parse(called.stdout)).toMatchObject({ allowed: true });
});
