/**
 * Converts between offsets and lines of a YAML text.
 */
import { isCollection, isScalar, type Node, type Pair } from 'yaml';

export class TextLines {
  readonly lineEnd: string;
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
    this.lineEnd = source.includes('\r\n') ? '\r\n' : '\n';
  }

  startOfLine(offset: number): number {
    return this.#source.lastIndexOf('\n', offset - 1) + 1;
  }

  columnOf(offset: number): number {
    return offset - this.startOfLine(offset);
  }

  text(start: number, end: number): string {
    return this.#source.slice(start, end);
  }

  /** Returns the indentation of the line. */
  marginOf(offset: number): string {
    const start = this.startOfLine(offset);
    let end = start;
    while (this.#source[end] === ' ' || this.#source[end] === '\t') {
      end += 1;
    }
    return this.#source.slice(start, end);
  }

  /**
   * Returns the offset of the next line. If the text ends without a line break, returns the end of the text with
   * `isTerminated: false`.
   */
  afterLine(offset: number): { readonly offset: number; readonly isTerminated: boolean } {
    // Treats an offset right after a line break as a part of the line that this line break terminates.
    const from = offset > 0 && this.#source[offset - 1] === '\n' ? offset - 1 : offset;
    const end = this.#source.indexOf('\n', from);
    return end < 0 ? { offset: this.#source.length, isTerminated: false } : { offset: end + 1, isTerminated: true };
  }

  /**
   * Returns the start of the line with the dash of a list item. The content of the item begins at `offset`, and the
   * dash is in `column`.
   */
  dashLine(offset: number, column: number): number {
    let start = this.startOfLine(offset);
    while (start > 0 && this.#source[start + column] !== '-') {
      start = this.startOfLine(start - 1);
    }
    return start;
  }

  /** Returns the start of the comment lines directly above, or `lineStart` if there are none. */
  aboveComments(lineStart: number): number {
    let start = lineStart;
    while (start > 0) {
      const above = this.startOfLine(start - 1);
      if (!this.#source.slice(above, start).trimStart().startsWith('#')) {
        break;
      }
      start = above;
    }
    return start;
  }

  /** Returns the end of the text between two offsets, without trailing white space. */
  trimEnd(start: number, end: number): number {
    return start + this.#source.slice(start, end).trimEnd().length;
  }
}

/**
 * Returns the end of a node. A collection in block style ends with its last item, not with the comments below that
 * item.
 */
export function endOfContent(node: Node): number {
  if (isCollection(node) && node.flow !== true) {
    const last = node.items.at(-1) as Node | Pair<Node, Node | null> | undefined;
    if (last !== undefined && 'key' in last) {
      return Math.max(endOfContent(last.key), last.value === null ? 0 : endOfContent(last.value));
    }
    if (last !== undefined) {
      return endOfContent(last);
    }
  }
  if (isScalar(node) && node.range && node.range[1] === node.range[0]) {
    return node.range[0];
  }
  return node.range?.[1] ?? 0;
}
