/**
 * Every annotation once: its example is accepted and does something, what is wrong is refused with what is wanted.
 *
 * test/injection/refusals.txt holds the texts of all wrong values, to be read; PANNIER_TEST_UPDATE_GOLDEN=1 writes it anew.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../test/support/repository.ts';
import { ANNOTATIONS, type AnnotationRow, parseAnnotations } from './annotations.ts';
import { annotationsSchema, withAnnotationsTable } from './annotations-reference.ts';
import { injectPod } from './inject-pod.ts';
import type { Pod } from './pod.ts';
import { defaultSidecarConfig } from './sidecar-config.ts';

const ROWS: readonly AnnotationRow[] = ANNOTATIONS;

function inject(annotations: Record<string, string>): Pod {
  const injection = injectPod({
    pod: { metadata: { annotations }, spec: { containers: [{ name: 'app' }] } },
    namespaceLabels: {},
    namespaceAnnotations: { 'pannier.dev/inject': 'true' },
    config: defaultSidecarConfig('pannier:1'),
    kubelets: { oldestMinor: 28 },
  });
  if (injection.kind !== 'inject') {
    throw new Error(JSON.stringify(injection));
  }
  return injection.pod;
}

function problemsOf(name: string, text: string): readonly string[] {
  const parsed = parseAnnotations({ [`pannier.dev/${name}`]: text });
  return 'problems' in parsed ? parsed.problems : [];
}

describe.each(ROWS.map((row) => [row.name, row] as const))('%s', (name, row) => {
  test('its example is accepted', () => {
    expect(problemsOf(name, row.example)).toEqual([]);
  });

  test('changes what is injected', () => {
    const without = inject({});
    const having = inject({ [`pannier.dev/${name}`]: row.example });
    const isSwitch = name === 'inject';
    expect(JSON.stringify(having.spec) === JSON.stringify(without.spec)).toBe(isSwitch);
  });

  test.each(row.wrong)('%j is refused', (text) => {
    const problems = problemsOf(name, text);
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) {
      expect(problem).toMatch(new RegExp(`^cannot read annotation pannier[.]dev/${name}: .*(, wanted|must be) .+`));
    }
  });
});

test('the texts of all refusals are those that were read', () => {
  const lines = ROWS.flatMap((row) => row.wrong.flatMap((text) => problemsOf(row.name, text)));
  const path = join(repositoryRoot, 'test/injection/refusals.txt');
  const text = `${lines.join('\n')}\n`;
  if (process.env.PANNIER_TEST_UPDATE_GOLDEN === '1') {
    writeFileSync(path, text);
  }
  expect(readFileSync(path, 'utf8')).toBe(text);
});

describe('all annotations together', () => {
  test('every mistake is told at once', () => {
    const parsed = parseAnnotations({
      'pannier.dev/inject': 'true',
      'pannier.dev/memory-limits': '1Gi',
      'pannier.dev/native': 'no',
      'example.dev/colour': 'red',
    });
    expect(parsed).toEqual({
      problems: [
        'cannot read annotation pannier.dev/memory-limits: there is no such annotation, wanted pannier.dev/memory-limit, perhaps',
        'cannot read annotation pannier.dev/native: it is "no", wanted one of auto, true, false',
      ],
    });
  });

  test('a key far from all others is told what there is', () => {
    expect(problemsOf('colour-of-the-sky', 'blue')[0]).toMatch(/: there is no such annotation, wanted one of inject, /);
  });

  test('refuses the old name of a renamed annotation or setting with the new one', () => {
    expect(problemsOf('transport', 'grpc-js')).toEqual([
      'cannot read annotation pannier.dev/transport: it was renamed; use pannier.dev/grpc-transport',
    ]);
    expect(problemsOf('env', '{PANNIER_REDIS_TIMEOUT_MS: 500}')).toEqual([
      'cannot read annotation pannier.dev/env: cannot use PANNIER_REDIS_TIMEOUT_MS: it was renamed; use PANNIER_REDIS_COMMAND_TIMEOUT_MS',
    ]);
  });

  test('what the injector itself writes is none of them, and no mistake', () => {
    expect(parseAnnotations({ 'pannier.dev/injected': 'true', 'pannier.dev/config-hash': 'x' })).toEqual({
      annotations: {},
    });
  });

  test('a password is never shown', () => {
    expect(problemsOf('redis-url', 'redis://u:hunter2@h/7').join()).not.toContain('hunter2');
  });

  test('a value that is no annotation could be is shown shortened', () => {
    expect(problemsOf('scope', 'x'.repeat(5_000))[0]?.length).toBeLessThan(300);
  });

  test('a URL with a login is not shown, whichever annotation it stands in', () => {
    for (const [name, text] of [
      ['env', 'PANNIER_CACHE_REDIS_URL=redis://user:word@one'],
      ['env', '{PANNIER_CACHE_REDIS_URL: "redis://user:word@one/7"}'],
      ['scope', 'redis://:word@one'],
      ['redis-url', 'redis://:word@one/7'],
    ] as const) {
      const problems = problemsOf(name, text).join();
      expect(problems).toMatch(/may hold a password|the database number must be/);
      expect(problems).not.toContain('word@');
    }
  });

  test('aliases in env are not expanded', () => {
    const bomb = 'a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]';
    expect(problemsOf('env', bomb)[0]).toMatch(/wanted a mapping/);
  });
});

describe('the pages', () => {
  test('docs/reference/annotations.md holds the table (make docs)', () => {
    const page = readFileSync(join(repositoryRoot, 'docs/reference/annotations.md'), 'utf8');
    expect(page).toBe(withAnnotationsTable(page));
  });

  test('docs/reference/annotations.schema.json is what the table says (make docs)', () => {
    expect(readFileSync(join(repositoryRoot, 'docs/reference/annotations.schema.json'), 'utf8')).toBe(
      annotationsSchema(),
    );
  });

  test('the schema accepts every example and knows every wrong choice', () => {
    const { properties } = JSON.parse(annotationsSchema()) as {
      properties: Record<string, { enum?: string[]; pattern?: string }>;
    };
    for (const row of ROWS) {
      const schema = properties[`pannier.dev/${row.name}`];
      expect(schema?.enum?.includes(row.example) ?? new RegExp(schema?.pattern ?? '').test(row.example)).toBe(true);
      expect(schema?.enum?.some((value) => row.wrong.includes(value)) ?? false).toBe(false);
    }
  });
});
