/**
 * Checks every text that people read against the terms in scripts/text/terms.yaml.
 */
import { repositoryTexts } from '../../scripts/text/repository-texts.ts';
import { readStyleTerms, styleReport } from '../../scripts/text/terms.ts';
import { repositoryRoot } from '../support/repository.ts';

const terms = readStyleTerms(repositoryRoot);

test('no text of the repository contains a term that terms.yaml rejects', () => {
  const report = styleReport(terms, repositoryTexts(repositoryRoot));
  expect(report).toEqual({ problems: [], unusedUses: [] });
});

test('each term names a replacement, and each allowed use has a reason', () => {
  const names = terms.map(({ term }) => term);
  expect(new Set(names).size).toBe(names.length);
  for (const { pattern, instead, allowed = [] } of terms) {
    expect(() => new RegExp(pattern, 'u')).not.toThrow();
    expect(instead).not.toBe('');
    expect(allowed.filter(({ path, text, why }) => path === '' || text === '' || why === '')).toEqual([]);
  }
});

describe('a term', () => {
  const term = {
    term: 'afloat',
    pattern: '\\bafloat\\b',
    in: ['comment' as const],
    instead: 'in flight',
    allowed: [{ path: 'src/ship.ts', text: 'ship afloat', why: 'nautical' }],
  };

  test.each([
    [
      'a comment that uses it',
      'src/a.ts',
      '/** Calls\n * afloat. */',
      ['src/a.ts:1: afloat: Calls afloat. (instead: in flight)'],
    ],
    [
      'the line of its sentence',
      'src/a.ts',
      '// One.\n\n// Two. Afloat.',
      ['src/a.ts:3: afloat: Afloat. (instead: in flight)'],
    ],
    ['nothing in another context', 'src/a.ts', "const text = 'a call afloat';", []],
    ['nothing in code, which is quoted', 'src/a.ts', '// The name `afloat` is old.', []],
    ['nothing where the use is allowed', 'src/ship.ts', '// A ship afloat.', []],
    [
      'an allowed sentence in another file',
      'src/b.ts',
      '// A ship afloat.',
      ['src/b.ts:1: afloat: A ship afloat. (instead: in flight)'],
    ],
  ])('reports %s', (_name, path, content, problems) => {
    expect(styleReport([term], [{ path, content }]).problems).toEqual(problems);
  });

  test('reports an allowed use that matches no sentence', () => {
    const { unusedUses } = styleReport([term], [{ path: 'src/a.ts', content: '' }]);
    expect(unusedUses).toEqual(['afloat: src/ship.ts: ship afloat']);
  });
});
