/**
 * Checks the names of the objects in a document, because no API server accepts an object without a valid name.
 */
import { type Document, isNode } from 'yaml';
import { isObject, own } from '../lib/json.ts';
import type { SourceProblem } from './manifest-problem.ts';

const MAX_ITEMS_DEPTH = 4;
const MAX_SHOWN_CHARACTERS = 60;
type Path = readonly (string | number)[];

/** Returns a problem for each name that is empty, not a string, or contains a control character. */
export function checkNames(document: Document, value: unknown): SourceProblem[] {
  return checkObject(value, []).map(({ path, message }) => {
    const node: unknown = document.hasIn(path) ? document.getIn(path, true) : undefined;
    const offset = isNode(node) ? (node.range?.[0] ?? 0) : (document.range?.[0] ?? 0);
    return { offset, message };
  });
}

interface NameProblem {
  readonly path: Path;
  readonly message: string;
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
        const message = own(metadata, field) === undefined ? undefined : problemOf(field, metadata);
        return message === undefined ? [] : [{ path: [...path, 'metadata', field], message }];
      })
    : [];
}

function problemOf(field: string, metadata: Readonly<Record<string, unknown>>): string | undefined {
  const name = metadata[field];
  const isRequired = field === 'name' && typeof metadata.generateName !== 'string';
  if (name === null || name === '') {
    return isRequired ? 'metadata.name must be the name of the object, got nothing' : undefined;
  }
  if (typeof name !== 'string') {
    const isScalar = typeof name !== 'object';
    const got = isScalar ? String(name) : `a ${Array.isArray(name) ? 'list' : 'mapping'}`;
    return `metadata.${field} must be a string${isScalar ? ` such as "${got}"` : ''}, got ${got}`;
  }
  return /\p{Cc}/u.test(name)
    ? `metadata.${field} must not contain control characters, got ${JSON.stringify(name.slice(0, MAX_SHOWN_CHARACTERS))}`
    : undefined;
}
