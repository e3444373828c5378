/**
 * Tests an application that watches a namespace and writes to it, with the memory store, on Redis and on a Cluster. The
 * application's own cache keeps values that the application has stored, and drops values that other clients have
 * replaced.
 */
import { OwnCache } from '../support/cache/own-cache.ts';
import { callContext, invalidateRequest, setRequest } from '../support/cache/requests.ts';
import { CACHE_STORES, type OpenedCache } from '../support/cache/stores.ts';
import { waitFor } from '../support/wait.ts';

const KEYS = Array.from({ length: 50 }, (_, index) => `k${index}`);

describe.each(CACHE_STORES)('on %s', (_, open) => {
  let opened: OpenedCache;
  let own: OwnCache;
  let namespaces = 0;
  let namespace = '';

  beforeAll(async () => {
    opened = await open();
  });

  beforeEach(async () => {
    namespaces += 1;
    namespace = `own-${namespaces}`;
    own = new OwnCache(opened.service, namespace);
    await own.start();
  });

  afterEach(async () => {
    await own?.stop();
  });

  afterAll(async () => {
    await opened?.close();
  });

  async function invalidate(key: string): Promise<void> {
    const request = invalidateRequest({ namespace, keys: [Buffer.from(key)] });
    await opened.service.handlers.CacheInvalidate(request, callContext());
  }

  async function setAsAnother(key: string): Promise<void> {
    const request = setRequest({ namespace, key: Buffer.from(key), value: Buffer.from('another') });
    await opened.service.handlers.CacheSet(request, callContext());
  }

  async function applyEvents(count: number): Promise<void> {
    await waitFor(`${count} events`, () => own.eventCount >= count);
    own.applyEvents();
  }

  test('keeps all 50 values that it has stored, and drops one that another client replaces', async () => {
    for (const key of KEYS) {
      await invalidate(key);
      await own.set(key, 'loaded');
      own.applyEvents();
    }
    await applyEvents(2 * KEYS.length);
    expect([...own.values.keys()]).toEqual(KEYS);
    await setAsAnother('k7');
    await applyEvents(2 * KEYS.length + 1);
    expect([...own.values.keys()]).toEqual(KEYS.filter((key) => key !== 'k7'));
  });

  test('keeps a value whose event arrives before the response, and drops one that was replaced by then', async () => {
    await own.set('mine', 'loaded', async () => await applyEvents(1));
    expect([...own.values.keys()]).toEqual(['mine']);
    await own.set('theirs', 'loaded', async () => {
      await setAsAnother('theirs');
      await applyEvents(3);
    });
    await own.set('invalidated', 'loaded', async () => {
      await invalidate('invalidated');
      await applyEvents(5);
    });
    expect([...own.values.keys()]).toEqual(['mine']);
  });

  test('does not cache a value whose CacheSet began before the watch, because its event may never arrive', async () => {
    const late = new OwnCache(opened.service, namespace);
    await late.set('key', 'loaded', async () => await late.start());
    await setAsAnother('key');
    await waitFor('the event of another client', () => late.eventCount >= 1);
    late.applyEvents();
    await late.stop();
    expect(late.values.size).toBe(0);
  });

  test('drops a value after an invalidation, whose event has no version', async () => {
    await own.set('key', 'loaded');
    await invalidate('key');
    await applyEvents(2);
    expect(own.values.size).toBe(0);
  });
});
