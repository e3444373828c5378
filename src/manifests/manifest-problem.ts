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
  const before = source.slice(0, offset);
  const column = [...before.slice(before.lastIndexOf('\n') + 1)].length + 1;
  const other = otherOffset === undefined ? '' : ` ${lineOf(source, otherOffset)}`;
  return { line: lineOf(source, offset), column, message: message + other };
}

function lineOf(source: string, offset: number): number {
  return source.slice(0, offset).split('\n').length;
}

/** Formats a problem as `FILE:LINE:COLUMN: MESSAGE`, as far as the position is known. */
export function problemText(file: string, { line, column, message }: ManifestProblem): string {
  const name = file === '-' ? '<stdin>' : file;
  const place = [name, line, column].filter((part) => part !== undefined).join(':');
  return `${place}: ${message}`;
}
