/**
 * Computes the JSON patch (RFC 6902) between two JSON values. The API server applies the patch to the pod of an
 * admission request.
 *
 * Invariants:
 *   1. Applying the operations in order to `before` yields `after`.
 *   2. The patch does not replace a value that is equal in `before` and `after`.
 */
import { alignLists, isObject, isSame, type JsonObject, own } from '../lib/json.ts';

export type PatchOperation =
  | { readonly op: 'add'; readonly path: string; readonly value: unknown }
  | { readonly op: 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

export function jsonPatch(before: unknown, after: unknown): PatchOperation[] {
  const operations: PatchOperation[] = [];
  addDifference(operations, { path: '', before, after });
  return operations;
}

interface Difference<Value> {
  readonly path: string;
  readonly before: Value;
  readonly after: Value;
}

function addDifference(operations: PatchOperation[], { path, before, after }: Difference<unknown>): void {
  if (isSame(before, after)) {
    return;
  }
  if (isObject(before) && isObject(after)) {
    addObjectDifference(operations, { path, before, after });
  } else if (Array.isArray(before) && Array.isArray(after)) {
    addListDifference(operations, { path, before, after });
  } else {
    operations.push({ op: 'replace', path, value: after });
  }
}

function addObjectDifference(operations: PatchOperation[], { path, before, after }: Difference<JsonObject>): void {
  for (const key of Object.keys(before)) {
    if (own(before, key) !== undefined && own(after, key) === undefined) {
      operations.push({ op: 'remove', path: below(path, key) });
    }
  }
  for (const [key, value] of Object.entries(after)) {
    if (value === undefined) {
      continue;
    }
    const old = own(before, key);
    if (old === undefined) {
      operations.push({ op: 'add', path: below(path, key), value });
    } else {
      addDifference(operations, { path: below(path, key), before: old, after: value });
    }
  }
}

/** Edits the list from front to back, so each index refers to the list that results from the previous operations. */
function addListDifference(
  operations: PatchOperation[],
  { path, before, after }: Difference<readonly unknown[]>,
): void {
  let index = 0;
  for (const step of alignLists(before, after)) {
    const place = below(path, String(index));
    switch (step.kind) {
      case 'remove':
        operations.push({ op: 'remove', path: place });
        break;
      case 'add':
        operations.push({ op: 'add', path: place, value: after[step.after] });
        index += 1;
        break;
      case 'keep':
        addDifference(operations, { path: place, before: before[step.before], after: after[step.after] });
        index += 1;
        break;
    }
  }
}

/** Appends a key or an index to a JSON pointer (RFC 6901). */
function below(path: string, part: string): string {
  return `${path}/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
