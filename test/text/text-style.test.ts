/**
 * The style of every text that people read, by the terms of scripts/text/terms.yaml.
 */
import { repositoryTexts } from '../../scripts/text/repository-texts.ts';
import { readStyleTerms, styleReport } from '../../scripts/text/terms.ts';
import { repositoryRoot } from '../support/repository.ts';

const terms = readStyleTerms(repositoryRoot);

test('no text of the repository uses a term that terms.yaml rejects', () => {
  const report = styleReport(terms, repositoryTexts(repositoryRoot));
  expect(report).toEqual({ problems: [], unusedUses: [] });
});

test('each term says what to write instead, and each allowed use why', () => {
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
    term: 'under way',
    pattern: '\\bunder way\\b',
    in: ['comment' as const],
    instead: 'in flight',
    allowed: [{ path: 'src/ship.ts', text: 'ship under way', why: 'nautical' }],
  };

  test.each([
    [
      'a comment that uses it',
      'src/a.ts',
      '/** Calls\n * under way. */',
      ['src/a.ts:1: under way: Calls under way. (instead: in flight)'],
    ],
    [
      'the line of its sentence',
      'src/a.ts',
      '// One.\n\n// Two. Under way.',
      ['src/a.ts:3: under way: Under way. (instead: in flight)'],
    ],
    ['nothing in another context', 'src/a.ts', "const text = 'a call under way';", []],
    ['nothing in code, which is quoted', 'src/a.ts', '// The name `under way` is old.', []],
    ['nothing where the use is allowed', 'src/ship.ts', '// A ship under way.', []],
    [
      'an allowed sentence in another file',
      'src/b.ts',
      '// A ship under way.',
      ['src/b.ts:1: under way: A ship under way. (instead: in flight)'],
    ],
  ])('reports %s', (_name, path, content, problems) => {
    expect(styleReport([term], [{ path, content }]).problems).toEqual(problems);
  });

  test('with an allowed use that no sentence needs is reported', () => {
    const { unusedUses } = styleReport([term], [{ path: 'src/a.ts', content: '' }]);
    expect(unusedUses).toEqual(['under way: src/ship.ts: ship under way']);
  });
});
