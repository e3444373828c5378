/**
 * Tests the resolution of method names and addresses, and the output of --list.
 */
import { readContract } from '../grpc/descriptors.ts';
import { describeMethods, findAddress, findMethod } from './call-target.ts';

const contract = readContract();

describe('methods', () => {
  test.each(['CheckRateLimit', 'RateLimitService/CheckRateLimit', 'pannier.v1.RateLimitService/CheckRateLimit'])(
    'finds %s',
    (name) => {
      expect(findMethod(contract, name)).toMatchObject({
        service: 'pannier.v1.RateLimitService',
        method: { name: 'CheckRateLimit', requestType: 'pannier.v1.CheckRateLimitRequest' },
      });
    },
  );

  test.each([
    ['CheckRateLimt', 'did you mean "CheckRateLimit"?'],
    ['SessionService/checkratelimit', 'did you mean "CheckRateLimit" or "CheckRateLimits"?'],
    ['cacheget', 'did you mean "CacheGet" or "CacheGetMany"?'],
    ['Invalidations', 'did you mean "WatchInvalidations" or "ConfirmInvalidations"?'],
    ['zzz', 'run "pannier call --list" to list all methods'],
    // The sidecar serves the health service, but this command supports only Pannier's own methods.
    ['grpc.health.v1.Health/Check', 'did you mean "CheckRateLimit" or "CheckRateLimits"?'],
  ])('rejects %s with a suggestion', (name, hint) => {
    expect(findMethod(contract, name)).toEqual({
      problem: `unknown method ${JSON.stringify(name)}; ${hint}`,
    });
  });

  test('lists every method with its fields and their types', () => {
    const lines = describeMethods(contract).split('\n');
    expect(lines).toContain('CacheService/WatchInvalidations  {namespace: string}  (streams its responses)');
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
  ])('resolves the option %s with the environment %j', (option, environment, address) => {
    expect(findAddress(option, environment)).toBe(address);
  });

  test.each([
    ['localhost', {}, '--address must be HOST:PORT or unix:PATH, got "localhost"'],
    ['unix:', {}, '--address must be HOST:PORT or unix:PATH, got "unix:"'],
    [undefined, { PANNIER_GRPC_ADDRESS: 'none' }, 'PANNIER_GRPC_ADDRESS must be HOST:PORT or unix:PATH, got "none"'],
  ])('rejects the option %s with the environment %j', (option, environment, problem) => {
    expect(findAddress(option, environment)).toEqual({ problem });
  });
});
