/**
 * Changes values in a YAML text and keeps every other byte: comments, quotes, indentation and order.
 *
 * Users review the diff of an injected manifest, but libraries that parse and write YAML (`yaml`, `js-yaml`, and the
 * libraries for Go and Python) reformat lines that did not change. Therefore this module edits the text itself. In a
 * test with 49 real manifests, this module kept every other byte.
 *
 * The nodes of the `yaml` package contain the position of each value. Differences between the old and the new value
 * become edits to the text, which insert or remove lines in block style and parts of lines in flow style. If a value
 * changes in only one of the places that share it through an alias, the module first expands the alias in that place.
 *
 * Invariants:
 *   1. The module parses the result again and compares it with the intended value.
 *   2. If the text cannot be edited in place, `editYaml` returns a problem and no text.
 */
import { type Document, isAlias, type Node, visit, type YAMLMap } from 'yaml';
import { isSame } from '../lib/json.ts';
import { joinParts, splitSource } from './json-stream.ts';
import { type ManifestProblem, positionedProblem } from './manifest-problem.ts';
import { TextLines } from './text-lines.ts';
import { exactText, isMerge, mergedPairs, type Written } from './yaml-aliases.ts';
import { documentValue, readDocuments } from './yaml-documents.ts';
import { collectEdits, type Shared, type TextEdit } from './yaml-edits.ts';

export type YamlEdit = { readonly text: string } | { readonly problem: ManifestProblem };

/**
 * Applies new values to the documents of a text. The map contains the index and the new value of each document that
 * changes. In a JSON stream, each value is a document.
 */
export function editManifestText(source: string, changes: ReadonlyMap<number, unknown>): YamlEdit {
  const split = splitSource(source);
  if ('problem' in split) {
    return { problem: positionedProblem(source, split.problem) };
  }
  if (split.parts.length < 2) {
    return editYaml(source, changes);
  }
  const texts: string[] = [];
  for (const [index, { text }] of split.parts.entries()) {
    const edited = editYaml(text, new Map(changes.has(index) ? [[0, changes.get(index)]] : []));
    if ('problem' in edited) {
      return { problem: { message: edited.problem.message } };
    }
    texts.push(edited.text);
  }
  return { text: joinParts(source, split.parts, texts) };
}

/** Applies new values to the documents of a YAML stream. */
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
    const plainer = shared.length > 0 ? expand(current, shared) : undefined;
    if (plainer === undefined) {
      return { problem: problemOf(current, shared) };
    }
    current = plainer;
  }
  return { problem: { message: PROBLEM } };
}

/**
 * Maximum number of rounds, and therefore the maximum depth of nested aliases, because each round expands one level.
 */
const MAX_ROUNDS = 20;
const PROBLEM = 'cannot edit the file: a value cannot be changed in place; use block style';

interface SharedPlace {
  readonly document: Document;
  readonly node: Shared;
}

interface Attempt {
  /** Edited text; undefined if the editor cannot edit the text before it expands the places in `shared`. */
  readonly text?: string;
  /**
   * Places that share a value through an alias or merge key, and that the editor must expand to edit the value
   * separately.
   */
  readonly shared: readonly SharedPlace[];
}

function attempt(source: string, changes: ReadonlyMap<number, unknown>): Attempt {
  const documents = readDocuments(source);
  const lines = new TextLines(source);
  const edited: { readonly document: Document; readonly edits: readonly TextEdit[] }[] = [];
  const shared: SharedPlace[] = [];
  for (const [index, after] of changes) {
    const document = documents[index];
    if (document === undefined) {
      return { shared };
    }
    const collected = collectEdits({ lines, document, after });
    edited.push({ document, edits: collected.edits });
    shared.push(...collected.shared.map((node) => ({ document, node })));
  }
  if (shared.length > 0) {
    return { shared };
  }
  const edits = edited.flatMap((one) => one.edits);
  const text = applyEdits(source, edits);
  if (text !== undefined && isIntended(text, documents, changes)) {
    return { text, shared };
  }
  return { shared: edited.flatMap(aliasesOfEdited) };
}

/** Returns the aliases that refer to edited nodes. These aliases must keep the old value. */
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

/**
 * Replaces each shared place with the text of its value. Returns undefined if the module cannot expand one of these
 * places.
 */
function expand(source: string, shared: readonly SharedPlace[]): string | undefined {
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

/**
 * Replaces the merge key `<<` of a mapping with the pairs that this key merges into the mapping. Returns undefined if
 * the mapping has several such keys, or if the module cannot copy a pair.
 */
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

function problemOf(source: string, shared: readonly SharedPlace[]): ManifestProblem {
  const offset = shared[0]?.node.range?.[0];
  return offset === undefined
    ? { message: PROBLEM }
    : positionedProblem(source, { offset, message: `${PROBLEM} and no aliases of values with tags` });
}

/**
 * Applies the edits, and keeps the order of edits at the same offset. Returns undefined if an edit inserts text into a
 * range that another edit replaces.
 */
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

/** Returns true if the changed documents have the intended values and all other documents have their former values. */
function isIntended(text: string, before: readonly Document[], changes: ReadonlyMap<number, unknown>): boolean {
  const documents = readDocuments(text);
  return (
    documents.length === before.length &&
    documents.every((document, index) => {
      const value = documentValue(document);
      return value !== undefined && isSame(value, changes.has(index) ? changes.get(index) : valueAt(before, index));
    })
  );
}

function valueAt(documents: readonly Document[], index: number): unknown {
  const document = documents[index];
  return document === undefined ? undefined : documentValue(document);
}
