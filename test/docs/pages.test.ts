/**
 * Executes the commands and programs of the pages that a new user follows. docs/clients.md has a separate test (`make
 * clients`).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryFiles, repositoryRoot } from '../support/repository.ts';
import { MAKE_RUN_ARGS, parsePage } from './executable-page.ts';
import { describePage } from './page-run.ts';

for (const page of repositoryFiles(['README.md', 'docs/getting-started.md', 'docs/guides/*.md'])) {
  describePage(page);
}

test('make run starts the sidecar with the arguments that the pages are tested with', () => {
  const makefile = readFileSync(join(repositoryRoot, 'Makefile'), 'utf8');
  expect(makefile).toMatch(new RegExp(`^run:.*\\n\\tbin/pannier ${MAKE_RUN_ARGS.join(' ')}$`, 'm'));
});

test('the README has fewer than 120 lines', () => {
  expect(readFileSync(join(repositoryRoot, 'README.md'), 'utf8').trimEnd().split('\n').length).toBeLessThan(120);
});

test.each(['README.md', 'docs/guides/caching.md'])(
  '%s names the types of both keys and runs a program that passes a Buffer',
  (page) => {
    const text = readFileSync(join(repositoryRoot, page), 'utf8');
    const prose = text.replaceAll(/[`*]/g, '').replaceAll(/\s+/g, ' ');
    expect(prose).toMatch(/RateLimitService[^.:]* string/);
    expect(prose).toMatch(/CacheService[^.:]* (?:is|are) bytes/);
    const programs = parsePage(text).filter((step) => step.kind === 'file' && step.text.includes('Buffer.from('));
    expect(programs.length).toBeGreaterThan(0);
  },
);
