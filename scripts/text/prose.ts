/**
 * Splits texts into sentences and replaces inline code in the sentences. Performs no I/O.
 */

/** Placeholder for inline code. The placeholder is a word, so that the sentence stays complete. */
const INLINE_CODE = '`code`';

/**
 * Replaces inline code with a placeholder, because the rules for prose do not apply to code. Keeps the line breaks of
 * the code.
 */
export function withoutInlineCode(text: string): string {
  return text.replaceAll(/`[^`]*`/g, (code) => INLINE_CODE + '\n'.repeat(code.split('\n').length - 1));
}

export interface Sentence {
  /** Number of line breaks before the sentence in its text. */
  readonly lineOffset: number;
  /** Text of the sentence without line breaks. */
  readonly text: string;
}

/** Matches a full stop before a capital letter, inline code or a file name; a blank line; or the marker of a list item. */
const SENTENCE_END =
  /(?<=[.!?:]["')\]]?)\s+(?=["'([`]*(?:[A-Z0-9`]|[a-z][\w/-]*\.(?:md|ts|lua|js|go|proto)\b))|\n\s*\n|\n\s*(?=(?:[-*]|\d+\.)\s)/;
/** Matches a text whose last period belongs to an abbreviation or to the number of a list item. */
const ABBREVIATION = /(?:\b(?:e\.g|i\.e|etc|vs|cf)|(?:^|\n)\s*\d+)\.$/;

/** Returns the sentences of the text in order. The end of a list item or paragraph also ends a sentence. */
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
