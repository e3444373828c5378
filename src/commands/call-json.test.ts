/**
 * Tests the conversion of proto JSON: accepted requests, rejected requests with the path of each error, and printed
 * responses.
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
  test('accept camelCase and snake_case keys, enums by name and number, integers as numbers and digits', () => {
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

  test('treat null as unset', () => {
    expect(read({ key: null }, 'CacheGetRequest')).toEqual({ message: {}, warnings: [] });
  });

  test('accept bytes as base64 of both alphabets, or as text', () => {
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
    // The bytes are valid UTF-8 but contain control characters, which are rare in plain text.
    [{ key: 'AAAA' }, 'CacheGetRequest', 'key'],
  ])('warn with the path of base64 that does not decode to text: %j', (value, message, path) => {
    expect(read(value, message)).toMatchObject({
      warnings: [`${path} decodes from base64 to bytes that are not text; if the value is plain text, add --text`],
    });
    expect(read(value, message, true)).toMatchObject({ warnings: [] });
  });

  test('do not warn about base64 that decodes to text', () => {
    const text = Buffer.from('grüße,\n\tada').toString('base64');
    expect(read({ key: text, namespace: 'greeting' }, 'CacheGetRequest')).toMatchObject({ warnings: [] });
  });

  test('accept maps with any key', () => {
    const data = JSON.parse('{"__proto__": "aGk=", "": "aGk="}') as object;
    const answer = read({ data }, 'CreateSessionRequest') as { message: { data: object } };
    expect(Object.entries(answer.message.data)).toEqual([
      ['__proto__', Buffer.from('hi')],
      ['', Buffer.from('hi')],
    ]);
  });
});

describe('errors of a request', () => {
  test.each([
    [[], 'CacheGetRequest', 'the request must be an object, got an array'],
    [{ kye: 'x' }, 'CacheGetRequest', 'unknown field "kye" in CacheGetRequest; did you mean "key"?'],
    [
      { limits: [{ windowMS: 1 }] },
      'CheckRateLimitRequest',
      'unknown field "windowMS" in limits[0] (Limit); did you mean "windowMs"?',
    ],
    [{ zzzzzz: 1 }, 'ListUserSessionsRequest', 'unknown field "zzzzzz" in ListUserSessionsRequest; must be userId'],
    [{ userId: 'a', user_id: 'b' }, 'ListUserSessionsRequest', 'user_id must be set once, got both userId and user_id'],
    [{ userId: 1 }, 'ListUserSessionsRequest', 'userId must be a string, got a number'],
    [{ fresh: 'true' }, 'CacheGetRequest', 'fresh must be true or false, got a string'],
    [
      { leaseMs: 2 ** 31 },
      'CacheGetRequest',
      'leaseMs must be an integer from -2147483647 to 2147483647, got 2147483648',
    ],
    [{ leaseMs: 1.5 }, 'CacheGetRequest', 'leaseMs must be an integer from -2147483647 to 2147483647, got 1.5'],
    [
      { ttlMs: '9007199254740993' },
      'CacheSetRequest',
      'ttlMs must be an integer from -9007199254740991 to 9007199254740991, got 9007199254740993',
    ],
    [{ ttlMs: '1e3' }, 'CacheSetRequest', 'ttlMs must be an integer, got a string'],
    [{ tags: 'x' }, 'CacheGetRequest', 'tags must be an array, got a string'],
    [{ tags: ['x', null] }, 'CacheGetRequest', 'tags[1] must be a string, got null'],
    [{ labels: { 'a.b': 1 } }, 'CreateSessionRequest', 'labels["a.b"] must be a string, got a number'],
    [{ labels: [] }, 'CreateSessionRequest', 'labels must be an object, got an array'],
    [
      { onFailure: 'FAILURE_MODE_DENNY' },
      'CheckRateLimitRequest',
      'onFailure must be a value of FailureMode, got "FAILURE_MODE_DENNY"; did you mean "FAILURE_MODE_DENY"?',
    ],
    [
      { limits: [{ algorithm: 'token_bucket' }] },
      'CheckRateLimitRequest',
      'limits[0].algorithm must be a value of Algorithm, got "token_bucket"; did you mean "ALGORITHM_TOKEN_BUCKET"?',
    ],
    [{ onFailure: true }, 'CheckRateLimitRequest', 'onFailure must be a name or number of FailureMode, got a boolean'],
    [{ key: 'hello' }, 'CacheGetRequest', 'key must be base64 (or plain text with --text), got other text'],
    [{ key: 5 }, 'CacheGetRequest', 'key must be a base64 string (or plain text with --text), got a number'],
  ])('report %j of %s with its path', (value, message, problem) => {
    expect(read(value, message)).toEqual({ problems: [problem] });
  });

  test('are all reported at once', () => {
    const answer = read({ namespace: 1, fresh: 2, kye: 3 }, 'CacheGetRequest') as { problems: string[] };
    expect(answer.problems).toEqual([
      'namespace must be a string, got a number',
      'fresh must be true or false, got a number',
      'unknown field "kye" in CacheGetRequest; did you mean "key"?',
    ]);
  });
});

describe('responses', () => {
  const { CacheGet, CheckRateLimit, CreateSession } = {
    ...methodsOf(loadContract(), 'pannier.v1.CacheService'),
    ...methodsOf(loadContract(), 'pannier.v1.RateLimitService'),
    ...methodsOf(loadContract(), 'pannier.v1.SessionService'),
  };

  function throughTheWire(method: typeof CacheGet, message: object, type: string, asText = false): object {
    const decoded = method?.responseDeserialize(method.responseSerialize(message)) as object;
    return responseToJson(decoded, `pannier.v1.${type}`, { contract, asText });
  }

  test('show every default, enums by name, and an unknown enum as its number', () => {
    const json = throughTheWire(CheckRateLimit, { limit: 2 ** 53 - 1, decidedBy: 77 }, 'CheckRateLimitResponse');
    expect(json).toMatchObject({ allowed: false, limitName: '', limit: 2 ** 53 - 1, decidedBy: 77, limits: [] });
    expect(throughTheWire(CheckRateLimit, { decidedBy: 4 }, 'CheckRateLimitResponse')).toMatchObject({
      decidedBy: 'DECIDED_BY_FAILURE_MODE',
    });
  });

  test('omit an unset message, and show a map', () => {
    expect(throughTheWire(CreateSession, {}, 'CreateSessionResponse')).toEqual({});
    const session = { data: { a: Buffer.from('hi') } };
    expect(throughTheWire(CreateSession, { session }, 'CreateSessionResponse')).toMatchObject({
      session: { data: { a: 'aGk=' } },
    });
  });

  test('round-trip any bytes, with and without text', () => {
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
