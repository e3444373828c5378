/**
 * Compares a cache store with a simple model in random histories of writes and removals.
 */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import type { CacheStore } from '../../../src/cache/store.ts';
import { deadline } from './store-contract.ts';

interface Held {
  readonly value: string;
  readonly tags: readonly string[];
  readonly version: string;
}

type Step =
  | { readonly do: 'write'; readonly key: string; readonly value: string; readonly tags: readonly string[] }
  | { readonly do: 'write_if_absent'; readonly key: string; readonly value: string; readonly tags: readonly string[] }
  | { readonly do: 'write_if_version'; readonly key: string; readonly value: string; readonly isCurrent: boolean }
  | { readonly do: 'remove'; readonly keys: readonly string[] }
  | { readonly do: 'remove_tags'; readonly tags: readonly string[] }
  | { readonly do: 'flush' };

const key = fc.constantFrom('a', 'b', 'c');
const value = fc.string({ maxLength: 3 });
const tags = fc.uniqueArray(fc.constantFrom('t', 'u'), { maxLength: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('write' as const), key, value, tags }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('write_if_absent' as const), key, value, tags }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('write_if_version' as const), key, value, isCurrent: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), keys: fc.array(key, { maxLength: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove_tags' as const), tags }) },
  { weight: 1, arbitrary: fc.constant({ do: 'flush' as const }) },
);

/** Runs random histories, and throws an error with the shortest history in which the store differs from the model. */
export async function checkRandomHistories(store: CacheStore, runs: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
      const namespace = `h${randomBytes(6).toString('hex')}`;
      const model = new Map<string, Held>();
      for (const action of steps) {
        await apply(store, namespace, model, action);
        for (const name of ['a', 'b', 'c']) {
          const entry = await store.read(namespace, Buffer.from(name), deadline());
          expect(entry?.value.toString()).toBe(model.get(name)?.value);
          expect(entry?.version.toString('hex')).toBe(model.get(name)?.version);
        }
      }
    }),
    { numRuns: runs },
  );
}

async function apply(store: CacheStore, namespace: string, model: Map<string, Held>, action: Step): Promise<void> {
  switch (action.do) {
    case 'write':
    case 'write_if_absent':
    case 'write_if_version':
      await write(store, namespace, model, action);
      return;
    case 'remove': {
      const expected = new Set(action.keys.filter((name) => model.has(name))).size;
      const removed = await store.remove(
        namespace,
        action.keys.map((name) => Buffer.from(name)),
        deadline(),
      );
      // The store may still count a key whose tag was removed.
      expect(removed).toBeGreaterThanOrEqual(expected);
      expect(removed).toBeLessThanOrEqual(new Set(action.keys).size);
      for (const name of action.keys) {
        model.delete(name);
      }
      return;
    }
    case 'remove_tags':
      await store.removeTags(namespace, action.tags, deadline());
      for (const [name, held] of model) {
        if (held.tags.some((tag) => action.tags.includes(tag))) {
          model.delete(name);
        }
      }
      return;
    case 'flush':
      await store.flush(namespace, deadline());
      model.clear();
  }
}

async function write(
  store: CacheStore,
  namespace: string,
  model: Map<string, Held>,
  action: Extract<Step, { value: string }>,
): Promise<void> {
  const held = model.get(action.key);
  const tagsOfWrite = 'tags' in action ? action.tags : [];
  const current = held === undefined ? randomBytes(24) : Buffer.from(held.version, 'hex');
  const version = action.do === 'write_if_version' && action.isCurrent ? current : randomBytes(24);
  const isExpected =
    action.do === 'write' ||
    (action.do === 'write_if_absent' ? held === undefined : held !== undefined && action.isCurrent);
  const outcome = await store.write(
    {
      namespace,
      key: Buffer.from(action.key),
      value: Buffer.from(action.value),
      absent: false,
      ttlMs: 60_000,
      tags: tagsOfWrite,
      condition: conditionOf(action.do, version),
    },
    deadline(),
  );
  expect(outcome.stored).toBe(isExpected);
  if (outcome.stored) {
    model.set(action.key, { value: action.value, tags: tagsOfWrite, version: outcome.version.toString('hex') });
  }
}

function conditionOf(kind: 'write' | 'write_if_absent' | 'write_if_version', version: Buffer) {
  if (kind === 'write_if_absent') {
    return { kind: 'if_absent' } as const;
  }
  return kind === 'write' ? ({ kind: 'none' } as const) : ({ kind: 'if_version', version } as const);
}
