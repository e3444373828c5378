/**
 * Formats values as YAML, in block style at a column or on one line.
 *
 * Invariant: parsers of YAML 1.1 and 1.2 read the same values. Strings such as `"yes"`, `"0666"` and `"true"` are
 * quoted.
 */
import { stringify, type ToStringOptions } from 'yaml';
import { jsonText } from '../lib/json.ts';

interface BlockOptions {
  readonly value: unknown;
  readonly column: number;
  readonly indentsLists: boolean;
}

export function pairText({ key, value, column, indentsLists }: BlockOptions & { readonly key: string }): string[] {
  return indented(block({ [key]: value }, indentsLists), column);
}

export function itemText({ value, column, indentsLists }: BlockOptions): string[] {
  return indented(block([value], indentsLists), column);
}

/** Formats a scalar or an empty collection. */
export function inlineText(value: unknown): string {
  return block(value, false).trimEnd();
}

/** Formats a value as JSON, which is valid YAML in flow style. */
export function flowText(value: unknown, indent?: string): string {
  return jsonText(value, indent);
}

function block(value: unknown, indentsLists: boolean): string {
  const style: ToStringOptions = { lineWidth: 0, indentSeq: indentsLists };
  return stringify(value, { version: '1.1', aliasDuplicateObjects: false, ...style });
}

function indented(text: string, column: number): string[] {
  const margin = ' '.repeat(column);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => (line === '' ? line : margin + line));
}
