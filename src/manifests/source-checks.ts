/**
 * Finds characters and texts that make a whole file unreadable for kubectl, before the file is parsed.
 *
 * The `yaml` package would accept most of them and read something else than kubectl.
 */
import { Lexer } from 'yaml';
import type { SourceProblem } from './manifest-problem.ts';

/** Returns the first such problem of a JSON text. In valid JSON, only line ends can be a problem. */
export function checkJsonText(source: string): SourceProblem | undefined {
  return oldLineEnd(source);
}

/** Returns the first such problem of a YAML text. */
export function checkYamlText(source: string): SourceProblem | undefined {
  return controlCharacter(source) ?? oldLineEnd(source) ?? strayMark(source) ?? misreadText(source);
}

/** Characters that no YAML reader accepts: control characters, halves of surrogate pairs and U+FFFE. */
const CONTROL = /[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu;
const ALLOWED_CONTROL = '\t\n\r\u0085';

function controlCharacter(source: string): SourceProblem | undefined {
  for (const match of source.matchAll(CONTROL)) {
    if (!ALLOWED_CONTROL.includes(match[0])) {
      const message = `cannot read the file as YAML: it contains the control character ${codeOf(match[0])}; remove it, or write it as an escape sequence in double quotes`;
      return { offset: match.index, message };
    }
  }
  return undefined;
}

/** YAML reads a carriage return as a line end, but editors and the `yaml` package do not. */
function oldLineEnd(source: string): SourceProblem | undefined {
  const offset = source.search(/\r(?!\n)/);
  if (offset < 0) {
    return undefined;
  }
  const cause = source.includes('\n') ? 'a line ends with CR' : 'all lines end with CR';
  return { offset, message: `cannot read the file as YAML: ${cause}; convert the line ends to LF or CRLF` };
}

/** A byte order mark within the file would become a part of the first key. */
function strayMark(source: string): SourceProblem | undefined {
  const offset = source.search(/^\uFEFF/m);
  return offset < 0
    ? undefined
    : {
        offset,
        message: 'cannot read the file as YAML: a byte order mark (U+FEFF) must be at the start of the file; remove it',
      };
}

/** Texts that need a closer look: templates, line ends of Unicode, and colons without a space. */
const SUSPECT = /\{\{|[\u0085\u2028\u2029]|:[,\]}]/;
const UNICODE_LINE_END = /[\u0085\u2028\u2029]/;
/** Empty scalars, and lexemes that mark the start of a document, an error in flow style, and the start of a scalar. */
const EMPTY_LEXEMES = ['', '\u0002', '\u0018', '\u001F'];

/** Finds texts outside of quotes that the `yaml` package reads in another way than kubectl. */
function misreadText(source: string): SourceProblem | undefined {
  if (!SUSPECT.test(source)) {
    return undefined;
  }
  let offset = 0;
  let before = '';
  let previous = '';
  for (const lexeme of new Lexer().lex(source)) {
    if (EMPTY_LEXEMES.includes(lexeme)) {
      continue;
    }
    const problem =
      braceProblem(source, { offset, previous, lexeme }) ??
      colonProblem({ offset, before, previous, lexeme }) ??
      lineEndProblem(source, { offset, lexeme });
    if (problem !== undefined) {
      return problem;
    }
    offset += lexeme.length;
    before = previous;
    previous = lexeme;
  }
  return undefined;
}

interface LexemePlace {
  readonly offset: number;
  readonly lexeme: string;
  readonly previous: string;
  /** Lexeme before the previous lexeme. */
  readonly before: string;
}

/** Two opening braces begin an expression of a template. They are never valid YAML, because a key must be a string. */
function braceProblem(
  source: string,
  { offset, previous, lexeme }: Omit<LexemePlace, 'before'>,
): SourceProblem | undefined {
  return previous === '{' && lexeme === '{' ? templateProblem(source, offset - 1) : undefined;
}

/** kubectl reads `{name:, image: x}` with the key `name:`, and `{"name":, image: x}` with the key `name`. */
function colonProblem({ offset, before, previous, lexeme }: LexemePlace): SourceProblem | undefined {
  return previous === ':' && [',', '}', ']'].includes(lexeme) && !isQuoted(before)
    ? { offset, message: `cannot read the file as YAML: a colon must be followed by a space, got "${lexeme}"` }
    : undefined;
}

/** kubectl ends the line at a line end of Unicode, and the `yaml` package does not. */
function lineEndProblem(
  source: string,
  { offset, lexeme }: Pick<LexemePlace, 'offset' | 'lexeme'>,
): SourceProblem | undefined {
  const index = isQuoted(lexeme) ? -1 : lexeme.search(UNICODE_LINE_END);
  if (index < 0) {
    return undefined;
  }
  const [rest = ''] = source.slice(offset + index).split('\n', 1);
  // At the end of a comment or of a line in a block of text, one more line end changes no decision.
  if (!/[^\s\u0085]/.test(rest) && (lexeme.startsWith('#') || lexeme.includes('\n'))) {
    return undefined;
  }
  const code = codeOf(rest.charAt(0));
  const message = `cannot read the file as YAML: kubectl ends the line at ${code}; remove the character, or write it as an escape sequence in double quotes`;
  return { offset: offset + index, message };
}

function isQuoted(lexeme: string): boolean {
  return lexeme.startsWith('"') || lexeme.startsWith("'");
}

const MAX_SHOWN_CHARACTERS = 60;
export const RENDER_FIRST = 'render the template first (was helm template left out?)';

function templateProblem(source: string, offset: number): SourceProblem {
  const [line = ''] = source.slice(offset, offset + MAX_SHOWN_CHARACTERS).split('\n', 1);
  const end = line.indexOf('}}');
  const expression = end < 0 ? '{{' : line.slice(0, end + 2);
  const message = `cannot read the file as YAML: ${expression} is an expression of a template; ${RENDER_FIRST}`;
  return { offset, message };
}

function codeOf(character: string): string {
  return `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}
