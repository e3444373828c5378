/**
 * Applies a JSON patch (RFC 6902: add, remove, replace) as an API server does, and throws if an operation cannot be
 * applied to the document.
 */
import type { PatchOperation } from '../../../src/injection/json-patch.ts';
import { own } from '../../../src/lib/json.ts';

type Parent = Record<string, unknown> | unknown[];

export function applyJsonPatch(document: unknown, patch: readonly PatchOperation[]): unknown {
  let result = structuredClone(document);
  for (const operation of patch) {
    if (operation.path === '') {
      if (operation.op === 'remove') {
        throw new Error('cannot apply the patch: it removes the whole document');
      }
      result = structuredClone(operation.value);
      continue;
    }
    applyBelow(result, operation);
  }
  return result;
}

function applyBelow(document: unknown, operation: PatchOperation): void {
  const parts = operation.path
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = parts.pop() ?? '';
  let parent = document as Parent;
  for (const part of parts) {
    const next = Array.isArray(parent) ? parent[indexOf(part, parent.length - 1)] : own(parent, part);
    if (typeof next !== 'object' || next === null) {
      throw new Error(`cannot apply the patch: no value at ${operation.path}`);
    }
    parent = next as Parent;
  }
  if (Array.isArray(parent)) {
    applyToList(parent, last, operation);
    return;
  }
  if (operation.op !== 'add' && !Object.hasOwn(parent, last)) {
    throw new Error(`cannot apply the patch: no value at ${operation.path}`);
  }
  if (operation.op === 'remove') {
    delete parent[last];
  } else {
    // An assignment to a key named `__proto__` would change the prototype instead.
    const value = structuredClone(operation.value);
    Object.defineProperty(parent, last, { value, writable: true, enumerable: true, configurable: true });
  }
}

function applyToList(list: unknown[], part: string, operation: PatchOperation): void {
  switch (operation.op) {
    case 'add':
      list.splice(part === '-' ? list.length : indexOf(part, list.length), 0, structuredClone(operation.value));
      break;
    case 'remove':
      list.splice(indexOf(part, list.length - 1), 1);
      break;
    case 'replace':
      list[indexOf(part, list.length - 1)] = structuredClone(operation.value);
      break;
  }
}

function indexOf(part: string, max: number): number {
  const index = /^(0|[1-9]\d*)$/.test(part) ? Number(part) : Number.NaN;
  if (!(index <= max)) {
    throw new Error(`cannot apply the patch: index ${part} is beyond ${max}`);
  }
  return index;
}
