/**
 * Compares JSON values: equality, canonical text, and the difference between two lists.
 */

export type JsonObject = Readonly<Record<string, unknown>>;

/** Returns whether the value is an object, but not an array or null. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns an own property. Excludes inherited properties, because a key in a pod may be named `constructor`. */
export function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Returns whether two values are equal. The order of keys does not matter, and an undefined value equals an absent key. */
export function isSame(left: unknown, right: unknown): boolean {
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, index) => isSame(item, right[index]));
  }
  if (isObject(left) && isObject(right)) {
    return [...new Set([...Object.keys(left), ...Object.keys(right)])].every((key) =>
      isSame(own(left, key), own(right, key)),
    );
  }
  return Object.is(left, right);
}

declare global {
  interface JSON {
    /** Node.js has this function, but the type definitions of TypeScript do not. */
    rawJSON(text: string): unknown;
  }
}

/** Serializes a value that may contain bigints, which become integers. */
export function jsonText(value: unknown, indent?: string): string {
  return JSON.stringify(
    value,
    (_key, part: unknown) => (typeof part === 'bigint' ? JSON.rawJSON(String(part)) : part),
    indent,
  );
}

/** Serializes a value with sorted keys, so that equal values have equal hashes. */
export function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    isObject(part) ? Object.fromEntries(Object.entries(part).sort(([left], [right]) => (left < right ? -1 : 1))) : part,
  );
}

export type ListStep =
  | { readonly kind: 'keep'; readonly before: number; readonly after: number }
  | { readonly kind: 'remove'; readonly before: number }
  | { readonly kind: 'add'; readonly after: number };

/**
 * Returns the shortest sequence of steps that changes one list into the other.
 *
 * The steps keep items that are equal or have the same identity: the same name, or the same kind and name in a
 * Kubernetes List. Items with the same identity may differ in other fields. The function skips the common beginning and
 * end of the lists, and computes the longest common subsequence of the rest. In lists of the same length whose items have
 * no identity, the index identifies an item.
 */
export function alignLists(before: readonly unknown[], after: readonly unknown[]): ListStep[] {
  if (before.length === after.length && [...before, ...after].every(isAnonymous)) {
    return before.map((_item, index) => ({ kind: 'keep', before: index, after: index }));
  }
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && isSameItem(before[head], after[head])) {
    head += 1;
  }
  let tail = 0;
  while (tail < shorter - head && isSameItem(before.at(-1 - tail), after.at(-1 - tail))) {
    tail += 1;
  }
  const keep = (row: number, column: number, count: number): ListStep[] =>
    Array.from({ length: count }, (_, index) => ({ kind: 'keep', before: row + index, after: column + index }));
  const middle = alignMiddle(before.slice(head, before.length - tail), after.slice(head, after.length - tail));
  return [
    ...keep(0, 0, head),
    ...middle.map((step) => shifted(step, head)),
    ...keep(before.length - tail, after.length - tail, tail),
  ];
}

function shifted(step: ListStep, count: number): ListStep {
  switch (step.kind) {
    case 'keep':
      return { ...step, before: step.before + count, after: step.after + count };
    case 'remove':
      return { ...step, before: step.before + count };
    case 'add':
      return { ...step, after: step.after + count };
  }
}

/** Aligns the middle parts of the lists, which differ and are short in practice. */
function alignMiddle(before: readonly unknown[], after: readonly unknown[]): ListStep[] {
  const lengths = commonLengths(before, after);
  const length = (row: number, column: number): number => lengths[row]?.[column] ?? 0;
  const steps: ListStep[] = [];
  let row = 0;
  let column = 0;
  while (row < before.length || column < after.length) {
    const isCommon = row < before.length && column < after.length && isSameItem(before[row], after[column]);
    if (isCommon && length(row, column) === length(row + 1, column + 1) + 1) {
      steps.push({ kind: 'keep', before: row, after: column });
      row += 1;
      column += 1;
    } else if (column < after.length && (row === before.length || length(row, column + 1) >= length(row + 1, column))) {
      steps.push({ kind: 'add', after: column });
      column += 1;
    } else {
      steps.push({ kind: 'remove', before: row });
      row += 1;
    }
  }
  return steps;
}

/**
 * Returns a table of lengths. The cell [row][column] contains the length of the longest common subsequence of
 * `before.slice(row)` and `after.slice(column)`.
 */
function commonLengths(before: readonly unknown[], after: readonly unknown[]): number[][] {
  const lengths = Array.from({ length: before.length + 1 }, () => new Array<number>(after.length + 1).fill(0));
  for (let row = before.length - 1; row >= 0; row -= 1) {
    const current = lengths[row] ?? [];
    const below = lengths[row + 1] ?? [];
    for (let column = after.length - 1; column >= 0; column -= 1) {
      const withBoth = isSameItem(before[row], after[column]) ? (below[column + 1] ?? 0) + 1 : 0;
      current[column] = Math.max(withBoth, below[column] ?? 0, current[column + 1] ?? 0);
    }
  }
  return lengths;
}

/** Returns true for an object without the fields that identify an item of a list. */
function isAnonymous(item: unknown): boolean {
  return isObject(item) && typeof item.name !== 'string' && typeof item.kind !== 'string';
}

function isSameItem(left: unknown, right: unknown): boolean {
  if (isObject(left) && isObject(right)) {
    if (typeof left.name === 'string') {
      return left.name === right.name && left.mountPath === right.mountPath;
    }
    // The items are Kubernetes objects in a List.
    if (typeof left.kind === 'string') {
      return left.kind === right.kind && nameOf(left) === nameOf(right);
    }
  }
  return isSame(left, right);
}

function nameOf({ metadata }: JsonObject): string {
  return isObject(metadata)
    ? JSON.stringify([metadata.namespace, metadata.name, metadata.generateName])
    : '[null,null,null]';
}
