/**
 * Tests that a poll finds the oldest kubelet on all pages of nodes, and that a failed poll keeps the known version.
 */
import { silentLogger } from '../../test/support/lib/silent-logger.ts';
import { waitFor } from '../../test/support/wait.ts';
import { KubeletVersions } from './kubelet-versions.ts';

type Core = ConstructorParameters<typeof KubeletVersions>[0]['core'];
let versions: KubeletVersions | undefined;

afterEach(async () => {
  await versions?.close();
});

function coreOf(pages: () => string[][]): Core {
  const listNode = async ({ _continue: page = '0' }: { _continue?: string } = {}) => {
    const all = pages();
    const index = Number(page);
    const items = (all[index] ?? []).map((kubeletVersion) => ({ status: { nodeInfo: { kubeletVersion } } }));
    return { items, metadata: index + 1 < all.length ? { _continue: String(index + 1) } : {} };
  };
  return { listNode } as unknown as Core;
}

test('polls every page repeatedly and keeps the known version when a poll fails', async () => {
  let pages: string[][] | undefined = [
    ['v1.34.4', 'v1.33.1'],
    ['v1.28.9+k3s1', 'odd'],
  ];
  let failures = 0;
  const core = coreOf(() => {
    if (pages === undefined) {
      failures += 1;
      throw new Error('cannot list the nodes: simulated failure');
    }
    return pages;
  });
  const watched = new KubeletVersions({ core, log: silentLogger, intervalMs: 10 });
  versions = watched;
  expect(watched.current()).toEqual({ oldestMinor: undefined });
  await waitFor('the oldest', () => watched.current().oldestMinor === 28);
  pages = undefined;
  await waitFor('a failure', () => failures > 0);
  expect(watched.current()).toEqual({ oldestMinor: 28 });
  pages = [['v1.30.0']];
  await waitFor('the upgrade', () => watched.current().oldestMinor === 30);
});

test('is initialized after the first list or after three failures', async () => {
  let answer: (() => void) | undefined;
  const held = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const slow = {
    listNode: async () => {
      await held;
      return { items: [], metadata: {} };
    },
  } as unknown as Core;
  const watched = new KubeletVersions({ core: slow, log: silentLogger });
  versions = watched;
  expect(watched.isInitialized()).toBe(false);
  answer?.();
  await waitFor('the list', () => watched.isInitialized());
  await watched.close();

  const before: boolean[] = [];
  const forbidden = {
    listNode: async () => {
      await Promise.resolve();
      before.push(versions?.isInitialized() === true);
      throw new Error('cannot list the nodes: simulated failure');
    },
  } as unknown as Core;
  const refused = new KubeletVersions({ core: forbidden, log: silentLogger, backoff: { firstMs: 1, maxMs: 5 } });
  versions = refused;
  await waitFor('the failures', () => refused.isInitialized());
  expect(before.slice(0, 3)).toEqual([false, false, false]);
});

test('stops after 40 pages', async () => {
  let calls = 0;
  const core = {
    listNode: async () => {
      calls += 1;
      return { items: [{ status: { nodeInfo: { kubeletVersion: 'v1.31.0' } } }], metadata: { _continue: 'more' } };
    },
  } as unknown as Core;
  const watched = new KubeletVersions({ core, log: silentLogger });
  versions = watched;
  await waitFor('an answer', () => watched.current().oldestMinor === 31);
  expect(calls).toBe(40);
});
