/**
 * The reference pages say what the code does: generated ones are current, examples of the others can be read.
 */
import { readTextAsset } from '../lib/assets.ts';
import { parsePolicyFile } from './policies.ts';
import { SETTINGS } from './settings.ts';
import { settingsHelp, settingsMarkdown } from './settings-reference.ts';

test('docs/reference/settings.md is what the table says (make docs)', () => {
  expect(readTextAsset('docs/reference/settings.md')).toBe(settingsMarkdown());
});

test('the help names every setting', () => {
  const help = settingsHelp();
  expect(SETTINGS.filter((row) => !help.includes(`PANNIER_${row.name} `))).toEqual([]);
});

test('every example of docs/reference/policies.md can be read', () => {
  const examples = [...readTextAsset('docs/reference/policies.md').matchAll(/```yaml\n([\s\S]*?)```/g)].map(
    (match) => match[1],
  );
  expect(examples.length).toBeGreaterThan(1);
  for (const example of examples) {
    expect(parsePolicyFile(example ?? '')).toMatchObject({ file: expect.anything() });
  }
});
