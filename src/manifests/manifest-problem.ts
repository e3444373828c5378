/**
 * Describes errors in a manifest file, with their positions as editors show them.
 */

export interface ManifestProblem {
  /** Line, counted from 1. Absent if the problem has no place in the file. */
  readonly line?: number;
  /** Column in characters, counted from 1. A byte order mark does not count. */
  readonly column?: number;
  readonly message: string;
}

/** Problem at an offset of the text. */
export interface SourceProblem {
  readonly offset: number;
  readonly message: string;
  /** Offset of another place, whose line the message names at its end. */
  readonly otherOffset?: number;
}

export function positionedProblem(source: string, { offset, message, otherOffset }: SourceProblem): ManifestProblem {
  const lines = new LineIndex(source);
  const other = otherOffset === undefined ? '' : ` ${lines.positionOf(otherOffset).line}`;
  return { ...lines.positionOf(offset), message: message + other };
}

/** Finds lines and columns in a text, whose line ends it searches once. */
export class LineIndex {
  readonly #source: string;
  /** Offsets of the starts of the lines, in ascending order. */
  readonly #starts: readonly number[];

  constructor(source: string) {
    this.#source = source;
    const starts = [0];
    for (let end = source.indexOf('\n'); end >= 0; end = source.indexOf('\n', end + 1)) {
      starts.push(end + 1);
    }
    this.#starts = starts;
  }

  positionOf(offset: number): { readonly line: number; readonly column: number } {
    let line = 1;
    let after = this.#starts.length;
    while (after - line > 0) {
      const middle = Math.floor((line + after) / 2);
      if ((this.#starts[middle] ?? 0) <= offset) {
        line = middle + 1;
      } else {
        after = middle;
      }
    }
    const start = this.#starts[line - 1] ?? 0;
    return { line, column: [...this.#source.slice(start, offset)].length + 1 };
  }
}

/** Returns the character at an offset in quotes, for texts that end in `got ...`. */
export function foundAt(source: string, offset: number): string {
  const code = source.codePointAt(offset);
  return code === undefined
    ? 'the end of the file'
    : JSON.stringify(String.fromCodePoint(code)).replace(/^"\\""$/, `'"'`);
}

/** Formats a problem as `FILE:LINE:COLUMN: MESSAGE`, as far as the position is known. */
export function problemText(file: string, { line, column, message }: ManifestProblem): string {
  const name = file === '-' ? '<stdin>' : file;
  const place = [name, line, column].filter((part) => part !== undefined).join(':');
  return `${place}: ${message}`;
}
