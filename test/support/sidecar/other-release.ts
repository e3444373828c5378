/**
 * The program of another commit, built in a directory of its own: what runs beside this one in `make test-mixed`.
 *
 *   1. The commit is PANNIER_MIXED_REF, or the last tag. Without both it is HEAD, which only shows that the run itself works; the output says so.
 *   2. Nothing is written into this repository: the files of the commit come from `git archive`.
 *   3. The packages of this repository are used where the commit has the same package-lock.json; else they are installed for it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../repository.ts';

export interface OtherRelease {
  /** E.g. `v0.2.0 (4f2a9c1)`. */
  readonly name: string;
  readonly mainFile: string;
  remove(): void;
}

const INSTALL_TIMEOUT_MS = 300_000;

export function buildOtherRelease(): OtherRelease {
  const { ref, reason } = chooseRef();
  const commit = git('rev-parse', '--short', `${ref}^{commit}`);
  const name = `${ref} (${commit})`;
  process.stderr.write(`test-mixed: this working tree beside ${name}: ${reason}\n`);
  const directory = mkdtempSync(join(tmpdir(), 'pannier-mixed-'));
  const archive = execFileSync('git', ['archive', '--format=tar', commit], {
    cwd: repositoryRoot,
    maxBuffer: 1_000_000_000,
  });
  execFileSync('tar', ['-x', '-C', directory], { input: archive });
  install(directory);
  execFileSync(process.execPath, ['scripts/build.ts'], { cwd: directory, stdio: ['ignore', 'inherit', 'inherit'] });
  return {
    name,
    mainFile: join(directory, 'dist', 'main.mjs'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function chooseRef(): { ref: string; reason: string } {
  const asked = process.env.PANNIER_MIXED_REF ?? '';
  if (asked !== '') {
    return { ref: asked, reason: 'PANNIER_MIXED_REF names it' };
  }
  const tags = git('tag', '--list', '--merged', 'HEAD', '--sort=-creatordate');
  const [tag = ''] = tags.split('\n');
  if (tag !== '') {
    return { ref: tag, reason: 'it is the last tag' };
  }
  return {
    ref: 'HEAD',
    reason: 'there is no tag, so this shows no compatibility with a release; set PANNIER_MIXED_REF to choose a commit',
  };
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

function git(...args: readonly string[]): string {
  return execFileSync('git', [...args], { cwd: repositoryRoot, encoding: 'utf8' }).trim();
}
