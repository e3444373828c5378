/**
 * Finds the files that are installed with the program: the protos and the Lua scripts.
 *
 * The files have the same relative paths in the repository and in dist/. The paths are relative to the nearest
 * directory above this module that contains proto/pannier.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const assetRoot: string = findAssetRoot();

/** Reads a text file such as `src/rate-limit/algorithms/token-bucket.lua`. Throws if the installation is incomplete. */
export function readTextAsset(path: string): string {
  return readFileSync(join(assetRoot, path), 'utf8');
}

/** Reads a binary file such as `proto/descriptor-set.binpb`. Throws if the installation is incomplete. */
export function readBinaryAsset(path: string): Buffer {
  return readFileSync(join(assetRoot, path));
}

function findAssetRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  let directory = start;
  while (!existsSync(join(directory, 'proto', 'pannier'))) {
    const parent = dirname(directory);
    if (parent === directory) {
      throw new Error(`cannot find the files of the program: no proto/pannier above ${start}; reinstall Pannier`);
    }
    directory = parent;
  }
  return directory;
}
