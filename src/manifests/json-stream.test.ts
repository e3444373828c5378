/**
 * Tests where a JSON stream is split, in values that would exceed the limits of a regular expression or of the stack.
 */
import { joinParts, splitSource } from './json-stream.ts';

test('splits values with brackets, quotes and backslashes in strings', () => {
  const values = ['{"a": "}\\"]{"}', '["\\\\", "[\\\\\\"{"]', '{"\\\\": {}}'];
  const source = ` ${values.join('\n')}\n`;
  const split = splitSource(source);
  expect(split).toMatchObject({ isJson: true, parts: values.map((text) => ({ text })) });
  expect(joinParts(source, 'parts' in split ? split.parts : [], ['1', '2', '3'])).toBe(' 1\n2\n3\n');
});

test('splits values with strings of many megabytes', () => {
  const values = ['x'.repeat(30_000_000), '"\\'.repeat(1_000_000)].map((text) => JSON.stringify({ text }));
  const split = splitSource(values.join(''));
  // Jest would print the values of several megabytes, so the test compares their lengths.
  expect('parts' in split && split.parts.map(({ text }) => text.length)).toEqual(values.map((value) => value.length));
});
