/**
 * Extracts the texts of a file that people read, each with its line and context. Performs no I/O.
 *
 * Invariants:
 *   1. A piece never contains program code: a placeholder replaces inline code, and the module omits code fences.
 *   2. A piece keeps the line breaks of its source, so that a position in the piece determines the line in the file.
 */
import { extname } from 'node:path';
import { hashComments, luaComments, slashComments } from './line-comments.ts';
import { markdownProse } from './markdown-prose.ts';
import { scriptPieces } from './script-pieces.ts';

/** Kind of a text. A `string` is a text that people read in a terminal or log. */
export type TextContext = 'comment' | 'string' | 'test-name' | 'docs';

export interface TextPiece {
  readonly context: TextContext;
  /** Line of the file where the piece begins, counted from 1. */
  readonly line: number;
  readonly text: string;
}

type Reader = (content: string) => TextPiece[];

const READERS: Readonly<Record<string, Reader>> = {
  '.ts': scriptPieces,
  '.js': scriptPieces,
  '.mjs': scriptPieces,
  '.md': markdownProse,
  '.lua': luaComments,
  '.proto': slashComments,
  '.go': slashComments,
  '.java': slashComments,
  '.rs': slashComments,
  '.py': hashComments,
  '.sh': hashComments,
  '.yaml': hashComments,
  '.yml': hashComments,
  '.tpl': hashComments,
  '.toml': hashComments,
};

const HASH_COMMENT_NAMES = new Set(['Makefile', 'Dockerfile', 'run', 'pannier', '.editorconfig']);

/** Returns the texts of a file, or an empty list if no rule for its name or extension exists. */
export function textPieces(path: string, content: string): TextPiece[] {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name === 'NOTES.txt') {
    return markdownProse(content);
  }
  const reader = READERS[extname(name)] ?? (HASH_COMMENT_NAMES.has(name) ? hashComments : undefined);
  return reader === undefined ? [] : reader(content);
}
