/**
 * Tests the method table: the checks at start, the decoding of messages, and the order of interceptors.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { repositoryRoot } from '../../test/support/repository.ts';
import { loadContract, methodsOf } from './contract.ts';
import type { AnyMethod, CallContext, ResponseStream, UnaryMethod } from './method.ts';
import { createMethodTable, type Interceptor, type ServiceHandlers } from './service-table.ts';

const contract = loadContract();
const context = {} as CallContext;
const responses = {} as ResponseStream<unknown>;

/** Returns a service of the contract whose handlers return the request. */
function echoing(name: string): ServiceHandlers {
  const names = Object.keys(methodsOf(contract, name));
  return { name, handlers: Object.fromEntries(names.map((each) => [each, (request: unknown) => request])) };
}

function rowOf(service: string, method: string, interceptors: readonly Interceptor[] = []): AnyMethod {
  return createMethodTable([echoing(service)], interceptors).get(`/${service}/${method}`) as AnyMethod;
}

describe('starting', () => {
  test('creates an entry of the right kind for each method', () => {
    const table = createMethodTable(
      [echoing('pannier.v1.CacheService'), echoing('grpc.reflection.v1.ServerReflection')],
      [],
    );
    expect(table.get('/pannier.v1.CacheService/CacheGet')?.kind).toBe('unary');
    expect(table.get('/pannier.v1.CacheService/WatchInvalidations')?.kind).toBe('server_stream');
    expect(table.get('/grpc.reflection.v1.ServerReflection/ServerReflectionInfo')?.kind).toBe('bidi_stream');
    expect(table.size).toBe(Object.keys(methodsOf(contract, 'pannier.v1.CacheService')).length + 1);
  });

  test('fails if a method has no handler', () => {
    const { name, handlers } = echoing('pannier.v1.CacheService');
    const { CacheSet: _, ...rest } = handlers;
    expect(() => createMethodTable([{ name, handlers: rest }], [])).toThrow(
      'cannot serve pannier.v1.CacheService: method CacheSet has no handler; add one',
    );
  });

  test('fails if a handler has no method', () => {
    const { name, handlers } = echoing('grpc.health.v1.Health');
    expect(() => createMethodTable([{ name, handlers: { ...handlers, Chekc: () => ({}) } }], [])).toThrow(
      'cannot serve grpc.health.v1.Health: handler Chekc has no method in the proto; rename or remove it',
    );
  });

  test('fails if the protos do not declare the service', () => {
    for (const name of ['pannier.v1.UnknownService', 'pannier.v1.CheckRateLimitRequest']) {
      expect(() => createMethodTable([{ name, handlers: {} }], [])).toThrow(
        `cannot serve ${name}: the protos do not declare this service; declare it or remove its handlers`,
      );
    }
  });

  test('preserves `this` of handlers', () => {
    const handlers = {
      Check(this: object) {
        return { own: Object.keys(this) };
      },
      Watch: async () => {},
    };
    const table = createMethodTable([{ name: 'grpc.health.v1.Health', handlers }], []);
    const row = table.get('/grpc.health.v1.Health/Check') as UnaryMethod<object, object>;
    expect(row.handler({}, context)).toEqual({ own: ['Check', 'Watch'] });
  });
});

describe('decoded messages', () => {
  function decode(service: string, method: string, bytes: Buffer): Record<string, unknown> {
    return rowOf(`pannier.v1.${service}`, method).decode(bytes);
  }

  function encode(service: string, method: string, request: object): Buffer {
    return methodsOf(contract, `pannier.v1.${service}`)[method]?.requestSerialize(request) ?? Buffer.alloc(0);
  }

  test('an empty message has defaults, and no fields that are optional or in a oneof', () => {
    expect(decode('RateLimitService', 'CheckRateLimit', Buffer.alloc(0))).toEqual({
      policy: '',
      key: '',
      requestId: '',
      partial: false,
      reserve: false,
      limits: [],
      onFailure: 0,
      detail: false,
      peek: false,
    });
    expect(decode('RateLimitService', 'SettleRateLimit', Buffer.alloc(0))).toEqual({ reservationId: '' });
    expect(decode('SessionService', 'CreateSession', Buffer.alloc(0))).toEqual({
      userId: '',
      data: {},
      labels: {},
      sessionId: '',
    });
  });

  test('an optional field that is set to its default is present', () => {
    const bytes = encode('RateLimitService', 'CheckRateLimit', { cost: 0, maxDelayMs: 0 });
    expect(decode('RateLimitService', 'CheckRateLimit', bytes)).toMatchObject({ cost: 0, maxDelayMs: 0 });
    const settled = encode('RateLimitService', 'SettleRateLimit', { used: 0 });
    expect(decode('RateLimitService', 'SettleRateLimit', settled)).toMatchObject({ used: 0 });
  });

  test('bytes are Buffers, even if empty', () => {
    const key = Buffer.from([0, 0xff, 1]);
    const request = decode('CacheService', 'CacheSet', encode('CacheService', 'CacheSet', { key }));
    expect(Buffer.isBuffer(request.key) && (request.key as Buffer).equals(key)).toBe(true);
    expect(Buffer.isBuffer(request.value) && (request.value as Buffer).length === 0).toBe(true);
  });

  test('a map entry of bytes without a value is an empty Buffer', () => {
    const entryWithoutValue = Buffer.from([0x12, 3, 0x0a, 1, 0x61]);
    for (const [method, field] of [
      ['CreateSession', 'data'],
      ['UpdateSession', 'set'],
    ] as const) {
      const request = decode('SessionService', method, entryWithoutValue);
      expect(request[field]).toEqual({ a: Buffer.alloc(0) });
    }
    const rotate = decode('SessionService', 'RotateSession', Buffer.from([0x1a, 3, 0x0a, 1, 0x61]));
    expect(rotate.set).toEqual({ a: Buffer.alloc(0) });
  });

  test('a map accepts any key, such as __proto__', () => {
    const set = JSON.parse('{"__proto__": 1, "constructor": 1, "": 1}') as Record<string, unknown>;
    const pairs = Object.keys(set).map((name) => {
      const key = Buffer.from(name);
      return Buffer.concat([Buffer.from([0x12, key.length + 5, 0x0a, key.length]), key, Buffer.from([0x12, 1, 65])]);
    });
    const request = decode('SessionService', 'UpdateSession', Buffer.concat(pairs));
    expect(Object.keys(request.set as object).toSorted()).toEqual(['', '__proto__', 'constructor']);
  });

  test('an int64 up to 2^53 - 1 is exact, and a larger one stays larger', () => {
    const safe = Number.MAX_SAFE_INTEGER;
    function costOf(varint: bigint): unknown {
      const bytes = [0x18];
      let rest = BigInt.asUintN(64, varint);
      while (rest > 127n) {
        bytes.push(Number(rest & 127n) | 128);
        rest >>= 7n;
      }
      bytes.push(Number(rest));
      return decode('RateLimitService', 'CheckRateLimit', Buffer.from(bytes)).cost;
    }
    expect(costOf(BigInt(safe))).toBe(safe);
    expect(costOf(-BigInt(safe))).toBe(-safe);
    for (const large of [2n ** 53n, 2n ** 53n + 1n, 2n ** 62n, 2n ** 63n - 1n]) {
      expect(costOf(large)).toBeGreaterThan(safe);
    }
    expect(costOf(-(2n ** 63n))).toBeLessThan(-safe);
  });

  test('an unknown enum value keeps its number', () => {
    const request = decode('RateLimitService', 'CheckRateLimit', Buffer.from([0x48, 77]));
    expect(request.onFailure).toBe(77);
  });

  test('unknown fields are ignored, and malformed bytes throw', () => {
    expect(decode('CacheService', 'CacheGet', Buffer.from([0xfa, 0x7f, 2, 1, 2]))).toMatchObject({ namespace: '' });
    for (const bytes of [
      [0x12, 0xff, 0x7f],
      [0x0a],
      [0x07],
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    ]) {
      expect(() => decode('CacheService', 'CacheGet', Buffer.from(bytes))).toThrow();
    }
  });
});

describe('interceptors', () => {
  test('are called once per method, run in the given order, and keep a synchronous result synchronous', () => {
    const log: string[] = [];
    function logging(name: string): Interceptor {
      return (method, next) => {
        log.push(`wrap ${name} ${method.kind}`);
        return (request, callContext, stream) => {
          log.push(`> ${name}`);
          const answer = next(request, callContext, stream);
          log.push(`< ${name}`);
          return answer;
        };
      };
    }
    const row = rowOf('grpc.health.v1.Health', 'Check', [logging('outer'), logging('inner')]);
    expect(log.filter((line) => line.startsWith('wrap'))).toEqual([
      'wrap inner unary',
      'wrap outer unary',
      'wrap inner server_stream',
      'wrap outer server_stream',
    ]);
    log.length = 0;
    const request = { service: 'x' };
    expect((row as UnaryMethod<object, object>).handler(request, context)).toBe(request);
    expect(log).toEqual(['> outer', '> inner', '< inner', '< outer']);
  });

  test('pass the response stream on', () => {
    const handler = jest.fn();
    const handlers = { ...echoing('grpc.health.v1.Health').handlers, Watch: handler };
    const pass: Interceptor = (_method, next) => (request, callContext, stream) => next(request, callContext, stream);
    const table = createMethodTable([{ name: 'grpc.health.v1.Health', handlers }], [pass]);
    const row = table.get('/grpc.health.v1.Health/Watch') as { handler: (...args: unknown[]) => unknown };
    row.handler({ service: '' }, context, responses);
    expect(handler).toHaveBeenCalledWith({ service: '' }, context, responses);
  });
});

test('serving loads no protobuf library', () => {
  const program = `
    import { createRequire } from 'node:module';
    const modules = process.argv.slice(1);
    await Promise.all(modules.map((path) => import(path)));
    console.log(JSON.stringify(Object.keys(createRequire(modules[0]).cache)));
  `;
  function loadedWith(modules: readonly string[]): string[] {
    const paths = modules.map((path) => join(repositoryRoot, path));
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program, ...paths], {
      encoding: 'utf8',
      timeout: 25_000,
    });
    return (JSON.parse(output) as string[]).filter((path) =>
      /node_modules\/(protobufjs|@grpc\/proto-loader)\//.test(path),
    );
  }

  expect(loadedWith(['src/commands/serve.ts', 'src/grpc/http2/http2-transport.ts'])).toEqual([]);
  expect(loadedWith(['src/commands/call.ts']).length).toBeGreaterThan(0);
});
