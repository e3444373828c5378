/**
 * Where a mistake in JSON stands: fixed cases, and any text against JSON.parse.
 */
import fc from 'fast-check';
import { parseJsonText } from './call-json-text.ts';

test.each([
  ['{"a": 1, b: 2}', 'line 1, column 10: "b" cannot stand here'],
  ["{'a': 1}", 'line 1, column 2: "\'" cannot stand here (strings want double quotes)'],
  ['{"a": 1', 'line 1, column 8: the JSON ends too early'],
  ['', 'line 1, column 1: the JSON ends too early'],
  ['{\n  "a": 1,\n}', 'line 3, column 1: "}" cannot stand here'],
  ['[1,]', 'line 1, column 4: "]" cannot stand here'],
  ['[1}', 'line 1, column 3: "}" cannot stand here'],
  ['{} {}', 'line 1, column 4: "{" cannot stand here'],
  ['{"a" 1}', 'line 1, column 6: "1" cannot stand here'],
  ['[01]', 'line 1, column 3: "1" cannot stand here'],
  ['[tru]', 'line 1, column 2: "t" cannot stand here'],
  ['["x\n"]', 'line 1, column 2: a string that does not end, or holds a raw line break or an escape that JSON lacks'],
])('%j', (text, problem) => {
  expect(parseJsonText(text)).toEqual({ problem });
});

test('a value is what JSON.parse makes of it', () => {
  expect(parseJsonText(' {"a": [1, null]} ')).toEqual({ value: { a: [1, null] } });
});

test('an integer beyond 2^53 - 1 keeps its digits', () => {
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

test('a stray character is found where it stands', () => {
  fc.assert(
    fc.property(value, fc.nat(), (given, nat) => {
      const lines = JSON.stringify(given, null, 2).split('\n');
      const index = nat % lines.length;
      const line = lines[index] ?? '';
      const column = line.length - line.trimStart().length;
      const broken = lines.with(index, `${line.slice(0, column)}x${line.slice(column)}`).join('\n');
      expect(parseJsonText(broken)).toEqual({
        problem: `line ${index + 1}, column ${column + 1}: "x" cannot stand here`,
      });
    }),
  );
});

test('a missing end is found at the end', () => {
  fc.assert(
    fc.property(value, fc.nat(), (given, nat) => {
      const lines = JSON.stringify(given, null, 2).split('\n');
      const kept = nat % lines.length;
      const broken = lines.slice(0, kept).map((line) => `${line}\n`);
      expect(parseJsonText(broken.join(''))).toEqual({
        problem: `line ${kept + 1}, column 1: the JSON ends too early`,
      });
    }),
  );
});
