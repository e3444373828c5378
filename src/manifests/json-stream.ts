/**
 * Splits a JSON stream, which is a text with several JSON values one after the other, into its values.
 *
 * kubectl reads such streams, with or without line ends between the values. A text with only one JSON value needs no
 * split, because JSON is YAML in flow style.
 */
import { foundAt, type SourceProblem } from './manifest-problem.ts';

/** Part of the source with one YAML stream or one JSON value. The text between two parts is white space. */
export interface SourcePart {
  readonly offset: number;
  readonly text: string;
}

export type SplitSource =
  | { readonly parts: readonly SourcePart[]; readonly isJson: boolean }
  | { readonly problem: SourceProblem };

/** Returns the values of a JSON stream, or the whole source as one part if there are not several JSON values. */
export function splitSource(source: string): SplitSource {
  const parts: SourcePart[] = [];
  let offset = skipSpace(source, 0);
  while (offset < source.length) {
    const end = endOfJson(source, offset);
    const text = source.slice(offset, end);
    if (end === undefined || !isJson(text)) {
      // kubectl too reads a text as YAML unless it begins with two JSON values.
      return parts.length < 2
        ? { parts: [{ offset: 0, text: source }], isJson: false }
        : { problem: problemOf(source, { offset, end }) };
    }
    parts.push({ offset, text });
    offset = skipSpace(source, end);
  }
  return { parts: parts.length < 2 ? [{ offset: 0, text: source }] : parts, isJson: parts.length > 0 };
}

/** Replaces each part by the text at the same index, and keeps the text between the parts. */
export function joinParts(source: string, parts: readonly SourcePart[], texts: readonly string[]): string {
  let joined = '';
  let offset = 0;
  for (const [index, part] of parts.entries()) {
    joined += source.slice(offset, part.offset) + (texts[index] ?? part.text);
    offset = part.offset + part.text.length;
  }
  return joined + source.slice(offset);
}

/** Describes the part of the source at `offset` that is not JSON. Its end is undefined if the value is incomplete. */
function problemOf(source: string, { offset, end }: { offset: number; end: number | undefined }): SourceProblem {
  const prefix = 'cannot read the file as a JSON stream: ';
  if (end !== undefined) {
    const place = offset + (errorIndex(source.slice(offset, end)) ?? 0);
    return { offset: place, message: `${prefix}the value must be valid JSON, got ${foundAt(source, place)}` };
  }
  const found = foundAt(source, offset);
  const message = OPENING.has(found)
    ? `the opening ${source[offset]} must have a closing ${OPENING.get(found)}`
    : `each value must be a JSON object or list, got ${found}`;
  return { offset, message: prefix + message };
}

const OPENING: ReadonlyMap<string, string> = new Map([
  ['"{"', '}'],
  ['"["', ']'],
]);

/** Returns the index of the error in a JSON text, if the parser reports it. */
function errorIndex(text: string): number | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    const index = error instanceof Error ? / at position (\d+)/.exec(error.message)?.[1] : undefined;
    return index === undefined ? undefined : Number(index);
  }
}

function skipSpace(source: string, offset: number): number {
  let end = offset;
  while (end < source.length && ' \t\r\n'.includes(source.charAt(end))) {
    end += 1;
  }
  return end;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Matches a quote, a backslash, or a bracket that opens or closes an object or a list. A pattern for a whole string would
 * exceed the stack of the regular expression in a string of several megabytes.
 */
const TOKEN = /["\\[\]{}]/g;

/** Returns the end of the object or list at `offset`, or undefined if there is none or it has no end. */
function endOfJson(source: string, offset: number): number | undefined {
  if (source[offset] !== '{' && source[offset] !== '[') {
    return undefined;
  }
  const token = new RegExp(TOKEN);
  token.lastIndex = offset;
  let depth = 0;
  let isInString = false;
  for (let match = token.exec(source); match !== null; match = token.exec(source)) {
    const [found] = match;
    if (found === '\\') {
      token.lastIndex += 1;
    } else if (found === '"') {
      isInString = !isInString;
    } else if (!isInString) {
      depth += found === '{' || found === '[' ? 1 : -1;
    }
    if (depth === 0) {
      return token.lastIndex;
    }
  }
  return undefined;
}
