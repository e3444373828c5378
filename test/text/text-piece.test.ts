/**
 * Tests the extraction of prose from files, and of the context of each piece of prose.
 */
import { sentencesOf } from '../../scripts/text/prose.ts';
import { textPieces } from '../../scripts/text/text-piece.ts';

const SCRIPT = [
  '/** First line',
  ' * and second. */',
  '// one',
  '// two',
  "const a = 'word'; // behind",
  "test('returns a value', () => {});",
  "test.each([['a case of one']])('returns %s again', () => {});",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the text is a program with a template
  'throw new Error(`cannot read ${file}: it is ${await size(`deep ${1}`)} bytes long`);',
  'const pattern = /\\/\\* no comment *\\//;',
].join('\n');

test('finds comments, strings of several words and test names in a script', () => {
  expect(textPieces('a.ts', SCRIPT)).toEqual([
    { context: 'comment', line: 1, text: ' First line\nand second. ' },
    { context: 'comment', line: 3, text: 'one\ntwo' },
    { context: 'comment', line: 5, text: 'behind' },
    { context: 'test-name', line: 6, text: 'returns a value' },
    { context: 'string', line: 7, text: 'a case of one' },
    { context: 'test-name', line: 7, text: 'returns %s again' },
    { context: 'string', line: 8, text: 'cannot read x: it is x bytes long' },
  ]);
});

test.each([
  ['Makefile', "name: ## text of help\n\techo 'a # b' # a comment", ['text of help', 'a comment']],
  ['a.sh', '#!/bin/sh\n# one\n# two\nrun # three', ['one\ntwo', 'three']],
  ['a.lua', "local a = '-- no' -- yes", ['yes']],
  ['a.proto', '// One.\nint32 a = 1; // Two.', ['One.', 'Two.']],
  ['a.bin', '# nothing', []],
])('finds the comments of %s', (path, content, texts) => {
  expect(textPieces(path, content).map(({ text }) => text)).toEqual(texts);
});

test('finds headings, paragraphs, list items and cells of a page, and no code', () => {
  const page =
    '# Title\n\nOne `a b`\ntwo [link](x.md).\n- item\n\n```sh\ncode\n```\n\n    code\n\n| a | **b** |\n|---|---|\n';
  expect(textPieces('a.md', page)).toEqual([
    { context: 'docs', line: 1, text: 'Title' },
    { context: 'docs', line: 3, text: 'One `code`\ntwo link.' },
    { context: 'docs', line: 5, text: 'item' },
    { context: 'docs', line: 13, text: 'a' },
    { context: 'docs', line: 13, text: 'b' },
  ]);
});

test('splits sentences at full stops, but not after abbreviations and list numbers', () => {
  const text = 'Reads a key, e.g. Redis. Then\nwrites it.\n\n  1. Never blocks.\n  2. Closes: "x".';
  expect(sentencesOf(text)).toEqual([
    { lineOffset: 0, text: 'Reads a key, e.g. Redis.' },
    { lineOffset: 0, text: 'Then writes it.' },
    { lineOffset: 3, text: '1. Never blocks.' },
    { lineOffset: 4, text: '2. Closes: "x".' },
  ]);
});
