/**
 * Builds the program of another commit of this repository in a separate directory.
 *
 * Invariants:
 *   1. The build writes nothing into this repository, because `git archive` exports the files of the commit to another
 *      directory.
 *   2. The build uses the packages of this repository if the commit has the same package-lock.json. Otherwise it
 *      installs the packages of the commit.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../repository.ts';

export interface CommitBuild {
  /** Abbreviated id of the commit. */
  readonly commit: string;
  /** Root directory of the files of the commit, where `bin/pannier` runs the program. */
  readonly directory: string;
  remove(): void;
}

const INSTALL_TIMEOUT_MS = 300_000;
const MAX_ARCHIVE_BYTES = 1_000_000_000;

/** Returns whether the name refers to a commit of this repository. */
export function isCommit(ref: string): boolean {
  const args = ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`];
  return spawnSync('git', args, { cwd: repositoryRoot }).status === 0;
}

export function buildCommit(ref: string): CommitBuild {
  const commit = git('rev-parse', '--short', `${ref}^{commit}`);
  const directory = mkdtempSync(join(tmpdir(), 'pannier-commit-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  try {
    const archive = execFileSync('git', ['archive', '--format=tar', commit], {
      cwd: repositoryRoot,
      maxBuffer: MAX_ARCHIVE_BYTES,
    });
    execFileSync('tar', ['-x', '-C', directory], { input: archive });
    install(directory);
    execFileSync(process.execPath, ['scripts/build.ts'], { cwd: directory, stdio: ['ignore', 'inherit', 'inherit'] });
  } catch (error) {
    remove();
    throw error;
  }
  return { commit, directory, remove };
}

function install(directory: string): void {
  const [ours, theirs] = [repositoryRoot, directory].map((root) =>
    readFileSync(join(root, 'package-lock.json'), 'utf8'),
  );
  if (ours === theirs) {
    symlinkSync(join(repositoryRoot, 'node_modules'), join(directory, 'node_modules'));
    return;
  }
  execFileSync('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], {
    cwd: directory,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: INSTALL_TIMEOUT_MS,
  });
}

export function git(...args: readonly string[]): string {
  return execFileSync('git', [...args], { cwd: repositoryRoot, encoding: 'utf8' }).trim();
}
