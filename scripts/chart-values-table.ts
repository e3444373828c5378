/**
 * Generates the table of values in the chart's README from charts/pannier/values.yaml. Each key has a row with its
 * default and its comment.
 *
 * 1. The script throws an error for a key without a comment.
 * 2. A map whose keys have no comments, such as `resources`, has only one row.
 */
import { isMap, isScalar, type Pair, parseDocument, type YAMLMap } from 'yaml';

export interface ValueRow {
  /** Path of the key, such as `injector.replicaCount`. */
  readonly path: string;
  readonly initial: unknown;
  readonly meaning: string;
}

const BEGIN = '<!-- values: generated from values.yaml -->';
const END = '<!-- end of values -->';

export function valueRows(valuesText: string): ValueRow[] {
  const document = parseDocument(valuesText);
  if (!isMap(document.contents)) {
    throw new Error('values.yaml must be a map, got another YAML value');
  }
  return rowsOf(document.contents, '');
}

/** Returns the README with a new table. */
export function withValuesTable(readme: string, valuesText: string): string {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin < 0 || end < begin) {
    throw new Error(`cannot write the table of values: the README lacks its markers; add ${BEGIN} and ${END}`);
  }
  const lines = valueRows(valuesText).map(
    (row) => `| \`${row.path}\` | \`${JSON.stringify(row.initial)}\` | ${row.meaning.replaceAll('|', '\\|')} |`,
  );
  const table = ['| value | default | meaning |', '|---|---|---|', ...lines].join('\n');
  return `${readme.slice(0, begin + BEGIN.length)}\n${table}\n${readme.slice(end)}`;
}

function rowsOf(map: YAMLMap, prefix: string): ValueRow[] {
  return map.items.flatMap((pair, index) => {
    const path = `${prefix}${keyOf(pair)}`;
    if (isMap(pair.value) && pair.value.items.length > 0 && hasComments(pair.value)) {
      return rowsOf(pair.value, `${path}.`);
    }
    const meaning = commentOf(map, pair, index);
    if (meaning === undefined) {
      throw new Error(`cannot document ${path}: it has no comment in values.yaml; add one above it`);
    }
    return [{ path, initial: plain(pair.value), meaning }];
  });
}

/**
 * Returns the comment of a key. The parser attaches the comment above the first key to the map. The last paragraph of
 * that comment describes the key.
 */
function commentOf(map: YAMLMap, pair: Pair, index: number): string | undefined {
  const onKey = isScalar(pair.key) ? pair.key.commentBefore : undefined;
  const comment = onKey ?? (index === 0 ? map.commentBefore : undefined);
  const paragraph = comment?.split(/\n\s*\n/).at(-1);
  return paragraph?.replace(/\s*\n\s*/g, ' ').trim();
}

function hasComments(map: YAMLMap): boolean {
  return map.items.some((pair, index) => {
    return commentOf(map, pair, index) !== undefined || (isMap(pair.value) && hasComments(pair.value));
  });
}

function keyOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
}

function plain(value: unknown): unknown {
  return value !== null && typeof value === 'object' && 'toJSON' in value && typeof value.toJSON === 'function'
    ? value.toJSON()
    : value;
}
