/**
 * Parses JSON and says at which line and column a mistake stands. JSON.parse names the place of some mistakes only.
 *
 * An integer beyond 2^53 - 1 becomes its digits, a string, so that an error echoes what was written.
 */
export type ParsedJson = { readonly value: unknown } | { readonly problem: string };

export function parseJsonText(text: string): ParsedJson {
  try {
    return { value: JSON.parse(text, keepDigits) };
  } catch {
    return { problem: describe(text, offsetOfMistake(text)) };
  }
}

function keepDigits(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const { source = '' } = context ?? {};
  return typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? source : value;
}

const SPACE = /[ \t\n\r]*/y;
/** A string, number or word; the class is every character but quote, backslash and those below the space. */
const SCALAR =
  /"(?:[ !#-[\]-\uffff]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** What may come next. */
type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'comma or end';

/** Where the text stops being the beginning of a JSON text; its length when it ends too early. */
function offsetOfMistake(text: string): number {
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
    return `${place}: the JSON ends too early`;
  }
  const [character = ''] = rest;
  if (character === '"') {
    return `${place}: a string that does not end, or holds a raw line break or an escape that JSON lacks`;
  }
  const hint = character === "'" ? ' (strings want double quotes)' : '';
  return `${place}: ${JSON.stringify(character)} cannot stand here${hint}`;
}
