/**
 * Tests that the reference pages agree with the code: generated pages are up to date, and the examples of the other
 * pages are valid.
 */
import { readTextAsset } from '../lib/assets.ts';
import { parsePolicyFile } from './policies.ts';
import { SETTINGS } from './settings.ts';
import { settingsHelp, settingsMarkdown } from './settings-reference.ts';

test('docs/reference/settings.md is up to date (make docs)', () => {
  expect(readTextAsset('docs/reference/settings.md')).toBe(settingsMarkdown());
});

test('lists every setting in the help text', () => {
  const help = settingsHelp();
  expect(SETTINGS.filter((row) => !help.includes(`PANNIER_${row.name} `))).toEqual([]);
});

test('parses every example in docs/reference/policies.md', () => {
  const examples = [...readTextAsset('docs/reference/policies.md').matchAll(/```yaml\n([\s\S]*?)```/g)].map(
    (match) => match[1],
  );
  expect(examples.length).toBeGreaterThan(1);
  for (const example of examples) {
    expect(parsePolicyFile(example ?? '')).toMatchObject({ file: expect.anything() });
  }
});
