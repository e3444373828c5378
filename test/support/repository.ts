/**
 * Paths of this repository for tests: the root directory, and the files that git tracks or does not ignore.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repositoryRoot: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/**
 * Returns the paths, relative to the root, of the files that git tracks or does not ignore and that match a glob
 * pattern.
 */
export function repositoryFiles(globs: readonly string[]): string[] {
  const pathspecs = globs.map((glob) => `:(glob)${glob}`);
  const output = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...pathspecs], {
    cwd: repositoryRoot,
    encoding: 'utf8',
  });
  const paths = output.split('\n').filter((path) => path !== '');
  return [...new Set(paths)].filter((path) => existsSync(join(repositoryRoot, path)));
}

/** Returns the text of a file whose path is relative to the root. */
export function readRepositoryFile(path: string): string {
  return readFileSync(join(repositoryRoot, path), 'utf8');
}
