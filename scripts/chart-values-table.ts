/**
 * The table of values in the chart's README, from charts/pannier/values.yaml: a row for every key, its default, and the comment above it.
 *
 * A key without a comment is a mistake and throws: a value that nobody explains is not one to be set. A map whose keys bear no comments
 * (resources) is one row.
 */
import { isMap, isScalar, type Pair, parseDocument, type YAMLMap } from 'yaml';

export interface ValueRow {
  /** `injector.replicaCount` */
  readonly path: string;
  readonly initial: unknown;
  readonly meaning: string;
}

const BEGIN = '<!-- values: generated from values.yaml -->';
const END = '<!-- end of values -->';

export function valueRows(valuesText: string): ValueRow[] {
  const document = parseDocument(valuesText);
  if (!isMap(document.contents)) {
    throw new Error('cannot read values.yaml: it is no map, wanted one');
  }
  return rowsOf(document.contents, '');
}

/** The README with its table replaced. */
export function withValuesTable(readme: string, valuesText: string): string {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin < 0 || end < begin) {
    throw new Error(`cannot write the table of values: the README lacks its marks, wanted ${BEGIN} and ${END}`);
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
      throw new Error(`cannot document ${path}: it has no comment in values.yaml, wanted one above it`);
    }
    return [{ path, initial: plain(pair.value), meaning }];
  });
}

/** YAML gives the comment above the first key of a map to the map; the last paragraph is the key's. */
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
