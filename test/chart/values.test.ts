/**
 * Tests that values.yaml, its schema, the table in the README and the pages document the values consistently.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { MAX_PATTERN_LENGTH } from '../../scripts/chart-settings-schema.ts';
import { valueRows, withValuesTable } from '../../scripts/chart-values-table.ts';
import { at, chartDirectory } from '../support/kubernetes/helm.ts';
import { repositoryFiles, repositoryRoot } from '../support/repository.ts';

const valuesText = readFileSync(join(chartDirectory, 'values.yaml'), 'utf8');
const readme = readFileSync(join(chartDirectory, 'README.md'), 'utf8');
const schema: unknown = JSON.parse(readFileSync(join(chartDirectory, 'values.schema.json'), 'utf8'));
const templates = repositoryFiles(['charts/pannier/templates/**']).map((path) => ({
  path,
  text: readFileSync(join(repositoryRoot, path), 'utf8'),
}));

test('the table in the README matches values.yaml (make docs)', () => {
  expect(readme).toBe(withValuesTable(readme, valuesText));
  expect(valueRows(valuesText).length).toBeGreaterThan(60);
});

test('valueRows rejects a value without a comment', () => {
  expect(() => valueRows('a: 1\n')).toThrow('cannot document a: it has no comment in values.yaml; add one above it');
  expect(valueRows('# File\n\n# First\na: 1\nb:\n  # Inner\n  c: 2\n').map((row) => row.path)).toEqual(['a', 'b.c']);
});

/** Returns the schema of a key of values.yaml, with references resolved. */
function schemaOf(path: string): unknown {
  let current: unknown = schema;
  for (const step of path.split('.')) {
    current = at(resolve(current), `properties.${step}`);
  }
  return resolve(current);
}

function resolve(part: unknown): unknown {
  const reference = at(part, '$ref');
  return typeof reference === 'string' ? at(schema, reference.replace('#/', '').replaceAll('/', '.')) : part;
}

test('the schema covers every value', () => {
  const missing = valueRows(valuesText).filter((row) => schemaOf(row.path) === undefined);
  expect(missing.map((row) => row.path)).toEqual([]);
});

test('the schema has no value that is missing from values.yaml', () => {
  const known = valueRows(valuesText).map((row) => row.path);
  const extra: string[] = [];
  const walk = (part: unknown, prefix: string): void => {
    for (const key of Object.keys((at(resolve(part), 'properties') as object | undefined) ?? {})) {
      const path = `${prefix}${key}`;
      if (path !== 'global' && !known.includes(path)) {
        if (known.some((name) => name.startsWith(`${path}.`))) {
          walk(at(resolve(part), `properties.${key}`), `${path}.`);
        } else {
          extra.push(path);
        }
      }
    }
  };
  walk(schema, '');
  expect(extra).toEqual([]);
});

test('every object with known keys in the schema rejects other keys', () => {
  const open: string[] = [];
  const walk = (part: unknown, path: string): void => {
    if (part === null || typeof part !== 'object') {
      return;
    }
    if ('properties' in part && at(part, 'additionalProperties') !== false) {
      open.push(path);
    }
    for (const [key, inner] of Object.entries(part)) {
      walk(inner, `${path}/${key}`);
    }
  };
  walk(schema, '');
  expect(open).toEqual([]);
});

test('errors of the schema are readable: they quote no long pattern and no list of alternatives', () => {
  const problems: string[] = [];
  const walk = (part: unknown, path: string): void => {
    if (part === null || typeof part !== 'object') {
      return;
    }
    for (const [key, inner] of Object.entries(part)) {
      if (key === 'pattern' && typeof inner === 'string' && inner.length > MAX_PATTERN_LENGTH) {
        problems.push(`${path}: a pattern of ${inner.length} characters`);
      }
      if (['oneOf', 'anyOf', 'allOf', 'not', 'if'].includes(key) && !path.endsWith('/properties')) {
        problems.push(`${path}: ${key}`);
      }
      walk(inner, `${path}/${key}`);
    }
  };
  walk(schema, '');
  expect(problems).toEqual([]);
});

test('the pages mention only existing values', () => {
  const paths = valueRows(valuesText).map((row) => row.path);
  const heads = new Set(paths.map((path) => path.split('.')[0]));
  const operations = readdirSync(join(repositoryRoot, 'docs', 'operations')).map((name) => `docs/operations/${name}`);
  const pages = [...operations, 'docs/internals/injector.md', 'charts/pannier/README.md'];
  const unknown = pages.flatMap((page) => {
    const text = readFileSync(join(repositoryRoot, page), 'utf8');
    const named = [...text.matchAll(/(?:`|--set )([a-z][A-Za-z]*(?:\.[A-Za-z]+)+)/g)].map((match) => match[1] ?? '');
    const values = named.filter((name) => heads.has(name.split('.')[0] ?? '') && !name.endsWith('.conf'));
    return values
      .filter(
        (name) => !paths.some((path) => path === name || path.startsWith(`${name}.`) || name.startsWith(`${path}.`)),
      )
      .map((name) => `${page}: ${name}`);
  });
  expect(unknown).toEqual([]);
});

test('templates use no random values and no lookups in the cluster', () => {
  const forbidden =
    /\b(lookup|genCA|genSignedCert|genSelfSignedCert|genPrivateKey|rand\w+|uuidv4|now|htpasswd|bcrypt)\b/;
  expect(templates.length).toBeGreaterThan(25);
  expect(templates.filter(({ text }) => forbidden.test(text)).map(({ path }) => path)).toEqual([]);
});

test('the chart and the program have the same version', () => {
  const chart: unknown = parse(readFileSync(join(chartDirectory, 'Chart.yaml'), 'utf8'));
  const program: unknown = JSON.parse(readFileSync(join(chartDirectory, '..', '..', 'package.json'), 'utf8'));
  expect([at(chart, 'version'), at(chart, 'appVersion')]).toEqual([at(program, 'version'), at(program, 'version')]);
});
