/**
 * Addresses as Redis writes them.
 */
import { addressText, parseAddressText } from './address.ts';

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
