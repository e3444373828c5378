/**
 * Finds characters and texts that make a whole file unreadable for kubectl, before the file is parsed.
 *
 * The `yaml` package would accept most of them and read something else than kubectl.
 */
import { Lexer } from 'yaml';
import type { SourceProblem } from './manifest-problem.ts';

/** Returns the first such problem of a YAML text. */
export function checkYamlText(source: string): SourceProblem | undefined {
  return controlCharacter(source) ?? oldLineEnd(source) ?? strayMark(source) ?? unrenderedTemplate(source);
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

const UNICODE_LINE_END = /[\u0085\u2028\u2029]/;
/** Unicode line end that changes what kubectl reads, because text follows it in the same line. */
const CONTINUED_LINE = /[\u0085\u2028\u2029](?![\s\u0085\u2028\u2029])/;
const CONTINUED_COMMENT = /[\u0085\u2028\u2029](?=.*\S)/;

/**
 * Finds two opening braces, which begin an expression of a template and are never valid YAML, and line ends of Unicode
 * outside of quotes. kubectl ends the line there, and the `yaml` package does not.
 */
function unrenderedTemplate(source: string): SourceProblem | undefined {
  if (!source.includes('{{') && !UNICODE_LINE_END.test(source)) {
    return undefined;
  }
  let offset = 0;
  let previous = '';
  for (const lexeme of new Lexer().lex(source)) {
    if (previous === '{' && lexeme === '{') {
      return templateProblem(source, offset - 1);
    }
    const isQuoted = lexeme.startsWith('"') || lexeme.startsWith("'");
    const lineEnd = isQuoted ? -1 : lexeme.search(lexeme.startsWith('#') ? CONTINUED_COMMENT : CONTINUED_LINE);
    if (lineEnd >= 0) {
      const code = codeOf(lexeme.charAt(lineEnd));
      const message = `cannot read the file as YAML: kubectl ends the line at ${code}; remove the character, or write it as an escape sequence in double quotes`;
      return { offset: offset + lineEnd, message };
    }
    offset += CONTROL_LEXEMES.includes(lexeme) ? 0 : lexeme.length;
    previous = lexeme;
  }
  return undefined;
}

/** Lexemes that mark the start of a document, an error in flow style, and the start of a scalar. They have no text. */
const CONTROL_LEXEMES = ['\u0002', '\u0018', '\u001F'];
const MAX_SHOWN_CHARACTERS = 60;

function templateProblem(source: string, offset: number): SourceProblem {
  const [line = ''] = source.slice(offset, offset + MAX_SHOWN_CHARACTERS).split('\n', 1);
  const end = line.indexOf('}}');
  const expression = end < 0 ? '{{' : line.slice(0, end + 2);
  const message = `cannot read the file as YAML: ${expression} is an expression of a template; render the template first (was helm template left out?)`;
  return { offset, message };
}

function codeOf(character: string): string {
  return `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}
