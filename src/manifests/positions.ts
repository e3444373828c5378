/**
 * Finds the line and column of a value in a YAML text by its path.
 */
import { type Document, isAlias, isMap, isSeq, type Node, type Pair } from 'yaml';
import { splitSource } from './json-stream.ts';
import { LineIndex, type ManifestProblem } from './manifest-problem.ts';
import type { Path } from './template-kinds.ts';
import { readDocuments } from './yaml-documents.ts';

export type Position = Pick<ManifestProblem, 'line' | 'column'>;

/** Finds positions in a text, which it parses once. */
export class Positions {
  readonly #text: string;
  #documents: readonly PlacedDocument[] | undefined;
  #lines: LineIndex | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  /**
   * Returns the position of a key or list item. If a part of the path comes from a merge key, returns the position of
   * the last part that does not.
   */
  find(documentIndex: number, path: Path): Position | undefined {
    this.#documents ??= placedDocuments(this.#text);
    const { document, start = 0 } = this.#documents[documentIndex] ?? {};
    let node = document?.contents ?? undefined;
    let offset = node?.range?.[0];
    for (const key of path) {
      const found = childOf(document, node, key);
      if (found === undefined) {
        break;
      }
      offset = found.offset ?? offset;
      node = found.node;
    }
    if (offset === undefined) {
      return undefined;
    }
    this.#lines ??= new LineIndex(this.#text);
    return this.#lines.positionOf(start + offset);
  }
}

interface PlacedDocument {
  readonly document: Document;
  /** Offset in the text that is offset 0 of the document's nodes. */
  readonly start: number;
}

function placedDocuments(text: string): PlacedDocument[] {
  const split = splitSource(text);
  const parts = 'parts' in split ? split.parts : [];
  return parts.flatMap((part) => readDocuments(part.text).map((document) => ({ document, start: part.offset })));
}

interface Child {
  readonly node: Node | undefined;
  readonly offset: number | undefined;
}

function childOf(document: Document | undefined, parent: unknown, key: string | number): Child | undefined {
  const node = isAlias(parent) && document !== undefined ? parent.resolve(document) : parent;
  if (isSeq<Node>(node) && typeof key === 'number') {
    const item = node.items[key];
    return item === undefined ? undefined : { node: item, offset: item.range?.[0] };
  }
  if (!isMap<Node, Node | null>(node)) {
    return undefined;
  }
  const pair: Pair<Node, Node | null> | undefined = node.items.find((item) => String(item.key) === String(key));
  return pair === undefined ? undefined : { node: pair.value ?? undefined, offset: pair.key.range?.[0] };
}
