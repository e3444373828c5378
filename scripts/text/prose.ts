/**
 * Splits prose into sentences, and replaces inline code in it. Pure.
 */

/** Placeholder for inline code, so that the rest of the sentence is still a sentence. */
const INLINE_CODE = '`code`';

/** Replaces inline code, because the rules for prose do not apply to it. Line breaks inside the code are kept. */
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
/** Matches the end of an abbreviation or of the number of a list item, whose full stop does not end a sentence. */
const ABBREVIATION = /(?:\b(?:e\.g|i\.e|etc|vs|cf)|(?:^|\n)\s*\d+)\.$/;

/** Returns sentences, list items and paragraphs in the order of the text. */
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
