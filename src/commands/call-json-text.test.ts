/**
 * Tests the reported positions of JSON syntax errors, for fixed cases and for random JSON with one error.
 */
import fc from 'fast-check';
import { parseJsonText } from './call-json-text.ts';

test.each([
  ['{"a": 1, b: 2}', 'line 1, column 10: unexpected "b"'],
  ["{'a': 1}", 'line 1, column 2: unexpected "\'"; use double quotes for strings'],
  ['{"a": 1', 'line 1, column 8: unexpected end of the JSON'],
  ['', 'line 1, column 1: unexpected end of the JSON'],
  ['{\n  "a": 1,\n}', 'line 3, column 1: unexpected "}"'],
  ['[1,]', 'line 1, column 4: unexpected "]"'],
  ['[1}', 'line 1, column 3: unexpected "}"'],
  ['{} {}', 'line 1, column 4: unexpected "{"'],
  ['{"a" 1}', 'line 1, column 6: unexpected "1"'],
  ['[01]', 'line 1, column 3: unexpected "1"'],
  ['[tru]', 'line 1, column 2: unexpected "t"'],
  ['["x\n"]', 'line 1, column 2: the string is unterminated, or has a raw line break or an invalid escape'],
])('reports the position of the error in %j', (text, problem) => {
  expect(parseJsonText(text)).toEqual({ problem });
});

test('returns the value of valid JSON', () => {
  expect(parseJsonText(' {"a": [1, null]} ')).toEqual({ value: { a: [1, null] } });
});

test('keeps the digits of an integer beyond 2^53 - 1', () => {
  const text =
    '{"cost": 9223372036854775807, "limits": [{"limit": -9007199254740993, "burst": 9007199254740991}], "rate": 1.5}';
  expect(parseJsonText(text)).toEqual({
    value: {
      cost: '9223372036854775807',
      limits: [{ limit: '-9007199254740993', burst: 9_007_199_254_740_991 }],
      rate: 1.5,
    },
  });
});

const value = fc.oneof(fc.array(fc.jsonValue()), fc.dictionary(fc.string(), fc.jsonValue()));

test('reports the position of a stray character in random JSON', () => {
  fc.assert(
    fc.property(value, fc.nat(), (given, nat) => {
      const lines = JSON.stringify(given, null, 2).split('\n');
      const index = nat % lines.length;
      const line = lines[index] ?? '';
      const column = line.length - line.trimStart().length;
      const broken = lines.with(index, `${line.slice(0, column)}x${line.slice(column)}`).join('\n');
      expect(parseJsonText(broken)).toEqual({
        problem: `line ${index + 1}, column ${column + 1}: unexpected "x"`,
      });
    }),
  );
});

test('reports a truncated end of random JSON', () => {
  fc.assert(
    fc.property(value, fc.nat(), (given, nat) => {
      const lines = JSON.stringify(given, null, 2).split('\n');
      const kept = nat % lines.length;
      const broken = lines.slice(0, kept).map((line) => `${line}\n`);
      expect(parseJsonText(broken.join(''))).toEqual({
        problem: `line ${kept + 1}, column 1: unexpected end of the JSON`,
      });
    }),
  );
});
