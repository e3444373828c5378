/**
 * Finds the files that travel with the program: the protos and the Lua scripts.
 *
 * From source they lie in the repository, from the bundle beside it in dist/, under the same relative paths. The root is
 * the nearest directory above this module that holds proto/pannier.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const assetRoot: string = findAssetRoot();

/** The text of e.g. `src/rate-limit/algorithms/token-bucket.lua`. Throws when the installation is incomplete. */
export function readTextAsset(path: string): string {
  return readFileSync(join(assetRoot, path), 'utf8');
}

/** The bytes of e.g. `proto/descriptor-set.binpb`. Throws when the installation is incomplete. */
export function readBinaryAsset(path: string): Buffer {
  return readFileSync(join(assetRoot, path));
}

function findAssetRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  let directory = start;
  while (!existsSync(join(directory, 'proto', 'pannier'))) {
    const parent = dirname(directory);
    if (parent === directory) {
      throw new Error(`cannot find the program's own files: no proto/pannier above ${start}, reinstall Pannier`);
    }
    directory = parent;
  }
  return directory;
}
