/**
 * Parses JSON and reports the line and column of a syntax error. JSON.parse reports the positions of only some errors.
 *
 * An integer beyond 2^53 - 1 becomes a string of its digits, so that a later error quotes the number as it was written.
 */
export type ParsedJson = { readonly value: unknown } | { readonly problem: string };

export function parseJsonText(text: string): ParsedJson {
  try {
    return { value: JSON.parse(text, keepDigits) };
  } catch {
    return { problem: describe(text, offsetOfError(text)) };
  }
}

function keepDigits(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const { source = '' } = context ?? {};
  return typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? source : value;
}

const SPACE = /[ \t\n\r]*/y;
/**
 * Matches a string, number or literal. The character class excludes the quote, the backslash and control characters.
 */
const SCALAR =
  /"(?:[ !#-[\]-\uffff]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** Tokens that may come next. */
type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'comma or end';

/**
 * Returns the offset of the first character that cannot be part of valid JSON, or the length of the text if the JSON is
 * incomplete.
 */
function offsetOfError(text: string): number {
  const open: string[] = [];
  let expected: Expected = 'value';
  let offset = skip(text, 0, SPACE);
  for (;;) {
    const start = offset;
    const character = text.charAt(offset);
    switch (expected) {
      case 'colon':
        if (character !== ':') {
          return start;
        }
        expected = 'value';
        offset += 1;
        break;
      case 'comma or end':
        if (open.length === 0 || (character !== ',' && character !== open.at(-1))) {
          return start;
        }
        if (character === ',') {
          expected = open.at(-1) === '}' ? 'key' : 'value';
        } else {
          open.pop();
        }
        offset += 1;
        break;
      case 'key':
      case 'key or }':
        if (character === '}' && expected === 'key or }') {
          open.pop();
          expected = 'comma or end';
          offset += 1;
          break;
        }
        offset = character === '"' ? skip(text, offset, SCALAR) : offset;
        expected = 'colon';
        break;
      default:
        if (character === '{' || character === '[') {
          open.push(character === '{' ? '}' : ']');
          expected = character === '{' ? 'key or }' : 'value or ]';
          offset += 1;
        } else if (character === ']' && expected === 'value or ]') {
          open.pop();
          expected = 'comma or end';
          offset += 1;
        } else {
          offset = skip(text, offset, SCALAR);
          expected = 'comma or end';
        }
    }
    if (offset === start) {
      return start;
    }
    offset = skip(text, offset, SPACE);
  }
}

function skip(text: string, offset: number, pattern: RegExp): number {
  pattern.lastIndex = offset;
  return pattern.test(text) ? pattern.lastIndex : offset;
}

function describe(text: string, offset: number): string {
  const before = text.slice(0, offset).split('\n');
  const place = `line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`;
  const rest = text.slice(offset);
  if (rest === '') {
    return `${place}: unexpected end of the JSON`;
  }
  const [character = ''] = rest;
  if (character === '"') {
    return `${place}: the string is unterminated, or has a raw line break or an invalid escape`;
  }
  const hint = character === "'" ? '; use double quotes for strings' : '';
  return `${place}: unexpected ${JSON.stringify(character)}${hint}`;
}
