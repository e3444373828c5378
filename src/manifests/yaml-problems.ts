/**
 * Describes the syntax errors that the `yaml` package finds: where the cause is, what was found and what is expected.
 *
 * Invariant: a document has at most one syntax error, because further errors of the parser follow from the first one.
 */
import { type Document, type ErrorCode, isCollection, isScalar, type Node, visit, type YAMLError } from 'yaml';
import { foundAt, type SourceProblem } from './manifest-problem.ts';

interface SyntaxText {
  readonly code: ErrorCode;
  /** Part of the message of the package, for codes with several meanings. */
  readonly has?: string;
  /** Says what is expected. `FOUND` stands for the character at the place of the error, and `KEY` for the key there. */
  readonly text: string;
  /** Finds the place of the cause, if it differs from the place where the parser noticed it. */
  readonly place?: (document: Document, offset: number) => number | undefined;
}

const MAX_KEY_CHARACTERS = 60;
const PREFIX = 'cannot read the file as YAML: ';
const TAB = 'the indentation must consist of spaces, got a tab';
const CONTINUED =
  'a mapping must not begin in the line of another value; put it below its key, or write the value in quotes';
const UNALIGNED = 'a key must begin in the same column as the keys of its mapping above, got KEY';
const NO_COLON = 'a key must be followed by ": " in the same line';

/** The first row that matches an error describes it. */
const TEXTS: readonly SyntaxText[] = [
  { code: 'TAB_AS_INDENT', text: TAB },
  {
    code: 'MISSING_CHAR',
    has: 'closing "quote',
    text: 'the opening " must have a closing " and indented lines',
    place: openingQuote,
  },
  {
    code: 'MISSING_CHAR',
    has: "closing 'quote",
    text: "the opening ' must have a closing ' and indented lines",
    place: openingQuote,
  },
  { code: 'MISSING_CHAR', has: 'Flow map', text: 'the opening { must have a closing }', place: openingBracket },
  { code: 'MISSING_CHAR', has: 'Flow seq', text: 'the opening [ must have a closing ]', place: openingBracket },
  { code: 'MISSING_CHAR', has: 'followed by map values', text: NO_COLON },
  { code: 'MISSING_CHAR', has: 'Missing , or :', text: 'items in braces must be separated by ":" or ",", got FOUND' },
  { code: 'MISSING_CHAR', has: 'Missing ,', text: 'items must be separated by ",", got FOUND' },
  { code: 'MISSING_CHAR', has: 'space after :', text: 'a colon must be followed by a space, got FOUND' },
  { code: 'MISSING_CHAR', has: 'Comments', text: 'a comment must be separated by a space, got FOUND' },
  { code: 'MISSING_CHAR', has: 'Tags and anchors', text: 'a tag or anchor must be followed by a space, got FOUND' },
  { code: 'MISSING_CHAR', has: 'indicator line', text: 'directives such as %YAML must be followed by a line with ---' },
  { code: 'MISSING_CHAR', has: 'directives-end marker', text: 'a mapping or list must begin in the line below ---' },
  {
    code: 'MISSING_CHAR',
    has: 'Block scalars',
    text: 'the first lines of a block of text must not be indented deeper',
  },
  { code: 'MISSING_CHAR', has: 'Sequence item', text: 'an item of the list must begin with "- ", got FOUND' },
  {
    code: 'BAD_INDENT',
    has: 'Flow map',
    text: 'the opening { must have a closing } and indented lines',
    place: openingBracket,
  },
  {
    code: 'BAD_INDENT',
    has: 'Flow seq',
    text: 'the opening [ must have a closing ] and indented lines',
    place: openingBracket,
  },
  { code: 'BAD_INDENT', has: 'mapping items', text: UNALIGNED },
  { code: 'BAD_INDENT', has: 'sequence items', text: 'an item must begin in the same column as the items above' },
  { code: 'BAD_INDENT', text: 'a block of text must be indented deeper than its key' },
  { code: 'BLOCK_AS_IMPLICIT_KEY', has: 'sequence', text: 'an item must begin in the same column as the items above' },
  { code: 'BLOCK_AS_IMPLICIT_KEY', text: CONTINUED },
  { code: 'MULTILINE_IMPLICIT_KEY', text: NO_COLON },
  { code: 'KEY_OVER_1024_CHARS', text: 'a key must be at most 1024 characters long' },
  { code: 'BLOCK_IN_FLOW', text: 'items in braces or brackets must be separated by ",", got FOUND' },
  { code: 'BAD_ALIAS', has: 'Anchor', text: 'an anchor must have a name after &' },
  { code: 'BAD_ALIAS', text: 'an alias must have a name after *' },
  { code: 'ALIAS_PROPS', text: 'an alias must have no anchor and no tag, got FOUND' },
  { code: 'MULTIPLE_ANCHORS', text: 'a value must have at most one anchor, got FOUND' },
  { code: 'MULTIPLE_TAGS', text: 'a value must have at most one tag, got FOUND' },
  { code: 'BAD_SCALAR_START', text: 'a value without quotes must not begin with FOUND; write it in quotes' },
  { code: 'BAD_DQ_ESCAPE', text: 'a backslash in double quotes must begin an escape sequence such as \\n or \\\\' },
  { code: 'UNEXPECTED_TOKEN', has: 'scalar header', text: 'only a comment must follow | or > in its line, got FOUND' },
  { code: 'UNEXPECTED_TOKEN', has: ', in flow', text: 'an item must precede each comma, got FOUND' },
  {
    code: 'UNEXPECTED_TOKEN',
    text: 'the value must end here, or a line with --- must separate it from the next one, got FOUND',
  },
  { code: 'TAG_RESOLVE_FAILED', text: 'a tag must be declared by a %TAG directive, got FOUND' },
  { code: 'RESOURCE_EXHAUSTION', text: 'values must be nested less deeply' },
];

/** Returns the first syntax error of a document. */
export function syntaxProblem(document: Document, source: string): SourceProblem | undefined {
  const [first] = [...document.errors].sort((left, right) => left.pos[0] - right.pos[0]);
  return first === undefined ? undefined : describe(document, source, first);
}

function describe(document: Document, source: string, error: YAMLError): SourceProblem {
  const tab = tabInIndentation(source, startOfToken(source, error.pos[0]));
  if (tab !== undefined) {
    return { offset: tab, message: `${PREFIX}${TAB}` };
  }
  const row = TEXTS.find(({ code, has }) => code === error.code && (has === undefined || error.message.includes(has)));
  const offset = row?.place?.(document, error.pos[0]) ?? startOfToken(source, error.pos[0]);
  const text = (row?.text ?? error.message.split('\n', 1)[0] ?? '')
    .replace('FOUND', () => foundAt(source, offset))
    .replace('KEY', () => keyAt(source, offset));
  return { offset, message: PREFIX + text };
}

/** Returns the first tab in the indentation of the line in which the parser noticed an error. */
function tabInIndentation(source: string, offset: number): number | undefined {
  const start = source.lastIndexOf('\n', offset - 1) + 1;
  const before = source.slice(start, offset + 1);
  const tab = before.indexOf('\t');
  return tab >= 0 && before.slice(0, -1).trim() === '' ? start + tab : undefined;
}

/** Skips the white space before the token that the parser did not expect. */
function startOfToken(source: string, offset: number): number {
  const rest = /[^ \r\n]/g;
  rest.lastIndex = offset;
  return rest.exec(source)?.index ?? Math.min(offset, source.length);
}

function keyAt(source: string, offset: number): string {
  const [line = ''] = source.slice(offset, offset + MAX_KEY_CHARACTERS).split('\n', 1);
  return /^[\w./-]+(?=\s*:)/.exec(line)?.[0] ?? foundAt(source, offset);
}

/** Returns the start of the quoted scalar that ends at the offset. */
function openingQuote(document: Document, offset: number): number | undefined {
  return lastStart(
    document,
    (node) => isScalar(node) && /^QUOTE/.test(node.type ?? '') && (node.range?.[1] ?? 0) >= offset,
  );
}

/** Returns the start of the last collection in flow style that contains the offset. */
function openingBracket(document: Document, offset: number): number | undefined {
  return lastStart(document, (node) => isCollection(node) && node.flow === true && (node.range?.[1] ?? 0) >= offset);
}

function lastStart(document: Document, isMatch: (node: Node) => boolean): number | undefined {
  let start: number | undefined;
  visit(document, {
    Node: (_key, node) => {
      if (isMatch(node)) {
        start = Math.max(start ?? 0, node.range?.[0] ?? 0);
      }
    },
  });
  return start;
}
