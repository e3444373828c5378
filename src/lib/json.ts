/**
 * JSON values: equality, and which items of a list before are which items of the list after.
 */

export type JsonObject = Readonly<Record<string, unknown>>;

/** A mapping; not a list, not null. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What an object itself holds: keys of a pod may be called `constructor` or `__proto__`. */
export function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Keys may stand in any order; a key whose value is undefined is as good as absent. */
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

/** Keys in order, for hashes: equal values give equal texts. */
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
 * The shortest way from one list to the other, in order. Items that are the same, or bear the same name (in a List: kind and name), are kept
 * (and may differ inside): the longest common subsequence of what lies between the ends that are common anyway.
 */
export function alignLists(before: readonly unknown[], after: readonly unknown[]): ListStep[] {
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

/** Short: what was put in or taken out. */
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

/** [row][column]: the longest common subsequence of what is left from there on. */
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

function isSameItem(left: unknown, right: unknown): boolean {
  if (isObject(left) && isObject(right)) {
    if (typeof left.name === 'string') {
      return left.name === right.name && left.mountPath === right.mountPath;
    }
    // An object of Kubernetes in a List.
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
