/**
 * Joins the texts of several files into one stream, which kubectl and every YAML parser read as the same objects.
 *
 * Invariants:
 *   1. A single text stays the same, byte for byte.
 *   2. JSON files alone become a stream of JSON values. A stream with a YAML file is a YAML stream.
 *   3. A joined stream contains no byte order mark.
 */
import { splitSource } from './json-stream.ts';

export function joinStream(texts: readonly string[]): string {
  if (texts.length === 1) {
    return texts[0] ?? '';
  }
  const parts = texts.filter((text) => text.trim() !== '').map((text) => withLineEnd(text.replace(/^\uFEFF/, '')));
  const values = parts.map(jsonValues);
  if (values.every((found) => found !== undefined)) {
    return parts.join('');
  }
  const separated = parts.map((part, index) => {
    const separate = values[index]?.join('\n---\n');
    return separate === undefined ? part : withLineEnd(separate);
  });
  return separated.map((part, index) => separator(separated[index - 1], part) + part).join('');
}

/** Returns the lines between two parts of a YAML stream. */
function separator(before: string | undefined, part: string): string {
  if (before === undefined) {
    // Without the marker, kubectl reads a stream that begins with a brace as JSON, up to its end.
    return /^\s*[{[]/.test(part) ? '---\n' : '';
  }
  if (beginsWithDirective(part)) {
    // YAML allows directives only after the end of a document.
    return '...\n';
  }
  const isSeparated = /^---\s*(#.*)?$/.test(lastLineOf(before)) || /^---\s/.test(part);
  return isSeparated ? '' : '---\n';
}

function beginsWithDirective(part: string): boolean {
  const first = part.split('\n').find((line) => line.trim() !== '' && !line.startsWith('#'));
  return first?.startsWith('%') === true;
}

function lastLineOf(text: string): string {
  const end = text.trimEnd();
  return end.slice(end.lastIndexOf('\n') + 1);
}

function withLineEnd(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}

/** Returns the texts of the values in a JSON file or a stream of JSON values. Returns undefined for YAML. */
function jsonValues(text: string): string[] | undefined {
  const split = splitSource(text);
  return 'parts' in split && split.isJson ? split.parts.map((part) => part.text.trim()) : undefined;
}
