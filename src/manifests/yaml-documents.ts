/**
 * Parses a YAML stream into its documents and their values, with the same options for all callers.
 */
import { type Document, parseAllDocuments } from 'yaml';

/**
 * Maximum number of resolved aliases. The number is high enough for manifests, and low enough to stop nested aliases
 * that would expand to gigabytes.
 */
const MAX_ALIASES = 1_000;

/** Parses all documents of a stream. Returns an empty list for an empty stream. */
export function readDocuments(source: string): Document[] {
  const documents = parseAllDocuments(source, { merge: true, prettyErrors: false });
  return Array.isArray(documents) ? documents : [];
}

/** Throws if an alias does not resolve, or if the aliases expand to more than the maximum. */
export function documentValue(document: Document): unknown {
  return document.toJS({ maxAliasCount: MAX_ALIASES });
}

/** Returns the values of all documents, or all errors in them. */
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
