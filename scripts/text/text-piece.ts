/**
 * Extracts the texts of a file that people read, with their lines and contexts. Pure.
 *
 * 1. A piece contains no program code: inline code in prose is replaced by `INLINE_CODE`, and fenced code is omitted.
 * 2. The text of a piece has as many line breaks as its lines in the file, so that a position in the text determines the line in the file.
 */
import { extname } from 'node:path';
import { hashComments, luaComments, slashComments } from './line-comments.ts';
import { markdownProse } from './markdown-prose.ts';
import { scriptPieces } from './script-pieces.ts';

/** Kind of text. A `string` is a text in code that people read in a terminal or a log. */
export type TextContext = 'comment' | 'string' | 'test-name' | 'docs';

export interface TextPiece {
  readonly context: TextContext;
  /** Line of the file, counted from 1. */
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

/** Returns the texts of a file, whose extension determines the format. Returns no texts for files that contain no prose. */
export function textPieces(path: string, content: string): TextPiece[] {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name === 'NOTES.txt') {
    return markdownProse(content);
  }
  const reader = READERS[extname(name)] ?? (HASH_COMMENT_NAMES.has(name) ? hashComments : undefined);
  return reader === undefined ? [] : reader(content);
}
