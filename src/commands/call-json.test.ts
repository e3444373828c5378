/**
 * Proto JSON by the contract's descriptors: what is read, what is refused with which path, what is printed.
 */
import fc from 'fast-check';
import { loadContract, methodsOf } from '../grpc/contract.ts';
import { readContract } from '../grpc/descriptors.ts';
import { requestFromJson, responseToJson } from './call-json.ts';

const contract = readContract();

function read(value: unknown, message: string, asText = false): object {
  return requestFromJson(value, `pannier.v1.${message}`, { contract, asText });
}

describe('requests', () => {
  test('take camelCase and snake_case, enums by name and number, integers as numbers and digits', () => {
    const limit = { name: 'minute', algorithm: 'ALGORITHM_TOKEN_BUCKET', limit: '5', window_ms: 60_000 };
    const request = { key: 'ada', limits: [limit, { algorithm: 1, windowMs: '1000' }], onFailure: 2, detail: true };
    expect(read(request, 'CheckRateLimitRequest')).toEqual({
      message: {
        key: 'ada',
        limits: [
          { name: 'minute', algorithm: 4, limit: 5, windowMs: 60_000 },
          { algorithm: 1, windowMs: 1_000 },
        ],
        onFailure: 2,
        detail: true,
      },
      warnings: [],
    });
  });

  test('take null as unset', () => {
    expect(read({ key: null }, 'CacheGetRequest')).toEqual({ message: {}, warnings: [] });
  });

  test('take bytes as base64 of both alphabets, and as text', () => {
    expect(read({ keys: ['aGk=', 'aGk', '_-8='] }, 'CacheGetManyRequest')).toEqual({
      message: { keys: [Buffer.from('hi'), Buffer.from('hi'), Buffer.from([0xff, 0xef])] },
      warnings: [expect.stringContaining('keys[2]')],
    });
    expect(read({ key: 'grüße', ifVersion: 'base64:_-8=' }, 'CacheSetRequest', true)).toEqual({
      message: { key: Buffer.from('grüße'), ifVersion: Buffer.from([0xff, 0xef]) },
      warnings: [],
    });
    expect(read({ ifVersion: '' }, 'CacheSetRequest')).toEqual({
      message: { ifVersion: Buffer.alloc(0) },
      warnings: [],
    });
  });

  test.each([
    [{ key: 'product1' }, 'CacheGetRequest', 'key'],
    [{ keys: ['aGk=', 'greeting'] }, 'CacheGetManyRequest', 'keys[1]'],
    [{ data: { cart: 'test' } }, 'CreateSessionRequest', 'data["cart"]'],
    // A control character: the bytes are valid UTF-8, but nobody writes them as text.
    [{ key: 'AAAA' }, 'CacheGetRequest', 'key'],
  ])('warn of base64 that decodes to no text, with its path: %j', (value, message, path) => {
    expect(read(value, message)).toMatchObject({
      warnings: [`${path}: decodes from base64 to bytes that are not text; if the value is plain text, add --text`],
    });
    expect(read(value, message, true)).toMatchObject({ warnings: [] });
  });

  test('do not warn of base64 that decodes to text', () => {
    const text = Buffer.from('grüße,\n\tada').toString('base64');
    expect(read({ key: text, namespace: 'greeting' }, 'CacheGetRequest')).toMatchObject({ warnings: [] });
  });

  test('take maps, with any key', () => {
    const data = JSON.parse('{"__proto__": "aGk=", "": "aGk="}') as object;
    const answer = read({ data }, 'CreateSessionRequest') as { message: { data: object } };
    expect(Object.entries(answer.message.data)).toEqual([
      ['__proto__', Buffer.from('hi')],
      ['', Buffer.from('hi')],
    ]);
  });
});

describe('mistakes of a request', () => {
  test.each([
    [[], 'CacheGetRequest', 'the request: is an array, wanted an object'],
    [{ kye: 'x' }, 'CacheGetRequest', 'kye: CacheGetRequest has no such field, did you mean key?'],
    [
      { limits: [{ windowMS: 1 }] },
      'CheckRateLimitRequest',
      'limits[0].windowMS: Limit has no such field, did you mean windowMs?',
    ],
    [
      { zzzzzz: 1 },
      'ListUserSessionsRequest',
      'zzzzzz: ListUserSessionsRequest has no such field, wanted one of userId',
    ],
    [
      { userId: 'a', user_id: 'b' },
      'ListUserSessionsRequest',
      'user_id: is given twice (as userId and user_id), wanted once',
    ],
    [{ userId: 1 }, 'ListUserSessionsRequest', 'userId: is a number, wanted a string'],
    [{ fresh: 'true' }, 'CacheGetRequest', 'fresh: is a string, wanted true or false'],
    [
      { leaseMs: 2 ** 31 },
      'CacheGetRequest',
      'leaseMs: is 2147483648, wanted a whole number from -2147483647 to 2147483647',
    ],
    [{ leaseMs: 1.5 }, 'CacheGetRequest', 'leaseMs: is 1.5, wanted a whole number from -2147483647 to 2147483647'],
    [
      { ttlMs: '9007199254740993' },
      'CacheSetRequest',
      'ttlMs: is 9007199254740993, wanted a whole number from -9007199254740991 to 9007199254740991',
    ],
    [{ ttlMs: '1e3' }, 'CacheSetRequest', 'ttlMs: is a string, wanted a whole number'],
    [{ tags: 'x' }, 'CacheGetRequest', 'tags: is a string, wanted an array'],
    [{ tags: ['x', null] }, 'CacheGetRequest', 'tags[1]: is null, wanted a string'],
    [{ labels: { 'a.b': 1 } }, 'CreateSessionRequest', 'labels["a.b"]: is a number, wanted a string'],
    [{ labels: [] }, 'CreateSessionRequest', 'labels: is an array, wanted an object'],
    [
      { onFailure: 'FAILURE_MODE_DENNY' },
      'CheckRateLimitRequest',
      'onFailure: FailureMode has no value "FAILURE_MODE_DENNY", did you mean FAILURE_MODE_DENY?',
    ],
    [{ onFailure: true }, 'CheckRateLimitRequest', 'onFailure: is a boolean, wanted a name or number of FailureMode'],
    [{ key: 'hello' }, 'CacheGetRequest', 'key: is no base64, wanted base64, or --text and plain text'],
    [{ key: 5 }, 'CacheGetRequest', 'key: is a number, wanted a string of base64 (with --text: plain text)'],
  ])('%j of %s', (value, message, problem) => {
    expect(read(value, message)).toEqual({ problems: [problem] });
  });

  test('are all reported at once', () => {
    const answer = read({ namespace: 1, fresh: 2, kye: 3 }, 'CacheGetRequest') as { problems: string[] };
    expect(answer.problems.map((problem) => problem.split(':')[0])).toEqual(['namespace', 'fresh', 'kye']);
  });
});

describe('answers', () => {
  const { CacheGet, CheckRateLimit, CreateSession } = {
    ...methodsOf(loadContract(), 'pannier.v1.CacheService'),
    ...methodsOf(loadContract(), 'pannier.v1.RateLimitService'),
    ...methodsOf(loadContract(), 'pannier.v1.SessionService'),
  };

  function throughTheWire(method: typeof CacheGet, message: object, type: string, asText = false): object {
    const decoded = method?.responseDeserialize(method.responseSerialize(message)) as object;
    return responseToJson(decoded, `pannier.v1.${type}`, { contract, asText });
  }

  test('show every default and enums by name, an unknown one as its number', () => {
    const json = throughTheWire(CheckRateLimit, { limit: 2 ** 53 - 1, decidedBy: 77 }, 'CheckRateLimitResponse');
    expect(json).toMatchObject({ allowed: false, limitName: '', limit: 2 ** 53 - 1, decidedBy: 77, limits: [] });
    expect(throughTheWire(CheckRateLimit, { decidedBy: 4 }, 'CheckRateLimitResponse')).toMatchObject({
      decidedBy: 'DECIDED_BY_FAILURE_MODE',
    });
  });

  test('leave out a message that is unset, and show a map', () => {
    expect(throughTheWire(CreateSession, {}, 'CreateSessionResponse')).toEqual({});
    const session = { data: { a: Buffer.from('hi') } };
    expect(throughTheWire(CreateSession, { session }, 'CreateSessionResponse')).toMatchObject({
      session: { data: { a: 'aGk=' } },
    });
  });

  test('give back any bytes when they are sent again, with and without text', () => {
    const prefixed = fc.string({ unit: 'binary' }).map((text) => Buffer.from(`base64:${text}`));
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
      prefixed,
    );
    fc.assert(
      fc.property(bytes, fc.boolean(), (value, asText) => {
        const printed = throughTheWire(CacheGet, { value: Buffer.from(value) }, 'CacheGetResponse', asText);
        const again = read({ value: (printed as { value: string }).value }, 'CacheSetRequest', asText);
        expect(again).toMatchObject({ message: { value: Buffer.from(value) } });
      }),
      { numRuns: 300 },
    );
  });
});
