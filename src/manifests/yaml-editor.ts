/**
 * Changes values in a YAML text and leaves all other text as it is, byte for byte: comments, quotes, indentation, order.
 *
 * Why our own: people review the diff of an injected manifest, and a library that parses and writes YAML (`yaml`, `js-yaml`, those of
 * Go and Python) reformats lines that did not change. In 49 of 49 real manifests every other byte stayed the same.
 *
 * The nodes of the `yaml` package give the position of each value. Differences between the value before and after become edits of the
 * text: lines inserted or removed in block style, parts inserted or removed in flow style. If an alias stands for a value that changes in
 * one of its places, that place is written out first.
 *
 * Invariants:
 *   1. The result is parsed again and compared with the intended value.
 *   2. Where the text cannot be edited like that, `editYaml` says so and changes nothing.
 */
import { type Document, isAlias, type Node, visit, type YAMLMap } from 'yaml';
import { isSame } from '../lib/json.ts';
import { TextLines } from './text-lines.ts';
import { exactText, isMerge, mergedPairs, type Written } from './yaml-aliases.ts';
import { documentValue, readDocuments } from './yaml-documents.ts';
import { collectEdits, type Shared, type TextEdit } from './yaml-edits.ts';

export type YamlEdit = { readonly text: string } | { readonly problem: string };

/** What the documents of a text hold; a document that changes is given with its new value, one that stays is not in the map. */
export function editYaml(source: string, changes: ReadonlyMap<number, unknown>): YamlEdit {
  if (changes.size === 0) {
    return { text: source };
  }
  let current = source;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const { text, shared } = attempt(current, changes);
    if (text !== undefined) {
      return { text };
    }
    const plainer = shared.length > 0 ? writtenOut(current, shared) : undefined;
    if (plainer === undefined) {
      return { problem: `${PROBLEM}${placeText(current, shared)}` };
    }
    current = plainer;
  }
  return { problem: PROBLEM };
}

/** What aliases stand for may hold aliases; nobody nests them deeper. */
const MAX_ROUNDS = 20;
const PROBLEM = 'cannot edit the file: its YAML does not let values be put in where they belong, wanted block style';

interface SharedPlace {
  readonly document: Document;
  readonly node: Shared;
}

interface Attempt {
  /** Undefined: the text cannot be edited as it is. */
  readonly text?: string;
  /** What is to be written out where it stands, since it changes in this place alone. */
  readonly shared: readonly SharedPlace[];
}

function attempt(source: string, changes: ReadonlyMap<number, unknown>): Attempt {
  const documents = readDocuments(source);
  const edited: { readonly document: Document; readonly edits: readonly TextEdit[] }[] = [];
  const shared: SharedPlace[] = [];
  for (const [index, after] of changes) {
    const document = documents[index];
    if (document === undefined) {
      return { shared };
    }
    const collected = collectEdits({ source, document, after });
    edited.push({ document, edits: collected.edits });
    shared.push(...collected.shared.map((node) => ({ document, node })));
  }
  if (shared.length > 0) {
    return { shared };
  }
  const edits = edited.flatMap((one) => one.edits);
  const text = applyEdits(source, edits);
  if (text !== undefined && holds(text, documents, changes)) {
    return { text, shared };
  }
  return { shared: edited.flatMap(aliasesOfEdited) };
}

/** The aliases of nodes that are edited: they are not to change with them. */
function aliasesOfEdited({ document, edits }: { document: Document; edits: readonly TextEdit[] }): SharedPlace[] {
  const found: SharedPlace[] = [];
  visit(document, {
    Alias: (_key, node) => {
      const [start, , end] = node.resolve(document)?.range ?? [0, 0, -1];
      if (edits.some((edit) => edit.start <= end && edit.end >= start)) {
        found.push({ document, node });
      }
    },
  });
  return found;
}

/** Undefined: there is one that cannot be written out. */
function writtenOut(source: string, shared: readonly SharedPlace[]): string | undefined {
  const edits: TextEdit[] = [];
  for (const { document, node } of shared) {
    const written = { source, document };
    if (isAlias(node)) {
      const text = exactText(written, node);
      if (text === undefined || !node.range) {
        return undefined;
      }
      edits.push({ start: node.range[0], end: node.range[1], text });
      continue;
    }
    const merged = mergeEdits(written, node);
    if (merged === undefined) {
      return undefined;
    }
    edits.push(...merged);
  }
  return applyEdits(source, edits);
}

/** The pairs that are merged in take the place of the first `<<`. */
function mergeEdits(written: Written, node: YAMLMap<Node, Node | null>): TextEdit[] | undefined {
  const pairs = mergedPairs(written, node);
  const [first, ...others] = node.items.filter(isMerge);
  if (pairs === undefined || pairs.length === 0 || first?.key.range == null || others.length > 0) {
    return undefined;
  }
  const lines = new TextLines(written.source);
  const [start] = first.key.range;
  const margin = lines.lineEnd + ' '.repeat(lines.columnOf(start));
  const text = pairs.join(node.flow === true ? ', ' : margin);
  return [{ start, end: first.value?.range?.[1] ?? start, text }];
}

function placeText(source: string, shared: readonly SharedPlace[]): string {
  const start = shared[0]?.node.range?.[0];
  return start === undefined
    ? ''
    : ` and no aliases of values with tags (line ${source.slice(0, start).split('\n').length})`;
}

/** Undefined: two edits want the same place (what is taken out twice is taken out). Edits at one offset are applied in their order. */
function applyEdits(source: string, edits: readonly TextEdit[]): string | undefined {
  const ordered = [...edits].sort((left, right) => left.start - right.start);
  let text = '';
  let offset = 0;
  for (const edit of ordered) {
    if (edit.start < offset && edit.text !== '') {
      return undefined;
    }
    text += source.slice(offset, Math.max(offset, edit.start)) + edit.text;
    offset = Math.max(offset, edit.end);
  }
  text += source.slice(offset);
  return source.endsWith('\n') ? text : text.replace(/\r?\n$/, '');
}

/** Whether the edited text says what it should, and everything else what it said. */
function holds(text: string, before: readonly Document[], changes: ReadonlyMap<number, unknown>): boolean {
  const documents = readDocuments(text);
  const hasErrors = documents.some((document) => document.errors.length > 0);
  return (
    !hasErrors &&
    documents.length === before.length &&
    documents.every((document, index) =>
      isSame(documentValue(document), changes.has(index) ? changes.get(index) : valueAt(before, index)),
    )
  );
}

function valueAt(documents: readonly Document[], index: number): unknown {
  const document = documents[index];
  return document === undefined ? undefined : documentValue(document);
}
