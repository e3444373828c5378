/**
 * The documents of a YAML stream and their values, read one way everywhere.
 */
import { type Document, parseAllDocuments } from 'yaml';

/** A few nested aliases may stand for gigabytes; this many are enough for any manifest. */
const MAX_ALIASES = 1_000;

/** A list: an empty stream is no document. */
export function readDocuments(source: string): Document[] {
  const documents = parseAllDocuments(source, { merge: true, prettyErrors: false });
  return Array.isArray(documents) ? documents : [];
}

/** Throws when an alias does not resolve, or when they expand to too much. */
export function documentValue(document: Document): unknown {
  return document.toJS({ maxAliasCount: MAX_ALIASES });
}

/** The values of all documents, or every mistake that keeps them from being read. */
export function readValues(source: string): { readonly values: unknown[] } | { readonly problems: readonly string[] } {
  const documents = readDocuments(source);
  const errors: Error[] = documents.flatMap((document) => document.errors);
  const values: unknown[] = [];
  try {
    values.push(...documents.map(documentValue));
  } catch (error) {
    errors.push(error instanceof Error ? error : new Error(String(error)));
  }
  const problems = errors.map((error) => `cannot read the file as YAML: ${error.message.split('\n')[0]}`);
  return problems.length > 0 ? { problems } : { values };
}
