/**
 * Renders the chart with the values on the documentation pages: the YAML examples that contain values, and the flags
 * `--set` of commands.
 */
import { parse } from 'yaml';
import { consoleCommands, readFences } from '../docs/executable-page.ts';
import { template } from '../support/kubernetes/helm.ts';
import { readRepositoryFile, repositoryFiles } from '../support/repository.ts';

const PAGES = repositoryFiles([
  'README.md',
  'docs/getting-started.md',
  'docs/operations/*.md',
  'charts/pannier/README.md',
]);
const VALUES = Object.keys(parse(readRepositoryFile('charts/pannier/values.yaml')) as object);

/** Placeholders of the pages, and values that replace them. */
const PLACEHOLDERS: Readonly<Record<string, string>> = {
  'sha256:...': `sha256:${'0'.repeat(64)}`,
  'redis://HOST:PORT': 'redis://redis.data:6379',
  REPOSITORY: 'registry.example/pannier',
  '=TAG': '=0.1.0',
  '=NEW': '=0.1.0',
};

function withoutPlaceholders(text: string): string {
  return Object.entries(PLACEHOLDERS).reduce((result, [from, to]) => result.replaceAll(from, to), text);
}

function isValues(text: string): boolean {
  const content: unknown = parse(text, { strict: false });
  const keys = content === null || typeof content !== 'object' ? [] : Object.keys(content);
  return keys.length > 0 && keys.every((key) => VALUES.includes(key));
}

const fences = PAGES.flatMap((page) =>
  readFences(readRepositoryFile(page)).map((fence) => ({ ...fence, at: `${page}:${fence.line}` })),
);
const examples = fences
  .filter(({ language, text }) => language === 'yaml' && !text.includes('\n---\n') && isValues(text))
  .map(({ at, text }) => ({ at, text: withoutPlaceholders(text) }));
const commands = fences
  .filter(({ language }) => language === 'console')
  .flatMap(({ at, text }) => consoleCommands(text).map((command) => ({ at, command: withoutPlaceholders(command) })))
  .filter(({ command }) => /^helm (?:install|upgrade) pannier .*--set/s.test(command));

test.each(examples)('the chart accepts the values at $at', ({ text }) => {
  const { stderr, status } = template(parse(text) as Record<string, unknown>);
  expect({ stderr, status }).toMatchObject({ status: 0 });
});

test.each(commands)('the chart accepts the flags at $at: $command', ({ command }) => {
  const flags = [...command.matchAll(/--set(?:-string)? (\S+)/g)].flatMap(([, flag = '']) => ['--set', flag]);
  const { stderr, status } = template({}, flags);
  expect({ stderr, status }).toMatchObject({ status: 0 });
});

test('the pages contain examples and commands', () => {
  expect(examples.length).toBeGreaterThan(5);
  expect(commands.length).toBeGreaterThan(5);
});
