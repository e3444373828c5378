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
import { repositoryRoot } from '../support/repository.ts';

const ROWS: readonly AnnotationRow[] = ANNOTATIONS;

function isAccepted(row: AnnotationRow, text: string): boolean {
  return 'annotations' in parseAnnotations({ [`pannier.dev/${row.name}`]: text });
}

function isExact(form: ValueForm): boolean {
  return form.kind !== 'patterns' || form.isExact;
}

/** Texts that several kinds of values accept or nearly accept. */
const SEEDS = [
  ...ROWS.flatMap((row) => [row.example, ...row.wrong]),
  ...['0', '1', '1023', '1024', '65535', '65536', '600000', '600001', '007', '1e3', '+1', '999999999999999'],
  ...['64', '64.0', '64.000000001', '64000m', '0.001', '0.0009', '1m', '0.5m', '1k', '64Gi', '65Gi', '96Mi', '95.9Mi'],
  ...['1Mi', '1048575', '1048576', '1M', '1G', '2Ti', '1Gi1', '.5', '5.', '1.1234567891'],
  ...[
    'a'.repeat(64),
    'a'.repeat(65),
    'a'.repeat(253),
    'a'.repeat(254),
    `${'a/'.repeat(255)}b:1`,
    `${'a/'.repeat(256)}b:1`,
  ],
  ...[
    'a.b',
    'a..b',
    'a-',
    '-a',
    'a:1',
    'a:65536/b:1',
    'a/b@c',
    `a@sha256:${'0'.repeat(64)}`,
    `a:1@sha256:${'f'.repeat(64)}`,
  ],
  ...[
    'redis://h',
    'rediss://h:1/0',
    'REDIS://h/',
    ' redis://h ,redis://i\n',
    'redis://h,rediss://i',
    'redis://[::1]:6379',
  ],
  ...['redis://u:p@h', 'redis://:p%40@h,redis://i', 'redis+sentinel://a,b:26379/main', 'redis+sentinel://u:p@ a , b/m'],
  ...[
    'rediss+sentinel://[::1]:1/m',
    'redis+sentinel://a,b',
    'redis://h?x',
    'redis://h#x',
    'redis://h/1',
    'redis://h:',
    'redis://',
  ],
  ...[
    '{}',
    '{ }',
    '--- {}',
    '{PANNIER_X: 1}',
    '{"\\u0050ANNIER_KEY_PREFIX": a}',
    'PANNIER_KEY_PREFIX: a',
    '? PANNIER_KEY_PREFIX # a=b\n: c',
  ],
  ...[
    'PANNIER_KEY_PREFIX: "=:"',
    'PANNIER_KEY_PREFIX: ""\nPANNIER_HASH_SUBJECTS: true',
    '# =\nPANNIER_KEY_PREFIX: a',
    'true\n',
    'true ',
  ],
];

const mutated = fc
  .tuple(
    fc.constantFrom(...SEEDS),
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
    fc.constantFrom('', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi'),
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
    for (const seed of SEEDS) {
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
