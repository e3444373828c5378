/**
 * Compares the forms of annotation values, from which the chart warns about workloads, with the parser of the injector.
 * The tests in test/kubernetes evaluate the generated expressions on a real API server.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { annotationsTemplate, matchesForm } from '../../scripts/annotation-warnings.ts';
import { ANNOTATIONS, type AnnotationRow, parseAnnotations } from '../../src/injection/annotations.ts';
import type { ValueForm } from '../../src/injection/value-form.ts';
import { ANNOTATION_VALUES } from '../support/kubernetes/annotation-values.ts';
import { repositoryRoot } from '../support/repository.ts';

const ROWS: readonly AnnotationRow[] = ANNOTATIONS;

function isAccepted(row: AnnotationRow, text: string): boolean {
  return 'annotations' in parseAnnotations({ [`pannier.dev/${row.name}`]: text });
}

function isExact(form: ValueForm): boolean {
  return form.kind !== 'patterns' || form.isExact;
}

const mutated = fc
  .tuple(
    fc.constantFrom(...ANNOTATION_VALUES),
    fc.nat(),
    fc.nat({ max: 2 }),
    fc.string({ maxLength: 2, unit: fc.constantFrom(...'aA0159.:/@-_ ,[]{}#%=\n\t\u00a0\u2028é€mMGki"\'?+') }),
  )
  .map(([seed, position, removed, added]) => {
    const at = position % (seed.length + 1);
    return seed.slice(0, at) + added + seed.slice(at + removed);
  });

const quantity = fc
  .tuple(
    fc.nat({ max: 70_000 }),
    fc.constantFrom('', '.5', '.001', '.999'),
    fc.constantFrom('', 'm', 'k', 'M', 'G', 'T', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi'),
  )
  .map((parts) => parts.join(''));

describe.each(ROWS.map((row) => [row.name, row] as const))('the form of %s', (_name, row) => {
  const { form } = row.kind;

  test('has the example, and lacks every invalid value that a form can exclude', () => {
    expect(matchesForm(form, row.example)).toBe(true);
    const missed = row.wrong.filter((text) => matchesForm(form, text));
    expect(isExact(form) ? missed : []).toEqual([]);
    expect(missed.length).toBeLessThan(row.wrong.length);
  });

  test('is the form of every value that the parser accepts, and of no other value if it is exact', () => {
    const check = (text: string): void => {
      const found = { text, accepted: isAccepted(row, text), matches: matchesForm(form, text) };
      expect(found).toMatchObject(found.accepted || isExact(form) ? { matches: found.accepted } : { accepted: false });
    };
    for (const seed of ANNOTATION_VALUES) {
      check(seed);
    }
    const isShortOfChoices = form.kind === 'choices';
    fc.assert(fc.property(fc.oneof(mutated, quantity, fc.string()), check), {
      numRuns: isShortOfChoices ? 200 : 2_000,
    });
  });

  test('has patterns with the same meaning in JavaScript and RE2', () => {
    const patterns = form.kind === 'patterns' ? form.patterns : [];
    for (const pattern of patterns) {
      const plain = pattern.replaceAll('[\\s\\S]', '.');
      expect(plain).not.toMatch(/\\[a-zA-Z0-9]|\(\?|[*+?}][?+]/);
      expect(
        [...plain.matchAll(/\{(?:\d+,)?(\d+)\}/g)].map(([, most]) => Number(most)).filter((most) => most > 1_000),
      ).toEqual([]);
    }
  });
});

test('the include file of the chart is up to date (make docs)', () => {
  const committed = readFileSync(join(repositoryRoot, 'charts/pannier/templates/_annotations.tpl'), 'utf8');
  expect(committed).toBe(annotationsTemplate());
});
