/**
 * Checks the names of the objects in a document, because no API server accepts an object without a valid name.
 */
import { type Document, isNode, isScalar } from 'yaml';
import { isObject, own } from '../lib/json.ts';
import type { SourceProblem } from './manifest-problem.ts';
import { RENDER_FIRST } from './source-checks.ts';

const MAX_ITEMS_DEPTH = 4;
const MAX_SHOWN_CHARACTERS = 60;
type Path = readonly (string | number)[];

/**
 * Returns a problem for each name that is empty, not a string, or contains a control character or an expression of a
 * template.
 */
export function checkNames(document: Document, value: unknown): SourceProblem[] {
  return checkObject(value, []).map(({ path, messageOf }) => {
    const node: unknown = document.hasIn(path) ? document.getIn(path, true) : undefined;
    const offset = isNode(node) ? (node.range?.[0] ?? 0) : (document.range?.[0] ?? 0);
    return { offset, message: messageOf(isScalar(node) ? node.source : undefined) };
  });
}

interface NameProblem {
  readonly path: Path;
  /** Returns the text of the problem. `written` is the name as the file contains it, if it is a scalar. */
  messageOf(written: string | undefined): string;
}

function checkObject(value: unknown, path: Path): NameProblem[] {
  if (!isObject(value) || typeof value.kind !== 'string' || typeof value.apiVersion !== 'string') {
    return [];
  }
  if (value.kind.endsWith('List') && Array.isArray(value.items) && path.length < MAX_ITEMS_DEPTH * 2) {
    return value.items.flatMap((item: unknown, index) => checkObject(item, [...path, 'items', index]));
  }
  const { metadata } = value;
  return isObject(metadata)
    ? ['name', 'generateName', 'namespace'].flatMap((field) => {
        const messageOf = own(metadata, field) === undefined ? undefined : problemOf(field, metadata);
        return messageOf === undefined ? [] : [{ path: [...path, 'metadata', field], messageOf }];
      })
    : [];
}

function problemOf(field: string, metadata: Readonly<Record<string, unknown>>): NameProblem['messageOf'] | undefined {
  const name = metadata[field];
  const isRequired = field === 'name' && typeof metadata.generateName !== 'string';
  if (name === null || name === '') {
    return isRequired ? () => 'metadata.name must be the name of the object, got nothing' : undefined;
  }
  if (typeof name === 'object') {
    return () => `metadata.${field} must be a string, got a ${Array.isArray(name) ? 'list' : 'mapping'}`;
  }
  if (typeof name !== 'string') {
    // The name in the file, such as `no` or `0123`, is what the user means, and not the value that kubectl reads.
    return (written = String(name)) => {
      const type = typeof name === 'boolean' ? 'boolean' : 'number';
      return `metadata.${field} must be a string such as "${written}", got the ${type} ${written}`;
    };
  }
  const shown = JSON.stringify(name.slice(0, MAX_SHOWN_CHARACTERS));
  if (/\p{Cc}/u.test(name)) {
    return () => `metadata.${field} must not contain control characters, got ${shown}`;
  }
  return name.includes('{{')
    ? () => `metadata.${field} must not contain an expression of a template, got ${shown}; ${RENDER_FIRST}`
    : undefined;
}
