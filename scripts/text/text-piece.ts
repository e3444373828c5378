/**
 * The texts of a file that people read, each with its place and context. Pure.
 *
 * Invariants:
 *   1. A piece never holds program code: inline code in prose is replaced by `INLINE_CODE`, code fences are left out.
 *   2. The text of a piece has as many line breaks as the lines that it comes from, so that a position in it gives the line in the file.
 */
import { extname } from 'node:path';
import { hashComments, luaComments, slashComments } from './line-comments.ts';
import { markdownProse } from './markdown-prose.ts';
import { scriptPieces } from './script-pieces.ts';

/** Where a text stands: what people read in a terminal or log is a `string`. */
export type TextContext = 'comment' | 'string' | 'test-name' | 'docs';

export interface TextPiece {
  readonly context: TextContext;
  /** 1 for the first line of the file. */
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

/** Texts of a file by its extension; none for kinds of files that hold no prose. */
export function textPieces(path: string, content: string): TextPiece[] {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name === 'NOTES.txt') {
    return markdownProse(content);
  }
  const reader = READERS[extname(name)] ?? (HASH_COMMENT_NAMES.has(name) ? hashComments : undefined);
  return reader === undefined ? [] : reader(content);
}
