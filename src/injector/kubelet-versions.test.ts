/**
 * The oldest kubelet of all pages of nodes; a list that cannot be had changes nothing.
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

test('looks at every page, again and again, and keeps what it knows through failures', async () => {
  let pages: string[][] | undefined = [
    ['v1.34.4', 'v1.33.1'],
    ['v1.28.9+k3s1', 'odd'],
  ];
  let failures = 0;
  const core = coreOf(() => {
    if (pages === undefined) {
      failures += 1;
      throw new Error('cannot list: as the test wants it');
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

test('has looked after the first list, or when several could not be had', async () => {
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
  expect(watched.hasLooked()).toBe(false);
  answer?.();
  await waitFor('the list', () => watched.hasLooked());
  await watched.close();

  const before: boolean[] = [];
  const forbidden = {
    listNode: async () => {
      await Promise.resolve();
      before.push(versions?.hasLooked() === true);
      throw new Error('cannot list: as the test wants it');
    },
  } as unknown as Core;
  const refused = new KubeletVersions({ core: forbidden, log: silentLogger, backoff: { firstMs: 1, maxMs: 5 } });
  versions = refused;
  await waitFor('the failures', () => refused.hasLooked());
  expect(before.slice(0, 3)).toEqual([false, false, false]);
});

test('pages have an end', async () => {
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
