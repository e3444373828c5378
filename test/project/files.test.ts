/**
 * Tests that the repository contains the files that contributors and operators expect, and that readers of the README
 * can find them.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { readRepositoryFile, repositoryFiles, repositoryRoot } from '../support/repository.ts';

const PAGES = ['SECURITY.md', 'CODE_OF_CONDUCT.md', 'RELEASING.md', 'CHANGELOG.md', 'LICENSE', 'docs/compatibility.md'];

test('the README links CONTRIBUTING.md', () => {
  expect(readRepositoryFile('README.md')).toContain('](CONTRIBUTING.md)');
});

test.each(PAGES)('CONTRIBUTING.md links %s', (path) => {
  expect(existsSync(join(repositoryRoot, path))).toBe(true);
  expect(readRepositoryFile('CONTRIBUTING.md')).toContain(`](${path})`);
});

test('the changelog has the form of Keep a Changelog', () => {
  const headings = [...readRepositoryFile('CHANGELOG.md').matchAll(/^(##+) (.*)$/gm)].map(
    (match) => [match[1], match[2]] as const,
  );
  const kinds = new Set(['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security']);
  const [first] = headings;
  expect(first).toEqual(['##', '[Unreleased]']);
  const wrong = headings.filter(([level, text]) =>
    level === '##'
      ? !/^\[(Unreleased|\d+\.\d+\.\d+)\]( - \d{4}-\d{2}-\d{2})?$/.test(text ?? '')
      : !kinds.has(text ?? ''),
  );
  expect(wrong).toEqual([]);
});

test.each(repositoryFiles(['.github/ISSUE_TEMPLATE/*.yml']))('%s has the fields that GitHub requires', (path) => {
  const form = parse(readRepositoryFile(path)) as Record<string, unknown>;
  if (path.endsWith('/config.yml')) {
    expect(form).toMatchObject({ blank_issues_enabled: false });
    return;
  }
  const body = form.body as { type: string; id?: string; attributes: { label?: string } }[];
  expect(form).toMatchObject({ name: expect.any(String), description: expect.any(String) });
  const fields = body.filter(({ type }) => type !== 'markdown');
  expect(fields.length).toBeGreaterThan(1);
  expect(fields.filter(({ id, attributes }) => id === undefined || attributes.label === undefined)).toEqual([]);
});

test('.editorconfig has the indentation and line width of the formatter', () => {
  const { formatter } = JSON.parse(readRepositoryFile('biome.json')) as {
    formatter: { indentWidth: number; lineWidth: number };
  };
  const [, all = ''] = readRepositoryFile('.editorconfig').split('\n\n');
  expect(all).toContain(`indent_size = ${formatter.indentWidth}\n`);
  expect(readRepositoryFile('.editorconfig')).toContain(`max_line_length = ${formatter.lineWidth}\n`);
});
