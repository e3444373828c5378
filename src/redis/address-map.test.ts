/**
 * Tests the mapping from announced addresses to reachable addresses.
 */
import { addressMapOf } from '../../test/support/redis/address-map.ts';
import { addressText, parseAddressText } from './address.ts';
import { NO_ADDRESS_MAP, reachableAddress } from './address-map.ts';

function reached(text: string, announced: string): string {
  return addressText(reachableAddress(addressMapOf(text), parseAddressText(announced, '')));
}

const MAP = '10.0.0.5:6379=one.example:7000,10.0.0.5=two.example,one.example:7000=three.example,[fd00::1]=[::1]:9';

test.each([
  ['10.0.0.5:6379', 'one.example:7000', 'an entry with a port takes precedence, and its target is not mapped again'],
  ['10.0.0.5:6380', 'two.example:6380', 'an entry without a port keeps the announced port'],
  ['10.0.0.6:6379', '10.0.0.6:6379', 'an address without an entry is unchanged'],
  ['ONE.example:7000', 'three.example:7000', 'host names are compared without case'],
  ['fd00:0:0::1:6379', '[::1]:9', 'IPv6 addresses match in any spelling'],
])('maps %s to %s: %s', (announced, expected) => {
  expect(reached(MAP, announced)).toBe(expected);
});

test('returns every address as announced if the map is empty', () => {
  const announced = { host: 'A', port: 1 };
  expect(reachableAddress(NO_ADDRESS_MAP, announced)).toBe(announced);
});
