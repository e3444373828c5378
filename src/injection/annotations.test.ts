/**
 * Tests the valid and invalid values of each annotation, and the pages that the generator derives from the table.
 *
 * test/injection/refusals.txt contains the errors of all invalid values, for review. PANNIER_TEST_UPDATE_GOLDEN=1
 * regenerates it.
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
    pod: { metadata: { annotations }, spec: { containers: [{ name: 'app' }, { name: 'istio-proxy' }] } },
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
  test('accepts its example', () => {
    expect(problemsOf(name, row.example)).toEqual([]);
  });

  test('changes the injected sidecar, unless it is the annotation inject', () => {
    const without = inject({});
    const having = inject({ [`pannier.dev/${name}`]: row.example });
    const isSwitch = name === 'inject';
    expect(JSON.stringify(having.spec) === JSON.stringify(without.spec)).toBe(isSwitch);
  });

  test.each(row.wrong)('refuses %j and names the accepted values', (text) => {
    const problems = problemsOf(name, text);
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) {
      expect(problem).toMatch(
        new RegExp(
          `^annotation pannier[.]dev/${name}( must be .+, got .+|: .+ must be .+|: unknown setting .+; see .+)`,
        ),
      );
    }
  });
});

test('the errors of all invalid values equal the reviewed ones', () => {
  const lines = ROWS.flatMap((row) => row.wrong.flatMap((text) => problemsOf(row.name, text)));
  const path = join(repositoryRoot, 'test/injection/refusals.txt');
  const text = `${lines.join('\n')}\n`;
  if (process.env.PANNIER_TEST_UPDATE_GOLDEN === '1') {
    writeFileSync(path, text);
  }
  expect(readFileSync(path, 'utf8')).toBe(text);
});

describe('all annotations together', () => {
  test('report all errors at once', () => {
    const parsed = parseAnnotations({
      'pannier.dev/inject': 'true',
      'pannier.dev/memory-limits': '1Gi',
      'pannier.dev/native': 'no',
      'example.dev/colour': 'red',
    });
    expect(parsed).toEqual({
      problems: [
        'unknown annotation pannier.dev/memory-limits; did you mean pannier.dev/memory-limit?',
        'annotation pannier.dev/native must be one of auto, true, false, got "no"',
      ],
    });
  });

  test('list all names if an unknown one is not similar to any', () => {
    expect(problemsOf('colour-of-the-sky', 'blue')[0]).toMatch(
      /^unknown annotation pannier.dev\/colour-of-the-sky; must be pannier.dev\/ followed by one of inject, image, /,
    );
  });

  test('refuse the former name of an annotation or a setting and name the new one', () => {
    expect(problemsOf('transport', 'grpc-js')).toEqual([
      'cannot use annotation pannier.dev/transport: it was renamed; use pannier.dev/grpc-transport',
    ]);
    expect(problemsOf('env', '{PANNIER_REDIS_TIMEOUT_MS: 500}')).toEqual([
      'annotation pannier.dev/env: cannot use PANNIER_REDIS_TIMEOUT_MS: it was renamed; use PANNIER_REDIS_COMMAND_TIMEOUT_MS',
    ]);
  });

  test('ignore the annotations that the injector sets', () => {
    expect(parseAnnotations({ 'pannier.dev/injected': 'true', 'pannier.dev/config-hash': 'x' })).toEqual({
      annotations: {},
    });
  });

  test('never show the password of a URL', () => {
    expect(problemsOf('redis-url', 'redis://u:hunter2@h/7').join()).not.toContain('hunter2');
  });

  test('show only the beginning of a very long value', () => {
    expect(problemsOf('scope', 'x'.repeat(5_000))[0]?.length).toBeLessThan(300);
  });

  test('hide a URL with a login in any annotation', () => {
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

  test('refuse aliases in env instead of expanding them', () => {
    const bomb = 'a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]';
    expect(problemsOf('env', bomb)[0]).toMatch(/must be a mapping/);
  });
});

describe('the generated files', () => {
  test('docs/reference/annotations.md contains the current table (make docs)', () => {
    const page = readFileSync(join(repositoryRoot, 'docs/reference/annotations.md'), 'utf8');
    expect(page).toBe(withAnnotationsTable(page));
  });

  test('docs/reference/annotations.schema.json equals the schema of the table (make docs)', () => {
    expect(readFileSync(join(repositoryRoot, 'docs/reference/annotations.schema.json'), 'utf8')).toBe(
      annotationsSchema(),
    );
  });

  test('the schema accepts every example and excludes invalid choices', () => {
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
