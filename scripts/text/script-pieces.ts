/**
 * Extracts the comments, strings and test names of a TypeScript or JavaScript file. Performs no I/O.
 *
 * Invariants:
 *   1. Comments on consecutive lines form one piece.
 *   2. A string that is the first argument of test, it or describe (also .each) is a test name. The module extracts
 *      other strings only if they contain at least two words.
 *   3. In the text of a template literal, "x" replaces each expression.
 */
import jsTokens, { type Token } from 'js-tokens';
import { withoutInlineCode } from './prose.ts';
import type { TextPiece } from './text-piece.ts';

const TEST_FUNCTIONS = new Set(['test', 'it', 'describe', 'each']);

export function scriptPieces(content: string): TextPiece[] {
  return new ScriptReader().read(content);
}

class ScriptReader {
  readonly #pieces: TextPiece[] = [];
  #line = 1;
  /** Most recent tokens that are neither white space nor comments. */
  #before: string[] = [];
  #comment: { line: number; lines: string[] } | undefined;
  /** Open template literals, from the outermost to the innermost. */
  readonly #templates: { line: number; text: string; isTestName: boolean }[] = [];

  read(content: string): TextPiece[] {
    for (const token of jsTokens(content)) {
      this.#take(token);
      this.#line += token.value.split('\n').length - 1;
    }
    this.#endComment();
    return this.#pieces;
  }

  #take(token: Token): void {
    switch (token.type) {
      case 'WhiteSpace':
      case 'LineTerminatorSequence':
      case 'HashbangComment':
        return;
      case 'SingleLineComment':
        this.#addLineComment(token.value.replace(/^\/\/+\s?/, ''));
        return;
      case 'MultiLineComment':
        this.#endComment();
        this.#add('comment', this.#line, withoutInlineCode(blockText(token.value)));
        return;
      default:
        this.#endComment();
        this.#takeCode(token);
    }
  }

  #takeCode(token: Token): void {
    const isTestName = TEST_FUNCTIONS.has(this.#nameOfCall());
    switch (token.type) {
      case 'StringLiteral':
      case 'NoSubstitutionTemplate':
        this.#addString(this.#line, token.value.slice(1, -1), isTestName);
        break;
      case 'TemplateHead':
        this.#templates.push({ line: this.#line, text: token.value.slice(1, -2), isTestName });
        break;
      case 'TemplateMiddle':
        this.#appendToTemplate(token.value.slice(1, -2));
        break;
      case 'TemplateTail': {
        this.#appendToTemplate(token.value.slice(1, -1));
        const template = this.#templates.pop();
        if (template !== undefined) {
          this.#addString(template.line, template.text, template.isTestName);
        }
        break;
      }
      default:
        break;
    }
    this.#before = [...this.#before.slice(-3), token.value];
  }

  /**
   * Returns the name of the function whose call begins here: `test` for `test(`, `each` for `test.each(...)(`,
   * otherwise an empty string.
   */
  #nameOfCall(): string {
    const [name = '', parenthesis = ''] = this.#before.slice(-2);
    return parenthesis === '(' ? (name === ')' ? 'each' : name) : '';
  }

  #appendToTemplate(text: string): void {
    const template = this.#templates.at(-1);
    if (template !== undefined) {
      template.text += `x${text}`;
    }
  }

  #addString(line: number, raw: string, isTestName: boolean): void {
    const text = raw.replaceAll(/\\n|\\t/g, ' ').replaceAll(/\\(.)/g, '$1');
    if (isTestName || /[A-Za-z]{2,}[,;:]? [A-Za-z]{2,}/.test(text)) {
      this.#add(isTestName ? 'test-name' : 'string', line, text);
    }
  }

  #addLineComment(text: string): void {
    if (this.#comment !== undefined && this.#comment.line + this.#comment.lines.length !== this.#line) {
      this.#endComment();
    }
    this.#comment ??= { line: this.#line, lines: [] };
    this.#comment.lines.push(text);
  }

  #endComment(): void {
    if (this.#comment !== undefined) {
      const { line, lines } = this.#comment;
      this.#comment = undefined;
      this.#add('comment', line, withoutInlineCode(lines.join('\n')));
    }
  }

  #add(context: TextPiece['context'], line: number, text: string): void {
    if (text.trim() !== '') {
      this.#pieces.push({ context, line, text });
    }
  }
}

function blockText(comment: string): string {
  return comment
    .slice(2, -2)
    .replace(/^\*/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\*\s?/, ''))
    .join('\n');
}
