/**
 * Prose in pieces of text: inline code and sentences. Pure.
 */

/** Stands for inline code, so that a sentence stays a sentence. */
const INLINE_CODE = '`code`';

/** Replaces inline code, which follows other rules than prose; line breaks inside it are kept. */
export function withoutInlineCode(text: string): string {
  return text.replaceAll(/`[^`]*`/g, (code) => INLINE_CODE + '\n'.repeat(code.split('\n').length - 1));
}

export interface Sentence {
  /** Number of line breaks before it in its text. */
  readonly lineOffset: number;
  /** On one line. */
  readonly text: string;
}

const SENTENCE_END = /(?<=[.!?:]["')\]]?)\s+(?=["'([`]?[A-Z0-9`])|\n\s*\n|\n\s*(?=(?:[-*]|\d+\.)\s)/;
/** Ends with a full stop that does not end a sentence: an abbreviation, or the number of a list item. */
const ABBREVIATION = /(?:\b(?:e\.g|i\.e|etc|vs|cf)|(?:^|\n)\s*\d+)\.$/;

/** Sentences, list items and paragraphs in their order. */
export function sentencesOf(text: string): Sentence[] {
  const sentences: Sentence[] = [];
  let rest = text;
  let lineOffset = 0;
  let pending = '';
  while (rest !== '') {
    const match = SENTENCE_END.exec(rest);
    const end = match === null ? rest.length : match.index;
    const next = match === null ? rest.length : match.index + match[0].length;
    const part = pending + rest.slice(0, end);
    if (match !== null && ABBREVIATION.test(part)) {
      pending = `${part} `;
    } else {
      pending = '';
      const line = part.replaceAll(/\s+/g, ' ').trim();
      if (line !== '') {
        sentences.push({ lineOffset, text: line });
      }
    }
    lineOffset += rest.slice(0, next).split('\n').length - 1;
    rest = rest.slice(next);
  }
  return sentences;
}
