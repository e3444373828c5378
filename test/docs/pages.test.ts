/**
 * Executes the commands and programs of the pages that a new user follows. docs/clients.md has a test of its own (`make clients`).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryFiles, repositoryRoot } from '../support/repository.ts';
import { MAKE_RUN_ARGS } from './executable-page.ts';
import { describePage, findPython } from './page-run.ts';

const python = findPython();

for (const page of repositoryFiles(['docs/getting-started.md', 'docs/guides/*.md'])) {
  describePage(page, python);
}

test('make run starts the sidecar with the arguments that the pages are tested with', () => {
  const makefile = readFileSync(join(repositoryRoot, 'Makefile'), 'utf8');
  expect(makefile).toMatch(new RegExp(`^run:.*\\n\\tbin/pannier ${MAKE_RUN_ARGS.join(' ')}$`, 'm'));
});
