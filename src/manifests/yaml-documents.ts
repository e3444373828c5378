/**
 * Reads manifests into documents and their values, with the same options for all callers.
 *
 * Invariants:
 *   1. The values are those that kubectl reads (document-values.ts).
 *   2. The `yaml` package prints no warnings.
 */
import { type Document, parseAllDocuments } from 'yaml';
import { readDocumentValue } from './document-values.ts';
import { splitSource } from './json-stream.ts';
import { type ManifestProblem, positionedProblem, type SourceProblem } from './manifest-problem.ts';
import { checkNames } from './object-names.ts';
import { checkJsonText, checkYamlText } from './source-checks.ts';
import { syntaxProblem } from './yaml-problems.ts';

/** Parses all documents of a YAML stream. Returns an empty list for an empty stream. */
export function readDocuments(source: string): Document[] {
  const documents = parseAllDocuments(source, {
    // The parser leaves scalars, tags and duplicate keys to document-values.ts.
    schema: 'failsafe',
    resolveKnownTags: false,
    uniqueKeys: false,
    merge: true,
    prettyErrors: false,
    logLevel: 'error',
  });
  return Array.isArray(documents) ? documents : [];
}

/** Returns the value of a document, and undefined instead of the value if the document has errors. */
export function documentValue(document: Document): unknown {
  const { value, problems } = readDocumentValue(document);
  return document.errors.length + problems.length > 0 ? undefined : value;
}

/** Maximum number of problems of a file, so that the output stays readable. */
const MAX_PROBLEMS = 20;

export type ManifestValues = { readonly values: unknown[] } | { readonly problems: readonly ManifestProblem[] };

/** Returns the values of all documents, or all problems in them. */
export function readValues(source: string): ManifestValues {
  const found = readParts(source);
  return 'values' in found
    ? found
    : { problems: found.problems.slice(0, MAX_PROBLEMS).map((problem) => positionedProblem(source, problem)) };
}

function readParts(source: string): { readonly values: unknown[] } | { readonly problems: SourceProblem[] } {
  const split = splitSource(source);
  const problem = 'problem' in split ? split.problem : (split.isJson ? checkJsonText : checkYamlText)(source);
  if (problem !== undefined || 'problem' in split) {
    return { problems: problem === undefined ? [] : [problem] };
  }
  const values: unknown[] = [];
  const problems: SourceProblem[] = [];
  for (const { offset, text } of split.parts) {
    for (const [index, document] of readDocuments(text).entries()) {
      const reading = readDocument(document, { source: text, isFirst: index === 0 });
      values.push(reading.value);
      problems.push(...reading.problems.map((found) => shifted(found, offset)));
    }
  }
  return problems.length > 0 ? { problems } : { values };
}

interface DocumentPlace {
  readonly source: string;
  readonly isFirst: boolean;
}

function readDocument(
  document: Document,
  { source, isFirst }: DocumentPlace,
): { value: unknown; problems: readonly SourceProblem[] } {
  const syntax = syntaxProblem(document, source) ?? (isFirst ? undefined : ignoredDocument(document));
  if (syntax !== undefined) {
    return { value: undefined, problems: [syntax] };
  }
  const { value, problems } = readDocumentValue(document);
  return { value, problems: problems.length > 0 ? problems : checkNames(document, value) };
}

/** kubectl ignores a document that follows a line with `...` and does not begin with a line with `---`. */
function ignoredDocument(document: Document): SourceProblem | undefined {
  const isMarked = document.directives?.docStart === true;
  return isMarked || document.contents === null
    ? undefined
    : {
        offset: document.contents.range?.[0] ?? 0,
        message: 'cannot read the file as YAML: a document after a line with ... must begin with a line with ---',
      };
}

function shifted(problem: SourceProblem, offset: number): SourceProblem {
  const { otherOffset } = problem;
  return {
    ...problem,
    offset: problem.offset + offset,
    ...(otherOffset === undefined ? {} : { otherOffset: otherOffset + offset }),
  };
}
