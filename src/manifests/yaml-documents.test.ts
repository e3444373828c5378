/**
 * Tests the values that manifests have for kubectl, and the errors of files that kubectl or an API server would not
 * accept: one for each cause, with the line and the column.
 */
import { problemText } from './manifest-problem.ts';
import { readValues } from './yaml-documents.ts';

function problemsOf(source: string): string[] {
  const read = readValues(source);
  return 'problems' in read ? read.problems.map((problem) => problemText('f', problem)) : [];
}

const YAML = 'cannot read the file as YAML: ';
const STREAM = 'cannot read the file as a JSON stream: ';
const TAB = `${YAML}the indentation must consist of spaces, got a tab`;
const CONTINUED = `${YAML}a mapping must not begin in the line of another value; put it below its key, or write the value in quotes`;
const SEPARATE = `${YAML}the value must end here, or a line with --- must separate it from the next one`;
const COLON = `${YAML}a key must be followed by ": " in the same line`;

/** Sources with one error, and the text of the error. */
const ERRORS: readonly (readonly [name: string, source: string, problem: string])[] = [
  [
    'a key that occurs twice',
    'a:\n  labels: {x: 1}\n  b: 1\n  labels: {}\n',
    'f:4:3: the key labels must be unique in its mapping; it is already in line 2',
  ],
  [
    'a key that occurs twice in flow style',
    'é: {b: 1, b: 2}\n',
    'f:1:11: the key b must be unique in its mapping; it is already in line 1',
  ],
  [
    'two keys that kubectl converts to the same string',
    'on: 1\n"true": 2\n',
    'f:2:1: the key true must be unique in its mapping; it is already in line 1',
  ],
  [
    'a long key that occurs twice',
    `${'x'.repeat(70)}: 1\n${'x'.repeat(70)}: 1\n`,
    `f:2:1: the key ${'x'.repeat(60)}... must be unique in its mapping; it is already in line 1`,
  ],
  ['tabs as indentation', 'kind: Pod\nmetadata:\n\tname: x\n\tlabels: y\nspec:\n\ta: b\n', `f:3:1: ${TAB}`],
  ['a tab after spaces', 'a:\n  b: 1\n \tc: 2\n', `f:3:2: ${TAB}`],
  ['a tab in a block of text', 'a:\n  b: |\n\tx\n', `f:3:1: ${TAB}`],
  ['a tab in flow style', 'a: {\n\tb: 1\n}\n', `f:2:1: ${TAB}`],
  ['a tab before a list item', 'a:\n - x\n\t- y\n', `f:3:1: ${TAB}`],
  [
    'CR as the only line end',
    'a: 1\rb: 2\rc:\r  d: 1\r',
    `f:1:5: ${YAML}all lines end with CR; convert the line ends to LF or CRLF`,
  ],
  [
    'a CR among other line ends',
    'a: 1\n# x\rb: 2\n',
    `f:2:4: ${YAML}a line ends with CR; convert the line ends to LF or CRLF`,
  ],
  ['a CR in JSON', '{"a":\r1}', `f:1:6: ${YAML}all lines end with CR; convert the line ends to LF or CRLF`],
  [
    'a double quote without an end',
    'a: 1\nb: "x\nc: 1\nd: 2\n',
    `f:2:4: ${YAML}the opening " must have a closing " and indented lines`,
  ],
  [
    'a single quote without an end',
    "a: 'x\nb: 1\n",
    `f:1:4: ${YAML}the opening ' must have a closing ' and indented lines`,
  ],
  [
    'a brace without an end',
    'a: {b: 1\nc: 2\n',
    `f:1:4: ${YAML}the opening { must have a closing } and indented lines`,
  ],
  [
    'a bracket without an end',
    'a:\n  - [1, 2\n  - c\n',
    `f:2:5: ${YAML}the opening [ must have a closing ] and indented lines`,
  ],
  [
    'a bracket with the wrong end',
    'a: [1, 2}\n',
    `f:1:4: ${YAML}the opening [ must have a closing ] and indented lines`,
  ],
  ['a bracket without a start', 'a: }\n', `f:1:4: ${SEPARATE}, got "}"`],
  [
    'an alias without an anchor',
    'a: *x\nb: &x 1\n',
    'f:1:4: the alias *x must follow the anchor &x, but there is no such anchor above it',
  ],
  ['an alias in its own value', 'a: &x [*x]\n', 'f:1:8: the alias *x must not be part of the value with the anchor &x'],
  ['an alias without a name', 'a: *\n', `f:1:4: ${YAML}an alias must have a name after *`],
  ['an anchor without a name', 'a: & x\n', `f:1:4: ${YAML}an anchor must have a name after &`],
  ['two anchors', 'a: &x &y z\n', `f:1:7: ${YAML}a value must have at most one anchor, got "&"`],
  ['an anchor of an alias', 'a: &x 1\nb: &y *x\n', `f:2:7: ${YAML}an alias must have no anchor and no tag, got "*"`],
  ['two tags', 'a: !x !y z\n', `f:1:7: ${YAML}a value must have at most one tag, got "!"`],
  ['a tag that is not declared', 'a: !e!x y\n', `f:1:4: ${YAML}a tag must be declared by a %TAG directive, got "!"`],
  [
    'a merge key without a mapping',
    'a:\n  <<: 1\n',
    'f:2:3: the merge key << must have a mapping or a list of mappings as its value',
  ],
  [
    'a reserved character',
    'a: @x\n',
    `f:1:4: ${YAML}a value without quotes must not begin with "@"; write it in quotes`,
  ],
  [
    'an unknown escape sequence',
    'a: "\\q"\n',
    `f:1:5: ${YAML}a backslash in double quotes must begin an escape sequence such as \\n or \\\\`,
  ],
  ['a key without a colon', 'a: 1\nfoo\nb: 2\n', `f:2:1: ${COLON}`],
  [
    'a key with another indentation',
    'a:\n  b: 1\n c: 2\n',
    `f:3:2: ${YAML}a key must begin in the same column as the keys of its mapping above, got c`,
  ],
  ['a value and a mapping', 'a: b\n  c: d\n', `f:1:4: ${CONTINUED}`],
  ['two colons in a line', 'a: b: c\n', `f:1:4: ${CONTINUED}`],
  [
    'a list item with another indentation',
    'a:\n  - x\n - y\n',
    `f:3:2: ${YAML}an item must begin in the same column as the items above`,
  ],
  ['a list item among keys', 'a: 1\n- b\n', `f:2:1: ${COLON}`],
  ['a value after a quoted value', "key: 'it's'\n", `f:1:10: ${SEPARATE}, got "s"`],
  ['an empty item in flow style', 'a: [,]\n', `f:1:5: ${YAML}an item must precede each comma, got ","`],
  [
    'a comma that is missing',
    '{"a": 1 "b": 2}',
    `f:1:7: ${YAML}items in braces or brackets must be separated by ",", got "1"`,
  ],
  ['a colon that is missing', '{"a" 1}', `f:1:6: ${YAML}items in braces must be separated by ":" or ",", got "1"`],
  [
    'a colon without a space in flow style',
    'a: [{name:, image: x}]\n',
    `f:1:11: ${YAML}a colon must be followed by a space, got ","`,
  ],
  ['a comment without a space', 'a: "x"#c\n', `f:1:7: ${YAML}a comment must be separated by a space, got "#"`],
  [
    'text after the indicator of a block',
    'a: |x\n  y\n',
    `f:1:5: ${YAML}only a comment must follow | or > in its line, got "x"`,
  ],
  [
    'a directive without a document',
    '%YAML 1.1\na: 1\n',
    `f:2:1: ${YAML}directives such as %YAML must be followed by a line with ---`,
  ],
  [
    'a mapping in the line of the marker',
    '--- a: 1\n',
    `f:1:5: ${YAML}a mapping or list must begin in the line below ---`,
  ],
  [
    'a document that kubectl ignores',
    'a: 1\n...\nb: 1\n',
    `f:3:1: ${YAML}a document after a line with ... must begin with a line with ---`,
  ],
  [
    'a key of more than 1024 characters',
    `${'x'.repeat(1_100)}: 1\n`,
    `f:1:1: ${YAML}a key must be at most 1024 characters long`,
  ],
  ['a mapping as a key', 'a: 1\n{b: 1}: 2\n', 'f:2:1: a key must be a string, got a mapping'],
  ['a list as a key', '? [a]\n: b\n', 'f:1:3: a key must be a string, got a list'],
  ['null as a key', 'a:\n  ~: 1\n', 'f:2:3: a key must be a string, got "~"'],
  ['an empty key', ': a\n', 'f:1:1: a key must be a string, got nothing'],
  ['an infinite number', 'a: .inf\n', 'f:1:4: a number must be finite, got .inf'],
  ['a value that does not have its tag', 'a: !!int x\n', 'f:1:10: the value of the tag !!int must be an integer'],
  ['base64 that is not valid', 'a: !!binary x\n', 'f:1:13: the value of the tag !!binary must be base64'],
  [
    'a template as a value',
    'kind: Pod\nmetadata:\n  name: {{ .Values.name }}\n  labels: {{ .x }}\n',
    `f:3:9: ${YAML}{{ .Values.name }} is an expression of a template; render the template first (was helm template left out?)`,
  ],
  [
    'a template as a line',
    'a: 1\n{{- if .Values.on }}\nb:\n\tc: 1\n{{- end }}\n',
    `f:2:1: ${YAML}{{- if .Values.on }} is an expression of a template; render the template first (was helm template left out?)`,
  ],
  [
    'a template over two lines',
    'a: {{ .x |\n  quote }}\n',
    `f:1:4: ${YAML}{{ is an expression of a template; render the template first (was helm template left out?)`,
  ],
  [
    'a NUL character',
    'a: 1\nb: "x\u0000"\n',
    `f:2:6: ${YAML}it contains the control character U+0000; remove it, or write it as an escape sequence in double quotes`,
  ],
  [
    'a NUL character in a comment',
    '# x\u0000\na: 1\n',
    `f:1:4: ${YAML}it contains the control character U+0000; remove it, or write it as an escape sequence in double quotes`,
  ],
  [
    'a control character of ISO 8859',
    'a: x\u0080\n',
    `f:1:5: ${YAML}it contains the control character U+0080; remove it, or write it as an escape sequence in double quotes`,
  ],
  [
    'a byte order mark within the file',
    'a: 1\n---\n\uFEFFb: 1\n',
    `f:3:1: ${YAML}a byte order mark (U+FEFF) must be at the start of the file; remove it`,
  ],
  [
    'a line end of Unicode in a comment',
    'a: 1 # x\u2028b: 2\n',
    `f:1:9: ${YAML}kubectl ends the line at U+2028; remove the character, or write it as an escape sequence in double quotes`,
  ],
  [
    'a line end of Unicode at the end of a value',
    'a: x\u2028\n',
    `f:1:5: ${YAML}kubectl ends the line at U+2028; remove the character, or write it as an escape sequence in double quotes`,
  ],
  [
    'a line end of Unicode in a value',
    'a: x\u0085y\n',
    `f:1:5: ${YAML}kubectl ends the line at U+0085; remove the character, or write it as an escape sequence in double quotes`,
  ],
  ['an incomplete JSON stream', '{"a":1}\n{"b":2}\n{"c":\n', `f:3:1: ${STREAM}the opening { must have a closing }`],
  [
    'a list without an end in a JSON stream',
    '{"a":1}\n{"b":2}\n["]"\n',
    `f:3:1: ${STREAM}the opening [ must have a closing ]`,
  ],
  [
    'YAML in a JSON stream',
    '{"a":1}\n{"b":2}\nc: 3\n',
    `f:3:1: ${STREAM}each value must be a JSON object or list, got "c"`,
  ],
  [
    'a comma too many in a JSON stream',
    '{"a":1}\n{"b":2}\n{"c":3,\n"d":4,}\n',
    `f:4:7: ${STREAM}the value must be valid JSON, got "}"`,
  ],
  [
    'a key that occurs twice in a JSON stream',
    '{"a":1}\n{"b":2,\n"b":3}\n',
    'f:3:1: the key b must be unique in its mapping; it is already in line 2',
  ],
  [
    'a column after characters outside of the basic plane',
    '🚀: {b: 1, b: 2}\n',
    'f:1:11: the key b must be unique in its mapping; it is already in line 1',
  ],
];

test.each(ERRORS)('finds one error for %s', (_name, source, problem) => {
  expect(problemsOf(source)).toEqual([problem]);
  expect(problemsOf(source.replace(/(?<!\r)\n/g, '\r\n'))).toEqual([problem]);
});

test('reports the first syntax error of each document, and at most 20 errors', () => {
  const broken = 'a: "x\nb: @\nc: 1\n---\n';
  expect(problemsOf(`${broken}${broken}`)).toEqual(
    [1, 5].map((line) => `f:${line}:4: ${YAML}the opening " must have a closing " and indented lines`),
  );
  expect(problemsOf(broken.repeat(30))).toHaveLength(20);
});

test('refuses aliases that expand to too many values', () => {
  const levels = Array.from(
    { length: 12 },
    (_, index) => `l${index + 1}: &l${index + 1} [${`*l${index}, `.repeat(9)}]`,
  );
  expect(problemsOf(`l0: &l0 [x]\n${levels.join('\n')}\n`)).toEqual([
    expect.stringMatching(/^f:\d+:\d+: the aliases must expand to at most 1000000 values, got more with \*l\d+$/),
  ]);
});

const OBJECT = 'apiVersion: v1\nkind: Pod\nmetadata:\n';

test.each([
  ['an empty name', `${OBJECT}  name: ""\n`, 'f:4:9: metadata.name must be the name of the object, got nothing'],
  ['no value as the name', `${OBJECT}  name:\n`, 'f:4:8: metadata.name must be the name of the object, got nothing'],
  [
    'a number as the name',
    `${OBJECT}  name: 0123\n`,
    'f:4:9: metadata.name must be a string such as "0123", got the number 0123',
  ],
  [
    'a boolean as the namespace',
    `${OBJECT}  name: x\n  namespace: on\n`,
    'f:5:14: metadata.namespace must be a string such as "on", got the boolean on',
  ],
  ['a list as the name', `${OBJECT}  name: []\n`, 'f:4:9: metadata.name must be a string, got a list'],
  [
    'a NUL character in the name',
    `${OBJECT}  name: "a\\0b"\n`,
    'f:4:9: metadata.name must not contain control characters, got "a\\u0000b"',
  ],
  [
    'a NUL character in JSON',
    '{"apiVersion": "v1", "kind": "Pod",\n "metadata": {"name": "a\\u0000"}}',
    'f:2:23: metadata.name must not contain control characters, got "a\\u0000"',
  ],
  [
    'an expression of a template within the name',
    `${OBJECT}  name: release-{{ .Release.Name }}\n`,
    'f:4:9: metadata.name must not contain an expression of a template, got "release-{{ .Release.Name }}"; render the template first (was helm template left out?)',
  ],
  [
    'an expression of a template in quotes as the namespace',
    `${OBJECT}  name: x\n  namespace: "{{ .Release.Namespace }}"\n`,
    'f:5:14: metadata.namespace must not contain an expression of a template, got "{{ .Release.Namespace }}"; render the template first (was helm template left out?)',
  ],
  [
    'an empty name in a List',
    'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: ""}\n',
    'f:6:20: metadata.name must be the name of the object, got nothing',
  ],
])('refuses %s', (_name, source, problem) => {
  expect(problemsOf(source)).toEqual([problem]);
});

test.each([
  ['a generated name', `${OBJECT}  generateName: x-\n  name:\n`],
  ['no name', `${OBJECT}  labels: {}\n`],
  ['a control character that JSON allows', '{"a": "\u007F"}'],
  ['a name in another file', 'metadata: {name: 5}\n'],
  ['braces in quotes, comments and blocks', '# {{ x }}\na: "{{ .x }}"\nb: |\n  {{ .y }}\nc: {"{{": 1}\nd: x {{ y }}\n'],
  ['line ends of Unicode in quotes and at the end of a comment', '# x\u2028\na: "x\u2028y"\nb: \'x\u2029y\'\n'],
])('accepts %s', (_name, source) => {
  expect(problemsOf(source)).toEqual([]);
});

describe('values', () => {
  test('of merge keys override the keys that precede them', () => {
    const base = 'x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\n';
    expect(readValues(`${base}z:\n  a: 0\n  <<: [*x, *y]\n  c: 3\n`)).toMatchObject({
      values: [{ z: { a: 1, b: 1, c: 3 } }],
    });
  });

  test('have strings as keys', () => {
    const source = 'on: 1\n0644: 2\n1.5: 3\n"no": 4\n.inf: 5\n!!str yes: 6\n&k off: 7\n*k : 8\n';
    expect(readValues(source.replace('*k : 8\n', ''))).toEqual({
      values: [{ true: 1, '420': 2, '1.5': 3, no: 4, '.inf': 5, yes: 6, false: 7 }],
    });
    expect(problemsOf(source)).toEqual(['f:8:1: the key false must be unique in its mapping; it is already in line 7']);
  });

  test('of a JSON stream are those of its values', () => {
    expect(readValues(' {"a": "}{"}{"b":[1]}\n[2]\n')).toEqual({ values: [{ a: '}{' }, { b: [1] }, [2]] });
  });

  test('do not set the prototype', () => {
    const read = readValues('__proto__: {a: 1}\n');
    expect('values' in read && Object.keys(read.values[0] as object)).toEqual(['__proto__']);
  });
});
