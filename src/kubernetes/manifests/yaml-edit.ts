/**
 * Changes values in a YAML text and leaves the text around them as it is, byte for byte: comments, quotes, indentation, order.
 *
 * The nodes of the `yaml` package say where each value stands. What differs between the value before and after becomes edits of the text:
 * lines put in or taken out in block style, parts put in or taken out in flow style. The result is read again and compared; where the
 * text cannot be edited like that (keys merged from elsewhere, say), `editYaml` says so and changes nothing.
 */
import { type Document, isAlias, visit } from 'yaml';
import { isSame } from '../json.ts';
import { documentValue, readDocuments } from './yaml-documents.ts';
import { collectEdits, type TextEdit } from './yaml-edits.ts';

export type YamlEdit = { readonly text: string } | { readonly problem: string };

/** What the documents of a text hold; a document that changes is given with its new value, one that stays is not in the map. */
export function editYaml(source: string, changes: ReadonlyMap<number, unknown>): YamlEdit {
  if (changes.size === 0) {
    return { text: source };
  }
  const direct = attempt(source, changes);
  if (direct !== undefined) {
    return { text: direct };
  }
  // An anchor's node was edited and its aliases with it, or the other way round: each alias becomes what it stands for.
  const plain = withoutAliases(source, changes);
  const edited = attempt(plain, changes);
  return edited === undefined
    ? { problem: 'Cannot edit the file: its YAML does not let values be put in where they belong, wanted block style' }
    : { text: edited };
}

function attempt(source: string, changes: ReadonlyMap<number, unknown>): string | undefined {
  const documents = readDocuments(source);
  const edits: TextEdit[] = [];
  for (const [index, after] of changes) {
    const document = documents[index];
    if (document === undefined) {
      return undefined;
    }
    edits.push(...collectEdits({ source, document, after }));
  }
  const text = applyEdits(source, edits);
  return text !== undefined && holds(text, documents, changes) ? text : undefined;
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

/** Aliases of the documents that change, written out in flow style. */
function withoutAliases(source: string, changes: ReadonlyMap<number, unknown>): string {
  const documents = readDocuments(source);
  const edits: TextEdit[] = [];
  for (const index of changes.keys()) {
    const document = documents[index];
    if (document === undefined) {
      continue;
    }
    visit(document, (_key, node) => {
      if (isAlias(node) && node.range) {
        const value: unknown = node.resolve(document)?.toJS(document);
        edits.push({ start: node.range[0], end: node.range[1], text: JSON.stringify(value ?? null) });
      }
    });
  }
  return applyEdits(source, edits) ?? source;
}
