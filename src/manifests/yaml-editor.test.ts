/**
 * Values are put into YAML texts and taken out again, and the texts around them stay: in every style, with comments anywhere.
 */
import fc from 'fast-check';
import { stringify } from 'yaml';
import { arbitraryPod } from '../../test/support/kubernetes/pods.ts';
import { defaultSidecarConfig } from '../injection/sidecar-config.ts';
import { injectManifests, uninjectManifests } from './edit-manifests.ts';
import { readDocuments } from './yaml-documents.ts';
import { editYaml } from './yaml-editor.ts';

const options = {
  config: defaultSidecarConfig('pannier:1'),
  kubelets: { oldestMinor: undefined },
  namespaceInject: true,
};

function edit(source: string, after: unknown): string {
  const result = editYaml(source, new Map([[0, after]]));
  return 'text' in result ? result.text : result.problem;
}

const style = fc.record({
  indent: fc.constantFrom(2, 4),
  indentSeq: fc.boolean(),
  collectionStyle: fc.constantFrom('any' as const, 'any' as const, 'flow' as const),
  singleQuote: fc.boolean(),
});

/** Comments on lines of their own and behind values. */
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

describe('any manifest', () => {
  test('is injected in place and comes back byte for byte', () => {
    fc.assert(
      fc.property(arbitraryPod, style, comments, fc.boolean(), (pod, yamlStyle, places, isCrlf) => {
        const plain = stringify({ apiVersion: 'v1', kind: 'Pod', ...pod }, { lineWidth: 0, ...yamlStyle });
        const commented = yamlStyle.collectionStyle === 'flow' ? plain : withComments(plain, places);
        fc.pre(readDocuments(commented).every((document) => document.errors.length === 0));
        const source = isCrlf ? commented.replaceAll('\n', '\r\n') : commented;
        const injected = injectManifests(source, options);
        if (!('text' in injected)) {
          throw new Error(injected.problems.join());
        }
        expect(injected.outcomes).toMatchObject([{ injection: { kind: 'inject' } }]);
        expect(injectManifests(injected.text, options)).toMatchObject({ text: injected.text });
        const bare = uninjectManifests(injected.text);
        expect('text' in bare && readDocuments(bare.text)[0]?.toJS()).toEqual(readDocuments(source)[0]?.toJS());
        // A word that got a comma needs quotes in flow style, and keeps them.
        const isRequoted = yamlStyle.collectionStyle === 'flow' && source.includes('safe-to-evict');
        expect(bare).toMatchObject(isRequoted ? {} : { text: source });
      }),
      { numRuns: 150 },
    );
  });
});

describe('an edit', () => {
  test('of nothing gives the text as it is', () => {
    expect(editYaml('a:   1', new Map())).toEqual({ text: 'a:   1' });
  });

  test('replaces a scalar and keeps the comment behind it', () => {
    expect(edit('a: 1   # one\nb: "x"\n', { a: 2, b: 'yes' })).toBe('a: 2   # one\nb: "yes"\n');
  });

  test('gives a key without a value one', () => {
    expect(edit('a:\nb: 1\n', { a: { c: 1 }, b: 1 })).toBe('a:\n  c: 1\nb: 1\n');
  });

  test('takes the first key out of an item by writing the rest anew, or says that it cannot', () => {
    const result = edit('- env: 1\n  name: x\n', [{ name: 'x' }]);
    expect(result === '- name: x\n' || result.startsWith('cannot edit')).toBe(true);
  });

  test('changes what is merged from elsewhere by a key of its own', () => {
    const source = 'base: &base\n  image: a\n  size: 1\nuse:\n  <<: *base\n  name: x\n';
    const after = { base: { image: 'a', size: 1 }, use: { image: 'b', size: 1, name: 'x' } };
    expect(edit(source, after)).toBe(`${source}  image: b\n`);
  });

  test('changes one of two places that share an anchor', () => {
    const source = 'one: &shared\n  - a\ntwo: *shared\n';
    expect(readDocuments(edit(source, { one: ['a'], two: ['a', 'b'] }))[0]?.toJS()).toEqual({
      one: ['a'],
      two: ['a', 'b'],
    });
    expect(readDocuments(edit(source, { one: ['a', 'c'], two: ['a'] }))[0]?.toJS()).toEqual({
      one: ['a', 'c'],
      two: ['a'],
    });
  });

  test('of a document with many aliases is possible, and a bomb of them is a mistake', () => {
    const uses = Array.from({ length: 150 }, (_, index) => `k${index}: *a`).join('\n');
    const pod = `apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n  containers:\n    - name: app\n`;
    const result = injectManifests(`x: &a 1\n${uses}\n${pod}`, options);
    expect(result).toMatchObject({ outcomes: [{ injection: { kind: 'inject' } }] });
    const levels = Array.from(
      { length: 12 },
      (_, index) => `l${index + 1}: &l${index + 1} [${`*l${index}, `.repeat(9)}]`,
    );
    const bomb = injectManifests(`l0: &l0 [x]\n${levels.join('\n')}\n${pod}`, options);
    expect(bomb).toMatchObject({ problems: [expect.stringContaining('Excessive alias count')] });
  });

  test('that YAML does not allow changes nothing and says so', () => {
    const source = 'base: &base\n  image: a\nuse:\n  <<: *base\n  name: x\n';
    expect(edit(source, { base: { image: 'a' }, use: { name: 'x' } })).toMatch(/^cannot edit the file: .*, wanted /);
  });

  test('writes strings so that YAML 1.1 reads strings', () => {
    const values = ['yes', 'no', 'on', '0666', '1_000', '12:30:45', '1e3', 'null', '~', '', ' x', '0x1f', 'y'];
    const text = edit('list: [x]\n', { list: [...values] });
    for (const value of values.filter((candidate) => candidate !== '')) {
      expect(text).toContain(`"${value}"`);
    }
    const block = edit('a: 1\n', { a: 1, more: values });
    expect(readDocuments(block)[0]?.toJS()).toEqual({ a: 1, more: values });
    expect(block).not.toMatch(/- (yes|no|on|0666|1_000|12:30:45|1e3|null|~|0x1f|y)$/m);
  });
});
