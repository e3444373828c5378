/**
 * Tests that a joined stream contains the objects of all files, as a YAML parser reads them.
 */
import { parseAllDocuments } from 'yaml';
import { joinStream } from './join-stream.ts';

function values(text: string): unknown[] {
  const documents = parseAllDocuments(text, { merge: true });
  expect([...documents].flatMap((document) => document.errors)).toEqual([]);
  return [...documents].map((document) => document.toJS() as unknown).filter((value) => value !== null);
}

const FILES: Readonly<Record<string, string>> = {
  'a plain document': 'a: 1\n',
  'no final line end': 'b: 2',
  'a marker at the beginning': '---\nc: 3\n',
  'a marker with a comment': '--- # first\nc: 3\n',
  'markers at both ends': '---\nd: 4\n---\n',
  'an end marker': 'e: 5\n...\n',
  'a byte order mark': '\uFEFFf: 6\n',
  'a byte order mark and a marker': '\uFEFF---\nf: 6\n',
  'a directive': '%YAML 1.2\n---\ng: 7\n',
  'a comment and a directive': '# x\n\n%YAML 1.1\n---\ng: 7\n',
  'comments alone': '# nothing\n',
  nothing: '',
  'white space': ' \n\n',
  'comments before a marker': '# first\n\n---\nh: 8\n# last',
  'a block scalar that keeps its line ends': 'i: |+\n  x\n\n',
  'a block scalar without a line end': 'i: |\n  x',
  'several documents': 'j: 1\n---\nk: 2\n',
  'Windows line ends': 'l: 1\r\n---\r\nm: 2\r\n',
  'Windows line ends and a marker at the end': 'l: 1\r\n---\r\n',
  JSON: '{"n": [1, {"o": "}{\\"]"}]}',
  'JSON with tabs and blank lines': '\n{\n\t"n": 1\n}\n\n',
  'a JSON array': '[{"p": 1}, {"q": 2}]\n',
  'YAML in flow style': '{r: 1}\n---\n{s: "]"}\n',
  'a flow style document with comments': '{r: 1, # "\n s: 2}\n',
};

const pairs = Object.keys(FILES).flatMap((first) => Object.keys(FILES).map((second) => [first, second] as const));

test.each(pairs)('joins %s and %s', (first, second) => {
  const texts = [FILES[first] ?? '', FILES[second] ?? ''];
  const expected = texts.flatMap((text) => values(text.replace(/^\uFEFF/, '')));
  const joined = joinStream(texts);
  expect(joined).not.toMatch(/\uFEFF/);
  // A stream of JSON values is not YAML.
  const isJson = texts.every((text) => text.trim() === '' || /^\s*[{[]\s*["{]/.test(text));
  expect(values(isJson ? joined.replace(/^([\]}])\n+(?=[[{])|(?<=[\]}])\n+(?=[[{])/g, '$1\n---\n') : joined)).toEqual(
    expected,
  );
  if (!isJson) {
    expect(joined).not.toMatch(/^\s*[{[]/);
  }
  expect(values(joinStream([joined, 'z: 1\n', ...texts]))).toEqual([...expected, { z: 1 }, ...expected]);
});

test.each(Object.entries(FILES))('keeps %s alone byte for byte', (_name, text) => {
  expect(joinStream([text])).toBe(text);
});

test('adds a marker between plain documents, and none where one exists', () => {
  expect(joinStream(['a: 1', '---\nb: 2\n', 'c: 3\n---\n', 'd: 4\n'])).toBe('a: 1\n---\nb: 2\n---\nc: 3\n---\nd: 4\n');
});

test('joins JSON files to a stream of JSON values', () => {
  expect(joinStream(['{"a": 1}', '{"b": 2}\n{"c": 3}\n'])).toBe('{"a": 1}\n{"b": 2}\n{"c": 3}\n');
});

test('separates the values of a JSON stream in a YAML stream', () => {
  const joined = joinStream(['{"a": "}"} {"b": 2}\n[1]', 'c: 3\n']);
  expect(joined).toBe('---\n{"a": "}"}\n---\n{"b": 2}\n---\n[1]\n---\nc: 3\n');
});
