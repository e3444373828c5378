/**
 * Splits the readable texts of a file into sentences with their context and line. Performs no I/O.
 */
import { sentencesOf } from './prose.ts';
import { type TextContext, textPieces } from './text-piece.ts';

export interface FileSentence {
  readonly context: TextContext;
  /** Number of the line on which the sentence begins, from 1. */
  readonly line: number;
  readonly text: string;
}

/** Returns the sentences of a file in the order of its texts. The extension of `path` selects the language. */
export function fileSentences(path: string, content: string): FileSentence[] {
  return textPieces(path, content).flatMap((piece) =>
    sentencesOf(piece.text).map(({ lineOffset, text }) => ({
      context: piece.context,
      line: piece.line + lineOffset,
      text,
    })),
  );
}
