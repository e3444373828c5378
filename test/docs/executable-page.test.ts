/**
 * Tests the parser and the comparisons that the tests of documentation pages use.
 */
import { compareJson, consoleCommands, matchesText, parsePage, readFences, sectionOf } from './executable-page.ts';

function fence(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\`\n`;
}

describe('parsePage', () => {
  test('pairs a command with the json or text fence after it', () => {
    const page = `# Page\n\n${fence('sh', 'ls')}\nIt prints:\n\n${fence('text', 'file')}${fence('sh', 'pwd')}`;
    expect(parsePage(page)).toEqual([
      { kind: 'run', line: 3, script: 'ls\n', expected: { language: 'text', text: 'file\n' } },
      { kind: 'run', line: 12, script: 'pwd\n' },
    ]);
  });

  test('writes named programs and named YAML to files, and ignores fragments and other fences', () => {
    const yaml = fence('yaml', '# policies.yaml\npolicies: {}');
    const program = fence('js', '// limit.mjs\nlimit();');
    const page = `${yaml}${program}${fence('sh', 'node limit.mjs')}${fence('console', '$ kind create cluster')}${fence('yaml', 'a: 1')}${fence('js fragment', 'more();')}`;
    expect(parsePage(page)).toEqual([
      { kind: 'file', line: 1, name: 'policies.yaml', text: '# policies.yaml\npolicies: {}\n' },
      { kind: 'file', line: 5, name: 'limit.mjs', text: '// limit.mjs\nlimit();\n' },
      { kind: 'run', line: 9, script: 'node limit.mjs\n' },
    ]);
  });

  test('recognizes commands that start a sidecar', () => {
    const serve = 'PANNIER_REDIS_URL=redis://127.0.0.1:6379/?a=b \\\n  bin/pannier serve --hints';
    expect(
      parsePage(`${fence('sh', 'make run')}${fence('sh', serve)}${fence('sh', 'bin/pannier serve --help')}`),
    ).toEqual([
      { kind: 'serve', line: 1, settings: {}, args: ['serve', '--hints'] },
      {
        kind: 'serve',
        line: 4,
        settings: { PANNIER_REDIS_URL: 'redis://127.0.0.1:6379/?a=b' },
        args: ['serve', '--hints'],
      },
      { kind: 'run', line: 8, script: 'bin/pannier serve --help\n' },
    ]);
  });

  test.each([
    ['a program without a file name', fence('js', 'limit();'), 'line 1: the first line of a program must be a comment'],
    ['a program that no fence uses', fence('python', '# limit.py'), 'line 1: no other fence uses limit.py'],
    ['a fence that is not closed', '```sh\nls', 'line 1: the fence is not closed'],
  ])('rejects %s', (_name, page, message) => {
    expect(() => parsePage(page)).toThrow(message);
  });
});

test('readFences removes the indentation of a fence in a list', () => {
  expect(readFences('- item\n\n  ```yaml\n  a:\n    b: 1\n\n  ```\n')).toEqual([
    { language: 'yaml', line: 3, text: 'a:\n  b: 1\n\n' },
  ]);
});

test('consoleCommands joins the lines of a command and ignores its output', () => {
  expect(consoleCommands('$ make image\n$ helm install a \\\n    --wait\n')).toEqual([
    'make image',
    'helm install a \\\n    --wait',
  ]);
});

test('sectionOf ends before the next heading of the same or a higher level', () => {
  const page = '# Page\n\n## One\n\nfirst\n\n### Detail\n\nsecond\n\n## Two\n\nthird\n';
  expect(sectionOf(page, '## One')).toBe('\nfirst\n\n### Detail\n\nsecond\n');
  expect(sectionOf(page, '## Two')).toBe('\nthird\n');
  expect(() => sectionOf(page, '## Three')).toThrow('cannot find the section: the page has no heading "## Three"');
});

describe('compareJson', () => {
  test('accepts the same values in another order, and other values of fields that differ from run to run', () => {
    const expected = '{"allowed": true, "resetAfterMs": 5, "session": {"sessionId": "a", "version": 1, "handle": "h"}}';
    const actual = '{"session": {"handle": "x", "sessionId": "b", "version": 2}, "resetAfterMs": 9, "allowed": true}';
    expect(compareJson(expected, actual)).toEqual([]);
  });

  test('compares documents that follow each other', () => {
    expect(compareJson('{\n  "a": 1\n}\n{"a": 2}', '{"a": 1}\n{"a": 2}\n')).toEqual([]);
    expect(compareJson('{"a": 1}\n{"a": 2}', '{"a": 1}')).toEqual(['expected 2 JSON documents, got 1']);
  });

  test.each([
    ['another value', '{"allowed": true}', '{"allowed": false}', '$.allowed: expected true, got false'],
    ['a missing field', '{"a": {"b": 1}}', '{"a": {}}', '$.a.b: the output does not have this field'],
    ['an additional field', '{}', '{"a": 1}', '$.a: the page does not have this field'],
    [
      'another type of a field compared by type',
      '{"ageMs": 1}',
      '{"ageMs": "1"}',
      '$.ageMs: expected a number, got a string',
    ],
    ['another number of items', '{"a": [1]}', '{"a": [1, 2]}', '$.a: expected 1 items, got 2'],
    ['another item', '[{"a": 1}]', '[{"a": 2}]', '$[0].a: expected 1, got 2'],
  ])('reports %s', (_name, expected, actual, difference) => {
    expect(compareJson(expected, actual)).toEqual([difference]);
  });

  test('rejects text that is not JSON', () => {
    expect(() => compareJson('{}', 'NOT_FOUND')).toThrow('cannot parse as JSON: NOT_FOUND');
  });
});

describe('matchesText', () => {
  test('is exact except where the page has an ellipsis', () => {
    expect(matchesText('a.b\n', 'a.b')).toBe(true);
    expect(matchesText('a.b', 'axb')).toBe(false);
    expect(matchesText('a', 'a b')).toBe(false);
    expect(matchesText('took … ms\n…\nend', 'took 5 ms\none\ntwo\nend\n')).toBe(true);
    expect(matchesText('took … ms', 'took 5 s')).toBe(false);
  });
});
