/**
 * Finds the terms of terms.yaml in texts. The only I/O of this module is to read terms.yaml.
 *
 * Invariants:
 *   1. The report contains each sentence with a term in one of the term's contexts, unless an allowed use matches the
 *      path and the sentence.
 *   2. The report also contains each allowed use that matches no sentence.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { fileSentences } from './file-sentences.ts';
import type { TextContext } from './text-piece.ts';

interface AllowedUse {
  /** Beginning of the paths to which the allowed use applies. */
  readonly path: string;
  /** Part of the allowed sentence. */
  readonly text: string;
  readonly why: string;
}

export interface StyleTerm {
  readonly term: string;
  readonly pattern: string;
  readonly case?: boolean;
  readonly in: readonly (TextContext | 'everywhere')[];
  readonly paths?: readonly string[];
  readonly instead: string;
  readonly allowed?: readonly AllowedUse[];
}

export interface SourceText {
  /** Path relative to the root of the repository. */
  readonly path: string;
  readonly content: string;
}

/** Sentence of a file, or a line of the file for terms that apply to all contexts. */
interface Passage {
  readonly context: TextContext | 'everywhere';
  readonly line: number;
  readonly text: string;
}

export const TERMS_FILE = 'scripts/text/terms.yaml';

export function readStyleTerms(root: string): readonly StyleTerm[] {
  return parse(readFileSync(join(root, TERMS_FILE), 'utf8')) as readonly StyleTerm[];
}

export interface StyleReport {
  /** Problems in the form "<path>:<line>: <term>: <sentence> (instead: ...)". */
  readonly problems: readonly string[];
  /** Allowed uses that match no sentence. This list is meaningful only if the report covers all files. */
  readonly unusedUses: readonly string[];
}

export function styleReport(terms: readonly StyleTerm[], sources: readonly SourceText[]): StyleReport {
  const used = new Set<AllowedUse>();
  const problems = sources.flatMap((source) => {
    const passages = passagesOf(source);
    return terms.flatMap((term) => problemsOfTerm({ term, source, passages, used }));
  });
  const unusedUses = terms.flatMap(({ term, allowed = [] }) =>
    allowed.filter((use) => !used.has(use)).map((use) => `${term}: ${use.path}: ${use.text}`),
  );
  return { problems, unusedUses };
}

function passagesOf({ path, content }: SourceText): Passage[] {
  const lines = content.split('\n').map((text, index) => ({ context: 'everywhere' as const, line: index + 1, text }));
  return [...fileSentences(path, content), ...lines];
}

function problemsOfTerm(options: {
  term: StyleTerm;
  source: SourceText;
  passages: readonly Passage[];
  used: Set<AllowedUse>;
}): string[] {
  const { term, source, passages, used } = options;
  if (term.paths?.some((beginning) => source.path.startsWith(beginning)) === false) {
    return [];
  }
  const pattern = new RegExp(term.pattern, term.case === true ? 'u' : 'iu');
  const problems: string[] = [];
  for (const { context, line, text } of passages) {
    if (!term.in.includes(context) || !pattern.test(text)) {
      continue;
    }
    const use = term.allowed?.find(({ path, text: part }) => source.path.startsWith(path) && text.includes(part));
    if (use === undefined) {
      problems.push(`${source.path}:${line}: ${term.term}: ${text.trim()} (instead: ${term.instead})`);
    } else {
      used.add(use);
    }
  }
  return problems;
}
