/**
 * Computes the edits to a YAML text that change the value of a document to a given value.
 *
 * The edits insert new lines after the previous item, and remove whole lines. If the kind of a value changes, the edits
 * replace the value. The edits may be wrong for unusual YAML, so yaml-editor.ts parses the result again.
 */
import {
  type Alias,
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { alignLists, isObject, isSame, type JsonObject, own } from '../lib/json.ts';
import { endOfContent, type TextLines } from './text-lines.ts';
import { isMerge, isPlainlyWritten, keyOf } from './yaml-aliases.ts';
import { documentValue } from './yaml-documents.ts';
import { flowText, inlineText, itemText, pairText } from './yaml-text.ts';

export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

interface EditState {
  readonly lines: TextLines;
  readonly document: Document;
  /** Whether this document indents lists below their keys. */
  readonly indentsLists: boolean;
  readonly edits: TextEdit[];
  readonly shared: Shared[];
}

/** Node that yaml-editor.ts must expand before it can edit the text: an alias, or a mapping with merge keys. */
export type Shared = Alias | YAMLMap<Node, Node | null>;

interface Change<Value> {
  readonly before: Value;
  readonly after: Value;
}

export function collectEdits(options: { lines: TextLines; document: Document; after: unknown }): {
  readonly edits: readonly TextEdit[];
  readonly shared: readonly Shared[];
} {
  const { lines, document, after } = options;
  const state: EditState = { lines, document, indentsLists: findListStyle(document, lines), edits: [], shared: [] };
  const root = document.contents;
  if (root !== null) {
    editValue(state, root, { before: documentValue(document), after });
  }
  return state;
}

/** Edits a node in place. Returns false if such an edit is impossible, so that the caller must replace the node. */
function editValue(state: EditState, node: Node, change: Change<unknown>): boolean {
  const { before, after } = change;
  if (isSame(before, after)) {
    return true;
  }
  if (isAlias(node) && !isPlainlyWritten(state.document, node)) {
    state.shared.push(node);
    return true;
  }
  const isEmptied = typeof after === 'object' && after !== null && Object.keys(after).length === 0;
  if (isEmptied || !isCollection(node) || node.items.length === 0) {
    return false;
  }
  if (isMap(node) && isObject(before) && isObject(after)) {
    editMap(state, node as YAMLMap<Node, Node | null>, { before, after });
    return true;
  }
  if (isSeq(node) && Array.isArray(before) && Array.isArray(after)) {
    editList(state, node as YAMLSeq<Node>, { before, after });
    return true;
  }
  return false;
}

function editMap(state: EditState, node: YAMLMap<Node, Node | null>, { before, after }: Change<JsonObject>): void {
  const pairs = new Map(node.items.map((pair) => [keyOf(pair), pair]));
  let isLeading = true;
  for (const [key, pair] of pairs) {
    // Skips merge keys, because the parsed value does not contain the key `<<`.
    if (own(before, key) === undefined) {
      continue;
    }
    if (own(after, key) === undefined) {
      removePair(state, node, { pair, isLeading });
      continue;
    }
    isLeading = false;
    if (pair.value === null || !editValue(state, pair.value, { before: own(before, key), after: own(after, key) })) {
      rewritePair(state, node, { pair, value: own(after, key) });
    }
  }
  // A merged key whose value changes becomes a key of the mapping itself, which overrides the merged key.
  const added = Object.entries(after).filter(
    ([key, value]) => value !== undefined && !pairs.has(key) && !isSame(value, own(before, key)),
  );
  const isMergedAnew = added.some(([key, value]) => own(before, key) !== undefined && typeof value === 'object');
  if (isMergedAnew && !node.items.filter(isMerge).every((pair) => isPlainlyWritten(state.document, pair.value))) {
    state.shared.push(node);
  } else if (added.length > 0) {
    addPairs(state, node, added);
  }
}

function addPairs(
  state: EditState,
  node: YAMLMap<Node, Node | null>,
  added: readonly (readonly [string, unknown])[],
): void {
  const last = node.items.at(-1);
  if (last === undefined) {
    return;
  }
  if (node.flow === true) {
    const layout = flowLayout(state, node, startOf(last.key));
    const text = added
      .map(([key, value]) => `,${layout.between}${JSON.stringify(key)}: ${layout.textOf(value)}`)
      .join('');
    insert(state, endOfPair(last), text);
    return;
  }
  // An explicit key begins after its indicator `?`, which is at the start of the mapping.
  const column = state.lines.columnOf(startOf(node));
  for (const [key, value] of added) {
    insertLines(state, endOfPair(last), pairText({ key, value, column, indentsLists: state.indentsLists }));
  }
}

function removePair(
  state: EditState,
  node: YAMLMap<Node, Node | null>,
  { pair, isLeading }: { pair: Pair<Node, Node | null>; isLeading: boolean },
): void {
  if (node.flow === true) {
    removePart(state, { items: node.items.map(rangeOfPair), index: node.items.indexOf(pair), isLeading });
    return;
  }
  removeLines(state, startOf(pair.key), endOfPair(pair));
}

function rewritePair(
  state: EditState,
  node: YAMLMap<Node, Node | null>,
  { pair, value }: { pair: Pair<Node, Node | null>; value: unknown },
): void {
  const start = startOf(pair.key);
  const end = Math.max(endOfPair(pair), start);
  const isThere = pair.value !== null && endOf(pair.value) > startOf(pair.value);
  if (node.flow === true && typeof value === 'object') {
    const text = flowLayout(state, node, start).textOf(value);
    state.edits.push(
      isThere ? { start: startOf(pair.value), end, text } : { start: endOf(pair.key), end, text: `: ${text}` },
    );
    return;
  }
  if (isThere && typeof value !== 'object' && (node.flow === true || isScalar(pair.value))) {
    const text = scalarText(pair.value, value, node.flow === true);
    // The range of a block scalar includes its line break.
    state.edits.push({ start: startOf(pair.value), end: state.lines.trimEnd(startOf(pair.value), end), text });
    return;
  }
  const column = state.lines.columnOf(start);
  const lines = pairText({ key: keyOf(pair), value, column, indentsLists: state.indentsLists });
  const text =
    value === null
      ? `${state.lines.text(startOf(pair.key), endOf(pair.key))}:`
      : lines.join(state.lines.lineEnd).trimStart();
  state.edits.push({ start, end: state.lines.trimEnd(start, end), text });
}

function editList(state: EditState, node: YAMLSeq<Node>, { before, after }: Change<readonly unknown[]>): void {
  const items = node.items;
  let previous = -1;
  let isLeading = true;
  for (const step of alignLists(before, after)) {
    if (step.kind === 'add') {
      addItem(state, node, { previous, value: after[step.after] });
      continue;
    }
    previous = step.before;
    const item = items[step.before];
    if (item === undefined) {
      continue;
    }
    if (step.kind === 'remove') {
      removeItem(state, node, { index: step.before, isLeading });
      continue;
    }
    isLeading = false;
    if (!editValue(state, item, { before: before[step.before], after: after[step.after] })) {
      const text = node.flow === true ? flowText(after[step.after]) : flowOrInline(after[step.after]);
      state.edits.push({ start: startOf(item), end: state.lines.trimEnd(startOf(item), endOfContent(item)), text });
    }
  }
}

function addItem(
  state: EditState,
  node: YAMLSeq<Node>,
  { previous, value }: { previous: number; value: unknown },
): void {
  const before = node.items[previous];
  const first = node.items[0];
  if (node.flow === true) {
    const layout = flowLayout(state, node, startOf(first));
    if (before !== undefined) {
      insert(state, endOfContent(before), `,${layout.between}${layout.textOf(value)}`);
    } else {
      insert(state, startOf(first), `${layout.textOf(value)},${layout.between}`);
    }
    return;
  }
  const column = state.lines.columnOf(startOf(node));
  const text = itemText({ value, column, indentsLists: state.indentsLists });
  if (before !== undefined) {
    insertLines(state, endOfContent(before), text);
    return;
  }
  // Inserts the text above the comments directly above the first item, because these comments belong to that item.
  const place = state.lines.aboveComments(state.lines.dashLine(startOf(first), column));
  insert(state, place, text.map((line) => line + state.lines.lineEnd).join(''));
}

function removeItem(
  state: EditState,
  node: YAMLSeq<Node>,
  { index, isLeading }: { index: number; isLeading: boolean },
): void {
  const item = node.items[index];
  if (item === undefined) {
    return;
  }
  if (node.flow === true) {
    const items = node.items.map((candidate) => ({ start: startOf(candidate), end: endOfContent(candidate) }));
    removePart(state, { items, index, isLeading });
    return;
  }
  const column = state.lines.columnOf(startOf(node));
  removeLines(state, state.lines.dashLine(startOf(item), column), endOfContent(item));
}

/**
 * Removes an item of a flow collection together with one comma. If the edit also removes all previous items, removes
 * the comma after the item, otherwise the comma before the item.
 */
function removePart(
  state: EditState,
  options: { items: readonly { start: number; end: number }[]; index: number; isLeading: boolean },
): void {
  const { items, index, isLeading } = options;
  const own = items[index];
  const before = items[index - 1];
  const next = items[index + 1];
  if (own !== undefined) {
    const start = isLeading || before === undefined ? own.start : before.end;
    const end = isLeading && next !== undefined ? next.start : own.end;
    state.edits.push({ start, end, text: '' });
  }
}

/** Inserts lines after the line that contains `offset`. */
function insertLines(state: EditState, offset: number, lines: readonly string[]): void {
  const { lineEnd } = state.lines;
  const place = state.lines.afterLine(offset);
  if (place.isTerminated) {
    insert(state, place.offset, lines.map((line) => line + lineEnd).join(''));
  } else {
    insert(state, place.offset, lines.map((line) => lineEnd + line).join(''));
  }
}

function removeLines(state: EditState, first: number, last: number): void {
  const start = state.lines.startOfLine(first);
  const end = state.lines.afterLine(last);
  // If the last line of the text has no line break, removes the line break before that line.
  const from = end.isTerminated ? start : Math.max(0, start - state.lines.lineEnd.length);
  state.edits.push({ start: from, end: end.offset, text: '' });
}

function insert(state: EditState, offset: number, text: string): void {
  state.edits.push({ start: offset, end: offset, text });
}

function rangeOfPair(pair: Pair<Node, Node | null>): { start: number; end: number } {
  return { start: startOf(pair.key), end: endOfPair(pair) };
}

function endOfPair(pair: Pair<Node, Node | null>): number {
  return Math.max(endOfContent(pair.key), pair.value === null ? 0 : endOfContent(pair.value));
}

function startOf(node: Node | null | undefined): number {
  return node?.range?.[0] ?? 0;
}

function endOf(node: Node | null | undefined): number {
  return node?.range?.[1] ?? 0;
}

/** Formats a scalar with the quotes of the old scalar. */
function scalarText(node: Node | null, value: unknown, isFlow: boolean): string {
  const quotes = isScalar(node) ? node.type : undefined;
  if (typeof value === 'string' && quotes === 'QUOTE_SINGLE' && !/[\n\r\t]/.test(value)) {
    return `'${value.replaceAll("'", "''")}'`;
  }
  const isQuoted = typeof value === 'string' && quotes === 'QUOTE_DOUBLE';
  return isFlow || isQuoted ? flowText(value) : inlineText(value);
}

function flowOrInline(value: unknown): string {
  return typeof value === 'object' ? flowText(value) : inlineText(value);
}

interface FlowLayout {
  /** Text between a comma and the next item. */
  readonly between: string;
  textOf(value: unknown): string;
}

/**
 * Returns a layout with one item per line if the item at `offset` begins its line, as in most JSON files. Otherwise,
 * returns a layout with all items on one line.
 */
function flowLayout(state: EditState, node: Node, offset: number): FlowLayout {
  const margin = state.lines.marginOf(offset);
  if (state.lines.startOfLine(offset) + margin.length !== offset) {
    return { between: ' ', textOf: flowText };
  }
  const outer = state.lines.marginOf(startOf(node));
  const unit = margin.startsWith(outer) && margin !== outer ? margin.slice(outer.length) : '  ';
  const between = state.lines.lineEnd + margin;
  return { between, textOf: (value) => flowText(value, unit).replaceAll('\n', between) };
}

/** Returns whether the first list below a key is indented, because most manifests use one style for all lists. */
function findListStyle(document: Document, lines: TextLines): boolean {
  const queue: unknown[] = [document.contents];
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    if (!isCollection(node)) {
      continue;
    }
    for (const item of node.items as (Node | Pair<Node, Node | null>)[]) {
      if (!('key' in item)) {
        queue.push(item);
        continue;
      }
      if (isSeq(item.value) && item.value.flow !== true) {
        return lines.columnOf(startOf(item.value)) > lines.columnOf(startOf(item.key));
      }
      queue.push(item.value ?? undefined);
    }
  }
  return false;
}
