/**
 * Tests valid entries of PANNIER_REDIS_ADDRESS_MAP, and the exact error texts for invalid ones.
 */
import { isHostName, parseAddressMap } from './address-map.ts';
import { loadSettings } from './load.ts';

const FORM = 'ANNOUNCED=REACHABLE, each side HOST or HOST:PORT (an IPv6 address in brackets, a port from 1 to 65535)';

test('parses names, IPv4 and IPv6 addresses with and without ports, and normalizes IPv6', () => {
  const text =
    '10.0.0.5:6379=redis-0.example:6380, 10.0.0.6=Redis-1.Example,[FD00:0::1]:7000=[fd00::2],a_b=127.0.0.1:1';
  expect(parseAddressMap(text)).toEqual({
    mappings: [
      { announced: { host: '10.0.0.5', port: 6379 }, reachable: { host: 'redis-0.example', port: 6380 } },
      { announced: { host: '10.0.0.6', port: undefined }, reachable: { host: 'redis-1.example', port: undefined } },
      { announced: { host: 'fd00::1', port: 7000 }, reachable: { host: 'fd00::2', port: undefined } },
      { announced: { host: 'a_b', port: undefined }, reachable: { host: '127.0.0.1', port: 1 } },
    ],
  });
});

test.each([
  '10.0.0.5',
  '=a',
  'a=',
  'a=b=c',
  'a:0=b',
  'a=b:65536',
  'a=b:x',
  '::1=a',
  '[10.0.0.1]=a',
  '*=a',
  'a b=c',
  'redis://a=b',
  '10.0.0.256=a',
])('reports the invalid entry %s with its index', (entry) => {
  const { problems } = loadSettings({ PANNIER_REDIS_ADDRESS_MAP: `x=y,${entry}` }) as { problems: unknown };
  const message = `PANNIER_REDIS_ADDRESS_MAP[1] must be ${FORM}, got ${JSON.stringify(entry)}`;
  expect(problems).toEqual([{ name: 'PANNIER_REDIS_ADDRESS_MAP', message }]);
});

test('rejects two spellings of one announced address, and too many entries', () => {
  expect(parseAddressMap('[::1]:1=a,[0:0::1]:1=b')).toEqual({
    problem: '[1] must be the only entry of its announced address, got "[0:0::1]:1" again',
  });
  expect(parseAddressMap('a=b,a:1=c')).toHaveProperty('mappings');
  const many = Array.from({ length: 1_001 }, (_, index) => `h${index}=x`).join();
  expect(parseAddressMap(many)).toEqual({ problem: ' must have at most 1000 entries, got 1001' });
});

test.each(['localhost', 'redis-0.example', 'a_b.C'])('accepts the host name %s', (text) => {
  expect(isHostName(text)).toBe(true);
});

test.each(['10.0.0.1', '::1', 'a..b', '-a', '*.example', 'a:1', '', 'a'.repeat(254)])(
  'rejects %j as a host name',
  (text) => {
    expect(isHostName(text)).toBe(false);
  },
);
