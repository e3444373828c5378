/**
 * Extracts the comments of languages in which a comment ends at the end of its line. Performs no I/O.
 *
 * Invariants:
 *   1. Comments on consecutive lines form one piece.
 *   2. A comment marker inside a quoted string does not begin a comment.
 */
import { withoutInlineCode } from './prose.ts';
import type { TextPiece } from './text-piece.ts';

export function hashComments(content: string): TextPiece[] {
  return lineComments(content, '#');
}

export function luaComments(content: string): TextPiece[] {
  return lineComments(content, '--');
}

export function slashComments(content: string): TextPiece[] {
  return lineComments(content, '//');
}

function lineComments(content: string, marker: string): TextPiece[] {
  const pieces: TextPiece[] = [];
  let lines: string[] = [];
  let firstLine = 0;
  const flush = (): void => {
    if (lines.length > 0) {
      pieces.push({ context: 'comment', line: firstLine, text: withoutInlineCode(lines.join('\n')) });
      lines = [];
    }
  };
  for (const [index, line] of content.split('\n').entries()) {
    const comment = commentOf(line, marker);
    if (comment === undefined || comment.trim() === '') {
      flush();
      continue;
    }
    const isTrailing = line.trimStart().startsWith(marker) === false;
    if (isTrailing) {
      flush();
    }
    if (lines.length === 0) {
      firstLine = index + 1;
    }
    lines.push(comment);
    if (isTrailing) {
      flush();
    }
  }
  flush();
  return pieces;
}

/** Returns the text after the marker, or undefined if the line has no comment. */
function commentOf(line: string, marker: string): string | undefined {
  if (line.startsWith('#!')) {
    return undefined;
  }
  let quote: string | undefined;
  for (let position = 0; position < line.length; position += 1) {
    const character = line[position] ?? '';
    if (quote !== undefined) {
      quote = character === quote ? undefined : quote;
      continue;
    }
    const isBoundary = position === 0 || /\s/.test(line[position - 1] ?? '');
    if (isBoundary && line.startsWith(marker, position)) {
      return line.slice(position).replace(/^[#/-]+!?\s?/, '');
    }
    const isQuote = character === '"' || character === "'" || character === '`';
    if (isQuote && isBoundary) {
      quote = character;
    }
  }
  return undefined;
}
