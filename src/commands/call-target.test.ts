/**
 * Which method a name means, which address is called, and what --list says.
 */
import { readContract } from '../grpc/descriptors.ts';
import { describeMethods, findAddress, findMethod } from './call-target.ts';

const contract = readContract();

describe('methods', () => {
  test.each(['CheckRateLimit', 'RateLimitService/CheckRateLimit', 'pannier.v1.RateLimitService/CheckRateLimit'])(
    '%s is found',
    (name) => {
      expect(findMethod(contract, name)).toMatchObject({
        service: 'pannier.v1.RateLimitService',
        method: { name: 'CheckRateLimit', requestType: 'pannier.v1.CheckRateLimitRequest' },
      });
    },
  );

  test.each([
    ['CheckRateLimt', 'did you mean CheckRateLimit?'],
    ['SessionService/checkratelimit', 'did you mean CheckRateLimit, CheckRateLimits?'],
    ['cacheget', 'did you mean CacheGet, CacheGetMany?'],
    ['Invalidations', 'did you mean WatchInvalidations, ConfirmInvalidations?'],
    ['zzz', 'wanted one of theirs'],
    // Health is served, but no business of this command.
    ['grpc.health.v1.Health/Check', 'did you mean CheckRateLimit, CheckRateLimits?'],
  ])('%s is not', (name, hint) => {
    expect(findMethod(contract, name)).toEqual({
      problem: `cannot call ${name}: the protos have no such method, ${hint} (all: pannier call --list)`,
    });
  });

  test('are listed with every field, and what these name', () => {
    const lines = describeMethods(contract).split('\n');
    expect(lines).toContain('CacheService/WatchInvalidations  {namespace: string}  (streams its answers)');
    expect(lines).toContain('CacheService/CacheGetMany  {namespace: string, keys: bytes[], fresh: bool}');
    expect(lines.find((line) => line.startsWith('SessionService/CreateSession '))).toContain('data: map of bytes');
    expect(lines.find((line) => line.startsWith('FailureMode: '))).toContain('FAILURE_MODE_DENY');
    expect(lines.filter((line) => line.includes('/'))).toHaveLength(17);
    expect(lines.some((line) => line.startsWith('Health'))).toBe(false);
  });
});

describe('addresses', () => {
  const both = { PANNIER_GRPC_ADDRESS: '127.0.0.1:9999', PANNIER_GRPC_SOCKET: '/run/pannier.sock' };

  test.each([
    [undefined, {}, '127.0.0.1:9470'],
    [undefined, { PANNIER_GRPC_ADDRESS: '' }, '127.0.0.1:9470'],
    [undefined, both, '127.0.0.1:9999'],
    [undefined, { ...both, PANNIER_GRPC_ADDRESS: 'none' }, 'unix:/run/pannier.sock'],
    [undefined, { PANNIER_GRPC_ADDRESS: ':9999' }, '127.0.0.1:9999'],
    ['[::1]:1', both, '[::1]:1'],
    ['unix:/tmp/x', both, 'unix:/tmp/x'],
  ])('%s and %j', (option, environment, address) => {
    expect(findAddress(option, environment)).toBe(address);
  });

  test.each([
    ['localhost', {}, '--address is "localhost"'],
    ['unix:', {}, '--address is "unix:"'],
    [undefined, { PANNIER_GRPC_ADDRESS: 'none' }, 'PANNIER_GRPC_ADDRESS is "none"'],
  ])('%s and %j are refused', (option, environment, found) => {
    expect(findAddress(option, environment)).toEqual({
      problem: `cannot call the sidecar: ${found}, wanted host:port or unix:PATH`,
    });
  });
});
