/**
 * Runs the commands and programs of the pages that contain Python, with the packages of the Python example. `make test`
 * cannot run them on a machine without the packages.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describePage } from '../docs/page-run.ts';
import { repositoryFiles, repositoryRoot } from '../support/repository.ts';
import { preparePython } from './python-environment.ts';

const python = dirname(preparePython());
const pages = repositoryFiles(['docs/getting-started.md', 'docs/guides/*.md']).filter((page) =>
  /^```python$/m.test(readFileSync(join(repositoryRoot, page), 'utf8')),
);

for (const page of pages) {
  describePage(page, python);
}

test('the packages of the Python example can be imported', () => {
  expect(python).toContain('.cache');
});
