/**
 * Builds the program of another commit, which `make test-mixed` runs together with this one.
 *
 * The commit is PANNIER_MIXED_REF or, if this variable is not set, the last tag. If there is no tag either, the commit
 * is HEAD. A run with HEAD shows only that the test itself works, and the output reports that the run used HEAD.
 */
import { join } from 'node:path';
import { buildCommit, git } from './commit-build.ts';

export interface OtherRelease {
  /** Name for the output, such as `v0.2.0 (4f2a9c1)`. */
  readonly name: string;
  readonly mainFile: string;
  remove(): void;
}

export function buildOtherRelease(): OtherRelease {
  const { ref, reason } = chooseRef();
  const build = buildCommit(ref);
  const name = `${ref} (${build.commit})`;
  process.stderr.write(`test-mixed: testing this working tree together with ${name} (${reason})\n`);
  return { name, mainFile: join(build.directory, 'dist', 'main.mjs'), remove: build.remove };
}

function chooseRef(): { ref: string; reason: string } {
  const requested = process.env.PANNIER_MIXED_REF ?? '';
  if (requested !== '') {
    return { ref: requested, reason: 'PANNIER_MIXED_REF names it' };
  }
  const tags = git('tag', '--list', '--merged', 'HEAD', '--sort=-creatordate');
  const [tag = ''] = tags.split('\n');
  if (tag !== '') {
    return { ref: tag, reason: 'the last tag' };
  }
  return {
    ref: 'HEAD',
    reason:
      'there is no tag, so this does not test compatibility with a release; set PANNIER_MIXED_REF to choose a commit',
  };
}
