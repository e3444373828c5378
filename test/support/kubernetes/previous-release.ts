/**
 * Chart and image of an older commit, from which a test upgrades to this commit.
 *
 * The commit is PANNIER_TEST_UPGRADE_FROM or, if this variable is not set, the last tag. If there is no tag either, it is
 * the commit before the last change of the chart.
 */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildCommit, git } from '../sidecar/commit-build.ts';
import { buildImage, IMAGES, loadImage, pannierImage } from './images.ts';

export interface PreviousRelease {
  /** Directory of the chart. */
  readonly chart: string;
  readonly tag: string;
  remove(): void;
}

/** Tag of the image with the program of the older commit. */
const TAG = 'e2e-0';

export function buildPreviousRelease(): PreviousRelease {
  const ref = chooseRef();
  const build = buildCommit(ref);
  process.stderr.write(`e2e-kubernetes: upgrading from the chart and the program of ${build.commit}\n`);
  try {
    buildImageOf(join(build.directory, 'dist'));
  } catch (error) {
    build.remove();
    throw error;
  }
  return { chart: join(build.directory, 'charts', 'pannier'), tag: TAG, remove: build.remove };
}

/** Builds an image from the image of this commit by replacing only the program, because this takes seconds. */
function buildImageOf(dist: string): void {
  const directory = mkdtempSync(join(tmpdir(), 'pannier-previous-'));
  try {
    cpSync(dist, join(directory, 'dist'), { recursive: true });
    writeFileSync(join(directory, 'Dockerfile'), `FROM ${pannierImage}\nCOPY dist /app/dist\n`);
    const name = `${IMAGES.repository}:${TAG}`;
    buildImage(name, directory);
    loadImage(name);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function chooseRef(): string {
  const requested = process.env.PANNIER_TEST_UPGRADE_FROM ?? '';
  if (requested !== '') {
    return requested;
  }
  const [tag = ''] = git('tag', '--list', '--merged', 'HEAD', '--sort=-creatordate').split('\n');
  if (tag !== '') {
    return tag;
  }
  const lastChange = git('log', '--first-parent', '-1', '--format=%H', '--', 'charts/pannier');
  return `${lastChange}^`;
}
