/**
 * Tests that values are inserted into YAML texts and removed again without changes to the surrounding text, in every
 * style.
 */
import fc from 'fast-check';
import { stringify } from 'yaml';
import { arbitraryPod } from '../../test/support/kubernetes/pods.ts';
import { defaultSidecarConfig } from '../injection/sidecar-config.ts';
import { injectManifests, uninjectManifests } from './edit-manifests.ts';
import { readValues } from './yaml-documents.ts';
import { editYaml } from './yaml-editor.ts';

const options = {
  config: defaultSidecarConfig('pannier:1'),
  kubelets: { oldestMinor: undefined },
  namespaceInject: true,
};

function edit(source: string, after: unknown): string {
  const result = editYaml(source, new Map([[0, after]]));
  return 'text' in result ? result.text : result.problem.message;
}

function valuesOf(source: string): unknown {
  const read = readValues(source);
  return 'values' in read ? read.values : read.problems;
}

const style = fc.record({
  indent: fc.constantFrom(2, 4),
  indentSeq: fc.boolean(),
  collectionStyle: fc.constantFrom('any' as const, 'any' as const, 'flow' as const),
  singleQuote: fc.boolean(),
});

/** Adds comments on separate lines and after values. */
function withComments(text: string, places: readonly { line: number; isOwn: boolean }[]): string {
  const lines = text.split('\n');
  for (const { line, isOwn } of places) {
    const at = line % lines.length;
    if (isOwn) {
      lines.splice(at, 0, '    # a comment');
    } else if (lines[at] !== '' && at < lines.length - 1) {
      lines[at] = `${lines[at]}   # behind`;
    }
  }
  return lines.join('\n');
}

const comments = fc.array(fc.record({ line: fc.nat({ max: 60 }), isOwn: fc.boolean() }), { maxLength: 5 });

describe('a random manifest', () => {
  test('is injected in place and restored byte for byte', () => {
    fc.assert(
      fc.property(arbitraryPod, style, comments, fc.boolean(), (pod, yamlStyle, places, isCrlf) => {
        const plain = stringify(
          { apiVersion: 'v1', kind: 'Pod', ...pod },
          { version: '1.1', lineWidth: 0, ...yamlStyle },
        );
        const commented = yamlStyle.collectionStyle === 'flow' ? plain : withComments(plain, places);
        fc.pre('values' in readValues(commented));
        const source = isCrlf ? commented.replaceAll('\n', '\r\n') : commented;
        const injected = injectManifests(source, options);
        if (!('text' in injected)) {
          throw new Error(JSON.stringify(injected.problems));
        }
        expect(injected.outcomes).toMatchObject([{ injection: { kind: 'inject' } }]);
        expect(injectManifests(injected.text, options)).toMatchObject({ text: injected.text });
        const bare = uninjectManifests(injected.text);
        expect('text' in bare && valuesOf(bare.text)).toEqual(valuesOf(source));
        // In flow style, a value to which injection appends a comma gets quotes, and the quotes remain after
        // uninjecting.
        const isRequoted = yamlStyle.collectionStyle === 'flow' && source.includes('safe-to-evict');
        expect(bare).toMatchObject(isRequoted ? {} : { text: source });
      }),
      { numRuns: 150 },
    );
  });
});

describe('an edit', () => {
  test('without changes returns the same text', () => {
    expect(editYaml('a:   1', new Map())).toEqual({ text: 'a:   1' });
  });

  test('replaces a scalar and keeps the comment after it', () => {
    expect(edit('a: 1   # one\nb: "x"\n', { a: 2, b: 'yes' })).toBe('a: 2   # one\nb: "yes"\n');
  });

  test('adds a value to a key without one', () => {
    expect(edit('a:\nb: 1\n', { a: { c: 1 }, b: 1 })).toBe('a:\n  c: 1\nb: 1\n');
  });

  test('removes the first key of a list item, or returns a problem', () => {
    const result = edit('- env: 1\n  name: x\n', [{ name: 'x' }]);
    expect(result === '- name: x\n' || result.startsWith('cannot edit')).toBe(true);
  });

  test('overrides a merged value with a new key', () => {
    const source = 'base: &base\n  image: a\n  size: 1\nuse:\n  <<: *base\n  name: x\n';
    const after = { base: { image: 'a', size: 1 }, use: { image: 'b', size: 1, name: 'x' } };
    expect(edit(source, after)).toBe(`${source}  image: b\n`);
  });

  test('changes only one of two places that share an anchor', () => {
    const source = 'one: &shared\n  - a\ntwo: *shared\n';
    expect(valuesOf(edit(source, { one: ['a'], two: ['a', 'b'] }))).toEqual([
      {
        one: ['a'],
        two: ['a', 'b'],
      },
    ]);
    expect(valuesOf(edit(source, { one: ['a', 'c'], two: ['a'] }))).toEqual([
      {
        one: ['a', 'c'],
        two: ['a'],
      },
    ]);
  });

  test('accepts many aliases, but refuses nested aliases that expand too much', () => {
    const uses = Array.from({ length: 150 }, (_, index) => `k${index}: *a`).join('\n');
    const pod = `apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n  containers:\n    - name: app\n`;
    const result = injectManifests(`x: &a 1\n${uses}\n${pod}`, options);
    expect(result).toMatchObject({ outcomes: [{ injection: { kind: 'inject' } }] });
    const levels = Array.from(
      { length: 12 },
      (_, index) => `l${index + 1}: &l${index + 1} [${`*l${index}, `.repeat(9)}]`,
    );
    const bomb = injectManifests(`l0: &l0 [x]\n${levels.join('\n')}\n${pod}`, options);
    expect(bomb).toMatchObject({
      problems: [{ message: expect.stringContaining('the aliases must expand to at most 1000000 values') }],
    });
  });

  test('returns a problem if YAML does not allow the change', () => {
    const source = 'base: &base\n  image: a\nuse:\n  <<: *base\n  name: x\n';
    expect(edit(source, { base: { image: 'a' }, use: { name: 'x' } })).toBe(
      'cannot edit the file: a value cannot be changed in place; use block style',
    );
  });

  test('quotes strings that YAML 1.1 would read as other types', () => {
    const values = ['yes', 'no', 'on', '0666', '1_000', '12:30:45', '1e3', 'null', '~', '', ' x', '0x1f', 'y'];
    const text = edit('list: [x]\n', { list: [...values] });
    for (const value of values.filter((candidate) => candidate !== '')) {
      expect(text).toContain(`"${value}"`);
    }
    const block = edit('a: 1\n', { a: 1, more: values });
    expect(valuesOf(block)).toEqual([{ a: 1, more: values }]);
    expect(block).not.toMatch(/- (yes|no|on|0666|1_000|12:30:45|1e3|null|~|0x1f|y)$/m);
  });
});
