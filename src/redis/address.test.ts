/**
 * Tests that addresses are parsed and formatted in the forms that Redis uses.
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
  ])('%s', (text, expected) => {
    expect(parseAddressText(text, 'asked')).toEqual(expected);
    expect(parseAddressText(addressText(expected), 'asked')).toEqual(expected);
  });
});
