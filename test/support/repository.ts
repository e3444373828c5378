/**
 * Paths of this repository for tests: its root, and the files that are tracked by git or could be added.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repositoryRoot: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Returns the paths, relative to the root, of tracked or unignored files that match a git pathspec (`**` works as in glob). */
export function repositoryFiles(globs: readonly string[]): string[] {
  const pathspecs = globs.map((glob) => `:(glob)${glob}`);
  const output = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...pathspecs], {
    cwd: repositoryRoot,
    encoding: 'utf8',
  });
  const paths = output.split('\n').filter((path) => path !== '');
  return [...new Set(paths)].filter((path) => existsSync(join(repositoryRoot, path)));
}
