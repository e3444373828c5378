/**
 * Tests how Redis URLs are parsed, and that errors name the invalid part but never reveal the user or the password.
 */
import fc from 'fast-check';
import { loadSettings } from '../config/load.ts';
import { parseRedisUrl, readRedisUrl } from './redis-url.ts';

const NO_LOGIN = { username: undefined, password: undefined };

describe('servers', () => {
  test.each([
    ['redis://h', [{ host: 'h', port: 6379 }], false],
    ['redis://h:7000', [{ host: 'h', port: 7000 }], false],
    ['rediss://h:7000/', [{ host: 'h', port: 7000 }], true],
    ['redis://h/0', [{ host: 'h', port: 6379 }], false],
    ['redis://[::1]:7000', [{ host: '::1', port: 7000 }], false],
    [
      'redis://a, redis://b_c:1 ',
      [
        { host: 'a', port: 6379 },
        { host: 'b_c', port: 1 },
      ],
      false,
    ],
    ['REDIS://h', [{ host: 'h', port: 6379 }], false],
  ])('parses %s', (text, hosts, isTls) => {
    expect(parseRedisUrl(text)).toEqual({ hosts, isTls, masterName: undefined, ...NO_LOGIN });
  });

  test.each([
    ['redis://me:p%40ss%3A@h', { username: 'me', password: 'p@ss:' }],
    ['redis://:only@h', { username: undefined, password: 'only' }],
    ['redis://a,redis://me:second@b', { username: 'me', password: 'second' }],
    ['redis://me:with@and:in@h', { username: 'me', password: 'with@and:in' }],
  ])('parses the login of %s', (text, login) => {
    expect(parseRedisUrl(text)).toMatchObject(login);
  });
});

describe('Sentinels', () => {
  test.each([
    ['redis+sentinel://a/main', ['a:26379'], false],
    ['redis+sentinel://a,b:1,[::1]/main', ['a:26379', 'b:1', '::1:26379'], false],
    ['rediss+sentinel://a , b/main.2-x_y', ['a:26379', 'b:26379'], true],
  ])('parses %s', (text, hosts, isTls) => {
    const target = parseRedisUrl(text);
    expect(target.hosts.map(({ host, port }) => `${host}:${port}`)).toEqual(hosts);
    expect(target).toMatchObject({ isTls, ...NO_LOGIN });
    expect(target.masterName).toMatch(/^main/);
  });

  test('parses a login with commas', () => {
    const target = parseRedisUrl('redis+sentinel://me:a,b%2Cc@h1,h2/main');
    expect(target).toMatchObject({ username: 'me', password: 'a,b,c', masterName: 'main' });
    expect(target.hosts).toHaveLength(2);
  });
});

const SCHEMES = 'must be redis://, rediss://, redis+sentinel:// or rediss+sentinel://';
const HOST = 'must be a host name, an IPv4 address or an IPv6 address in brackets';
const PORT = 'must be a number from 1 to 65535';
const NAME = 'the master name must be 1 to 128 characters of [A-Za-z0-9._-] behind the hosts';

const WRONG: [string, string][] = [
  ['', `the scheme ${SCHEMES}`],
  ['h:6379', `the scheme ${SCHEMES}`],
  ['alice:hunter2@h:6379', `the scheme ${SCHEMES}`],
  ['http://alice:hunter2@h', `the scheme ${SCHEMES}, got http://`],
  ['redis:alice:hunter2@h', `the scheme ${SCHEMES}`],
  ['redis://alice:hunter2@h,alice:hunter2@i', `scheme 2 ${SCHEMES} (write a comma in a password as %2C)`],
  ['redis://alice:hunter2,hunter2@h', `scheme 2 ${SCHEMES} (write a comma in a password as %2C)`],
  ['redis://alice:hunter2@h,rediss://i', 'the scheme must be the same in all URLs, redis:// or rediss://'],
  [
    'redis://alice:hunter2@h,redis+sentinel://i/main',
    'scheme 2 must be redis:// or rediss:// like that of the first URL',
  ],
  ['redis://alice:hunter2@', `the host ${HOST}, got nothing`],
  ['redis://alice:hunter2@:6379', `the host ${HOST}, got nothing`],
  ['redis:///', `the host ${HOST}, got nothing`],
  ['redis://alice:hunter2@h i', `the host ${HOST}`],
  ['redis://alice:hunter2@::1:6379', `the host ${HOST}`],
  ['redis://alice:hunter2@[::x]:6379', `the host ${HOST}`],
  ['redis://alice:hunter2@h,redis://i!', `host 2 ${HOST}`],
  ['redis://h:70000', `the port ${PORT}, got 70000`],
  ['redis://alice:hunter2@h:70000', `the port ${PORT}, got 70000`],
  ['redis://alice:hunter2@h:0', `the port ${PORT}, got 0`],
  ['redis://alice:hunter2@h:', `the port ${PORT}`],
  ['redis://alice:hunter2', `the port ${PORT}`],
  ['redis://alice@h:hunter2', `the port ${PORT}`],
  ['redis://alice:hunter2@h,redis://i:70000', `port 2 ${PORT}, got 70000`],
  ['redis://localhost/1', 'the database number must be 0 or absent (a Cluster has only database 0), got 1'],
  ['redis://alice:hunter2@h/1', 'the database number must be 0 or absent (a Cluster has only database 0), got 1'],
  ['redis://alice:hunter2@h/hunter2', 'the database number must be 0 or absent (a Cluster has only database 0)'],
  ['redis://alice:hunter2@h?db=1', 'the query must be absent: nothing may follow a ?'],
  ['redis://alice:hunter2@h#1', 'the fragment must be absent: nothing may follow a #'],
  ['redis://alice:hunter2%off@h', 'the user and the password must be percent-encoded: write % as %25'],
  ['redis://ali%ce:hunter2@h', 'the user and the password must be percent-encoded: write % as %25'],
  ['redis://alice:12/hunter2@h', 'the user and the password must be percent-encoded: write / as %2F'],
  ['redis://alice:12?hunter2@h', 'the user and the password must be percent-encoded: write / as %2F'],
  ['redis://alice:12#hunter2@h', 'the user and the password must be percent-encoded: write / as %2F'],
  ['redis+sentinel://alice:hunter2@h:26379', `${NAME}, as in redis+sentinel://HOST:26379/NAME, got nothing`],
  ['redis+sentinel://alice:hunter2@h/', `${NAME}, as in redis+sentinel://HOST:26379/NAME, got nothing`],
  ['redis+sentinel://alice:hunter2@h/main/1', NAME],
  ['redis+sentinel://alice:hunter2@h/my%20main', NAME],
  ['redis+sentinel://alice:hunter2@h/main?db=1', 'the query must be absent'],
  ['redis+sentinel://alice:hunter2@h,/main', `host 2 ${HOST}, got nothing`],
  ['redis+sentinel://alice:hunter2@h,i:70000/main', `port 2 ${PORT}, got 70000`],
  ['redis+sentinel://alice:hunter2@h,i,H:26379/main', 'the Sentinels must be distinct: hosts 1 and 3 are the same'],
  [
    'redis+sentinel://alice:hunter2@h/main,redis+sentinel://i/main',
    'the Sentinels must be in one URL, redis+sentinel://HOST:26379,HOST:26379/NAME',
  ],
  [
    `redis+sentinel://alice:hunter2@${Array.from({ length: 33 }, (_, index) => `h${index}`).join()}/main`,
    'the number of Sentinels must be at most 32, got 33',
  ],
];

describe.each(['PANNIER_REDIS_URL', 'PANNIER_CACHE_REDIS_URL'])('%s', (setting) => {
  // The sidecar treats an empty variable as unset.
  test.each(WRONG.filter(([text]) => text !== ''))(
    'rejects %j and names the invalid part without the login',
    (text, start) => {
      const result = loadSettings({ PANNIER_REDIS_URL: 'redis://h', [setting]: text });
      const messages = 'problems' in result ? result.problems.map(({ message }) => message) : [];
      expect(messages).toEqual([expect.stringContaining(`${setting}: ${start}`)]);
      expect(messages.join()).not.toMatch(/alice|hunter2/);
    },
  );
});

test.each(WRONG)('throws for %j', (text, start) => {
  expect(() => parseRedisUrl(text)).toThrow(`cannot read a Redis URL: ${start}`);
});

const secret = fc.string({ minLength: 6, maxLength: 12, unit: fc.constantFrom(...'JQX89JQX89:/?#@,%[].+-') });
const pieces = fc.array(
  fc.constantFrom(
    ...['redis://', 'rediss://', 'redis+sentinel://', 'http://', '@', ':', ',', '/', '?', '#', '%'],
    ...['h', '[::1]', '70000', '/1', '/main'],
  ),
  { maxLength: 6 },
);

test('does not quote a scheme after a comma in a password', () => {
  expect(readRedisUrl('redis://JJJJJJ:,J99://JJ@')).toEqual({ problem: expect.not.stringContaining('99') });
});

// No two of these characters are adjacent in any other part of a URL or of a problem.
test('never quotes a part of a login in random URLs', () => {
  let refused = 0;
  fc.assert(
    fc.property(pieces, secret, secret, pieces, (before, username, password, after) => {
      const reading = readRedisUrl(`${before.join('')}${username}:${password}@${after.join('')}`);
      if ('problem' in reading) {
        refused += 1;
        expect(reading.problem).not.toMatch(/[JQX89]{2}/);
      }
    }),
    { numRuns: 5_000 },
  );
  expect(refused).toBeGreaterThan(1_000);
});
