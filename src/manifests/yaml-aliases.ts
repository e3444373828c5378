/**
 * Expands an alias or a merge key (`<<`) into the text of its value, so that this occurrence can be changed separately.
 *
 * Invariants:
 *   1. Every YAML parser reads the same value from the expanded text.
 *   2. The module copies scalars as they are written, because YAML parsers read `0644`, `yes` and 9007199254740993
 *      differently.
 *   3. The module does not expand a value that it cannot copy exactly.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, type Node, type Pair, type Scalar, type YAMLMap } from 'yaml';
import { inlineText } from './yaml-text.ts';

export type NodePair = Pair<Node, Node | null>;

/** Document with its source text. */
export interface Written {
  readonly source: string;
  readonly document: Document;
}

/** Returns true if writing the node again from its parsed value would not change how any YAML parser reads it. */
export function isPlainlyWritten(document: Document, node: Node | null): boolean {
  const plain = isAlias(node) ? node.resolve(document) : node;
  if (plain === null || plain === undefined) {
    return true;
  }
  if (plain.tag !== undefined) {
    return false;
  }
  if (isScalar(plain)) {
    return plain.type !== 'PLAIN' || plain.value === null || inlineText(plain.value) === plain.source;
  }
  const items = plain.items as (Node | NodePair)[];
  return items.every((item) =>
    'key' in item
      ? (isMerge(item) || isPlainlyWritten(document, item.key)) && isPlainlyWritten(document, item.value)
      : isPlainlyWritten(document, item),
  );
}

/**
 * Returns the value of a node on one line in flow style. Returns undefined if the value contains a part with a tag,
 * because the module cannot copy tags.
 */
export function exactText(written: Written, node: Node | null): string | undefined {
  const plain = isAlias(node) ? node.resolve(written.document) : node;
  if (plain === null || plain === undefined) {
    return 'null';
  }
  if (plain.tag !== undefined) {
    return undefined;
  }
  if (isScalar(plain)) {
    return scalarText(written, plain);
  }
  if (isSeq(plain)) {
    const items = (plain.items as Node[]).map((item) => exactText(written, item));
    return items.includes(undefined) ? undefined : `[${items.join(', ')}]`;
  }
  const pairs = isMap(plain) ? (plain.items as NodePair[]).map((pair) => pairText(written, pair)) : [undefined];
  return pairs.includes(undefined) ? undefined : `{${pairs.join(', ')}}`;
}

function pairText(written: Written, pair: NodePair): string | undefined {
  const key = isMerge(pair) ? '<<' : exactText(written, pair.key);
  const value = exactText(written, pair.value);
  return key === undefined || value === undefined ? undefined : `${key}: ${value}`;
}

function scalarText({ source }: Written, scalar: Scalar): string | undefined {
  const [start, end] = scalar.range ?? [0, 0];
  const text = source.slice(start, end);
  if (scalar.value === null || text === '') {
    return 'null';
  }
  const isBlock = scalar.type === 'BLOCK_LITERAL' || scalar.type === 'BLOCK_FOLDED';
  const needsQuotes = isBlock || /[\r\n]/.test(text) || (scalar.type === 'PLAIN' && /[,[\]{}]/.test(text));
  if (!needsQuotes) {
    return text;
  }
  return typeof scalar.value === 'string' ? JSON.stringify(scalar.value) : undefined;
}

/**
 * Returns the pairs that a mapping merges from other mappings and does not override, or undefined if a pair cannot be
 * copied (see `exactText`).
 */
export function mergedPairs(written: Written, node: YAMLMap<Node, Node | null>): string[] | undefined {
  const seen = new Set(node.items.filter((pair) => !isMerge(pair)).map((pair) => keyOf(pair)));
  const texts: (string | undefined)[] = [];
  for (const pair of node.items.filter(isMerge)) {
    addMerged(written, { node: pair.value, seen, texts });
  }
  return texts.every((text) => text !== undefined) ? texts : undefined;
}

interface Merging {
  readonly node: Node | null;
  /** Keys that are already set. The first value of a key takes precedence. */
  readonly seen: Set<string>;
  readonly texts: (string | undefined)[];
}

function addMerged(written: Written, { node, seen, texts }: Merging): void {
  const source = isAlias(node) ? node.resolve(written.document) : node;
  if (isSeq(source)) {
    for (const item of source.items as Node[]) {
      addMerged(written, { node: item, seen, texts });
    }
    return;
  }
  const pairs = isMap(source) ? (source.items as NodePair[]) : [];
  for (const pair of pairs.filter((candidate) => !isMerge(candidate))) {
    if (!seen.has(keyOf(pair))) {
      seen.add(keyOf(pair));
      texts.push(pairText(written, pair));
    }
  }
  for (const pair of pairs.filter(isMerge)) {
    addMerged(written, { node: pair.value, seen, texts });
  }
}

export function isMerge({ key }: NodePair): boolean {
  const isUntagged = key.tag === undefined || key.tag === 'tag:yaml.org,2002:merge';
  return isScalar(key) && key.source === '<<' && key.type === 'PLAIN' && isUntagged;
}

export function keyOf(pair: NodePair): string {
  return String(isScalar(pair.key) ? pair.key.value : pair.key);
}
