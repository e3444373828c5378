/**
 * Seeds as operators write them, and addresses as Redis writes them.
 */
import { addressText, parseAddressText, parseSeed } from './address.ts';

describe('parseSeed', () => {
  test.each([
    ['redis://h', { host: 'h', port: 6379, isTls: false }],
    ['redis://h:7000', { host: 'h', port: 7000, isTls: false }],
    ['rediss://h:7000/', { host: 'h', port: 7000, isTls: true }],
    ['redis://h/0', { host: 'h', port: 6379, isTls: false }],
    ['redis://[::1]:7000', { host: '::1', port: 7000, isTls: false }],
  ])('%s', (text, wanted) => {
    expect(parseSeed(text)).toEqual({ ...wanted, username: undefined, password: undefined });
  });

  test('user and password, with escapes', () => {
    expect(parseSeed('redis://me:p%40ss%3A@h')).toMatchObject({ username: 'me', password: 'p@ss:' });
    expect(parseSeed('redis://:only@h')).toMatchObject({ username: undefined, password: 'only' });
  });

  test.each([
    ['', 'it is no URL'],
    ['h:6379', 'its scheme is h://'],
    ['http://user:hunter2@h', 'its scheme is http://'],
    ['redis://user:hunter2@h:99999', 'it is no URL'],
    ['redis://user:hunter2@h/1', 'it selects a database'],
    ['redis:///', 'it names no host'],
    ['redis://user:hunter2%off@h', 'its user or password holds a % that begins no escape'],
    ['redis://user:hunter2@h?db=1', 'it has a query'],
  ])('%j is refused, without its password in the text', (text, found) => {
    expect(() => parseSeed(text)).toThrow(found);
    expect(() => parseSeed(text)).not.toThrow(/hunter2/);
  });
});

describe('addresses', () => {
  test.each([
    ['10.0.0.1:7000', { host: '10.0.0.1', port: 7000 }],
    ['redis-1.redis:7000', { host: 'redis-1.redis', port: 7000 }],
    ['::1:7000', { host: '::1', port: 7000 }],
    ['[::1]:7000', { host: '::1', port: 7000 }],
    [':7000', { host: 'asked', port: 7000 }],
    ['?:7000', { host: 'asked', port: 7000 }],
  ])('%s', (text, wanted) => {
    expect(parseAddressText(text, 'asked')).toEqual(wanted);
    expect(parseAddressText(addressText(wanted), 'asked')).toEqual(wanted);
  });
});
