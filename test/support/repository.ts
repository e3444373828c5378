/**
 * The repository as tests see it: its root, and the files that git knows or would know.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repositoryRoot: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Paths relative to the root that match one of the git pathspecs (`**` as in glob), tracked or new but not ignored. */
export function repositoryFiles(globs: readonly string[]): string[] {
  const pathspecs = globs.map((glob) => `:(glob)${glob}`);
  const output = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...pathspecs], {
    cwd: repositoryRoot,
    encoding: 'utf8',
  });
  const paths = output.split('\n').filter((path) => path !== '');
  return [...new Set(paths)].filter((path) => existsSync(join(repositoryRoot, path)));
}
