/**
 * Formats values as YAML, in block style at a column or on one line.
 *
 * Invariant: kubectl and parsers of YAML 1.1 and 1.2 read the same values. Strings such as `"yes"`, `"0666"`, `"0o644"`
 * and `"true"` are quoted.
 */
import { Document, visit } from 'yaml';
import { jsonText } from '../lib/json.ts';
import { resolvePlain } from './kubectl-scalars.ts';

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
  return jsonText(value, indent).replace(UNWRITABLE, escaped);
}

function block(value: unknown, indentsLists: boolean): string {
  const document = new Document(value, { version: '1.1', aliasDuplicateObjects: false });
  visit(document, {
    Scalar: (_key, node) => {
      if (typeof node.value === 'string' && needsQuotes(node.value)) {
        node.type = 'QUOTE_DOUBLE';
      }
    },
  });
  return document.toString({ lineWidth: 0, indentSeq: indentsLists }).replace(UNWRITABLE, escaped);
}

/** Characters that are line ends for some parsers, or that some do not accept. They occur only in double quotes. */
const UNWRITABLE = /[\u007F-\u009F\u2028\u2029\uFEFF\uFFFE\uFFFF]/g;

/** Returns whether kubectl would read the string in another style as another value. */
function needsQuotes(text: string): boolean {
  return resolvePlain(text).type !== 'string' || text.search(UNWRITABLE) >= 0 || text.trim() !== text;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function indented(text: string, column: number): string[] {
  const margin = ' '.repeat(column);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => (line === '' ? line : margin + line));
}
