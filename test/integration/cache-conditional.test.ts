/**
 * Tests CacheSet with a version from an earlier read. The tests call the service with each store (memory, Redis and a
 * Cluster), and a sidecar over gRPC.
 */
import type { CacheService } from '../../src/cache/service.ts';
import { callContext, getRequest, setRequest } from '../support/cache/requests.ts';
import { CACHE_STORES, type OpenedCache } from '../support/cache/stores.ts';
import { connectPannier } from '../support/sidecar/pannier-client.ts';
import { startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

describe.each(CACHE_STORES)('on %s', (_, open) => {
  let opened: OpenedCache;
  let service: CacheService;
  let names = 0;
  let key = Buffer.alloc(0);

  beforeAll(async () => {
    opened = await open();
    service = opened.service;
  });

  beforeEach(() => {
    names += 1;
    key = Buffer.from(`key-${names}`);
  });

  afterAll(async () => {
    await opened?.close();
  });

  async function get(): Promise<{ version: Buffer; value: string }> {
    const response = await service.handlers.CacheGet(getRequest({ key }), callContext());
    return { version: response.version as Buffer, value: String(response.value) };
  }

  async function set(value: string, fields: Parameters<typeof setRequest>[0] = {}): Promise<boolean> {
    const request = setRequest({ key, value: Buffer.from(value), ...fields });
    return (await service.handlers.CacheSet(request, callContext())).stored === true;
  }

  test('stores only the first of two values that were loaded after a miss with its empty version', async () => {
    const { version } = await get();
    expect(version).toHaveLength(0);
    expect(await set('one', { ifVersion: version })).toBe(true);
    expect(await set('two', { ifVersion: version })).toBe(false);
    expect((await get()).value).toBe('one');
  });

  test('stores exactly one of 20 concurrent values that name the version that was read', async () => {
    for (const tags of [[], ['t'], []]) {
      const { version } = await get();
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) => set(`value-${index}`, { ifVersion: version, tags })),
      );
      expect(outcomes.filter((stored) => stored)).toHaveLength(1);
    }
  });

  test('replaces an absent entry with an empty version as with if_absent, and any entry without a version', async () => {
    await set('', { absent: true });
    expect(await set('one', { ifVersion: Buffer.alloc(0) })).toBe(true);
    expect(await set('two', { ifVersion: Buffer.alloc(0) })).toBe(false);
    expect(await set('three', { ifAbsent: true })).toBe(false);
    expect(await set('four')).toBe(true);
    expect((await get()).value).toBe('four');
  });
});

test('distinguishes an empty if_version from a missing one over gRPC', async () => {
  const sidecar = await startSidecar();
  const client = connectPannier(sidecar.address);
  const set = async (value: string, fields: { ifVersion?: Buffer }) => {
    const end = await client.cacheSet({ key: Buffer.from('key'), value: Buffer.from(value), ttlMs: 60_000, ...fields });
    return end.ok ? end.response.stored : end;
  };
  await waitFor('an answer', async () => (await client.cacheGet({ key: Buffer.from('key') })).ok);
  const ifVersion = Buffer.alloc(0);
  expect(await set('one', { ifVersion })).toBe(true);
  expect(await set('two', { ifVersion })).toBe(false);
  expect(await set('three', {})).toBe(true);
  expect(await set('four', { ifVersion })).toBe(false);
  client.close();
  await sidecar.stop();
});
