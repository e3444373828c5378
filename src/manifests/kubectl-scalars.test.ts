/**
 * Compares scalars and keys with what kubectl returned for them, and checks that kubectl reads the texts that the editor
 * writes.
 *
 * test/injection/kubectl-scalars.tsv contains one YAML text in each line, as a JSON string, and after a tab the JSON
 * value that kubectl 1.34.4 returned for `v: TEXT` (`kubectl annotate --local -o json`), or `refused`.
 */
import { join } from 'node:path';
import fc from 'fast-check';
import { readRepositoryFile } from '../../test/support/repository.ts';
import { jsonText } from '../lib/json.ts';
import { readScalar, resolvePlain } from './kubectl-scalars.ts';
import { readValues } from './yaml-documents.ts';
import { flowText, inlineText, pairText } from './yaml-text.ts';

const rows = readRepositoryFile(join('test', 'injection', 'kubectl-scalars.tsv'))
  .trimEnd()
  .split('\n')
  .map((line) => {
    const [text = '', expected = ''] = line.split('\t');
    return { name: text, text: JSON.parse(text) as string, expected };
  });

/** Texts that kubectl refuses and Pannier accepts, because kubectl itself reports them afterwards. */
const ACCEPTED = new Set(['"a\\/b"', '"\\ud83d\\ude00"']);
/** Texts that kubectl accepts and Pannier refuses: keys that occur twice. kubectl keeps one of the two values. */
const REFUSED = new Set(['{a: 1, a: 2}', '{on: 1, true: 2}']);

/** Returns the value as JSON, or `refused`. */
function jsonOf(source: string): string {
  const read = readValues(source);
  return 'problems' in read ? 'refused' : jsonText((read.values[0] as { v: unknown }).v);
}

/** Writes JSON as `JSON.stringify` does. Keeps numbers that JavaScript cannot represent. */
function normalized(json: string): string {
  return /^[-\d]/.test(json) ? json.replace(/^-0$/, '0') : JSON.stringify(JSON.parse(json));
}

test.each(rows.filter(({ text }) => !ACCEPTED.has(text) && !REFUSED.has(text)))(
  'reads $name as kubectl does',
  ({ text, expected }) => {
    expect(jsonOf(`v: ${text}\n`)).toBe(expected === 'refused' ? expected : normalized(expected));
  },
);

test('differs from kubectl in the listed texts only', () => {
  for (const { text, expected } of rows) {
    if (ACCEPTED.has(text)) {
      expect({ text, expected, value: jsonOf(`v: ${text}\n`) }).toMatchObject({ expected: 'refused' });
      expect(jsonOf(`v: ${text}\n`)).not.toBe('refused');
    }
    if (REFUSED.has(text)) {
      expect(expected).not.toBe('refused');
      expect(jsonOf(`v: ${text}\n`)).toBe('refused');
    }
  }
});

test('keeps integers that a JavaScript number cannot represent', () => {
  expect(readValues('[9007199254740991, 9007199254740993, 18446744073709551615, -9223372036854775808]')).toEqual({
    values: [[9007199254740991, 9007199254740993n, 18446744073709551615n, -9223372036854775808n]],
  });
});

describe('a string that the editor writes', () => {
  const odd = fc.string({
    unit: fc.constantFrom(...'0189oxbBXeE._-+:# \t\n"\'{[,!&*?|>%@`~<=ynNfs', '\u0085', '\u2028', '\uFEFF', '\u007F'),
    maxLength: 6,
  });
  const strings = fc.oneof(odd, fc.constantFrom(...rows.map(({ text }) => text)));

  test('has the same value when it is read', () => {
    fc.assert(
      fc.property(strings, (text) => {
        const value = JSON.stringify(text);
        expect(jsonOf(`v: ${flowText(text)}\n`)).toBe(value);
        expect(jsonOf(`${pairText({ key: 'v', value: text, column: 0, indentsLists: true }).join('\n')}\n`)).toBe(
          value,
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test.each(['0o644', '0O17', '-0o17', '0X1F', '0B11', '1e1_0', '+_1', '0b-1'])('is quoted: %s', (text) => {
    expect(inlineText(text)).toBe(`"${text}"`);
  });

  test('has escape sequences for line ends of Unicode and control characters', () => {
    expect(inlineText('a\u2028b\u0085c\u007F')).toBe('"a\\u2028b\\u0085c\\u007f"');
  });
});

describe('a scalar of many megabytes', () => {
  const length = 24_000_000;

  test.each(['.1_1', '1', '0b1', '-9', '0x'])('that repeats %s has a value', (start) => {
    const { type } = resolvePlain(start + start.slice(-1).repeat(length));
    expect(['string', 'float']).toContain(type);
  });

  test('may be base64, with or without padding', () => {
    const tag = 'tag:yaml.org,2002:binary';
    const typeOf = (text: string): string => readScalar({ text, isPlain: true, tag }).type;
    const types = ['', '====', 'AA==', 'AAA=', 'A===', '='].map((end) => typeOf('A'.repeat(length) + end));
    expect(types).toEqual(['string', 'invalid', 'string', 'string', 'invalid', 'invalid']);
  });
});
