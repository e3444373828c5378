/**
 * Builds the program of another commit, which `make test-mixed` runs next to this working tree.
 *
 * 1. The commit is PANNIER_MIXED_REF, or the last tag. If both are missing, it is HEAD: the output then says that this tests no release.
 */
import { join } from 'node:path';
import { buildCommit, git } from './commit-build.ts';

export interface OtherRelease {
  /** Name of the release, e.g. `v0.2.0 (4f2a9c1)`. */
  readonly name: string;
  readonly mainFile: string;
  remove(): void;
}

export function buildOtherRelease(): OtherRelease {
  const { ref, reason } = chooseRef();
  const build = buildCommit(ref);
  const name = `${ref} (${build.commit})`;
  process.stderr.write(`test-mixed: testing this working tree with ${name}: ${reason}\n`);
  return { name, mainFile: join(build.directory, 'dist', 'main.mjs'), remove: build.remove };
}

function chooseRef(): { ref: string; reason: string } {
  const asked = process.env.PANNIER_MIXED_REF ?? '';
  if (asked !== '') {
    return { ref: asked, reason: 'set by PANNIER_MIXED_REF' };
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
