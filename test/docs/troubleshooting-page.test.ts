/**
 * Tests that every message that the troubleshooting page quotes exists: each code span in the first column of a table
 * occurs in the source code.
 *
 * `…` on the page is a wildcard. It matches an interpolation such as `${path}`, or any other text on the same line of
 * the source.
 */
import { readRepositoryFile, repositoryFiles } from '../support/repository.ts';

const page = readRepositoryFile('docs/operations/troubleshooting.md');
const sources = repositoryFiles(['src/**/*.ts', 'charts/pannier/templates/**'])
  .filter((path) => !path.endsWith('.test.ts'))
  .map(readRepositoryFile);

/** Returns the quoted messages: the code spans in the first cell of each row. */
function quotedTexts(): string[] {
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  return rows.flatMap((row) => {
    const [, cell = ''] = row.split(' | ', 1)[0]?.split('| ') ?? [];
    return [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);
  });
}

/** Returns a pattern that matches the message within one line of the source. */
function patternOf(text: string): RegExp {
  const parts = text.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(parts.join('[^\\n]+?'));
}

test('quotes at least one text in each table', () => {
  const tables = page.split('\n').filter((line) => line.startsWith('|---')).length;
  expect(quotedTexts().length).toBeGreaterThan(4 * tables);
});

test.each(quotedTexts())('quotes a text of the source: %s', (text) => {
  const pattern = patternOf(text);
  expect(sources.some((source) => pattern.test(source))).toBe(true);
});
