/**
 * The program of another commit, as it runs beside this one in `make test-mixed`.
 *
 * 1. The commit is PANNIER_MIXED_REF, or the last tag. Without both it is HEAD, which only shows that the run itself works; the output says so.
 */
import { join } from 'node:path';
import { buildCommit, git } from './commit-build.ts';

export interface OtherRelease {
  /** E.g. `v0.2.0 (4f2a9c1)`. */
  readonly name: string;
  readonly mainFile: string;
  remove(): void;
}

export function buildOtherRelease(): OtherRelease {
  const { ref, reason } = chooseRef();
  const build = buildCommit(ref);
  const name = `${ref} (${build.commit})`;
  process.stderr.write(`test-mixed: this working tree beside ${name}: ${reason}\n`);
  return { name, mainFile: join(build.directory, 'dist', 'main.mjs'), remove: build.remove };
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
