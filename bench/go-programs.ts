/**
 * The programs of the benches that are written in Go, built where Go is present.
 *
 * They land in a cache below node_modules, which git ignores; Go itself decides what has to be built anew. Where one cannot be
 * built the reason comes back as text: a bench says it and which figures it goes without.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

export type GoProgram = { readonly path: string } | { readonly missing: string };

const MAX_BUILD_MS = 300_000;
const cacheDirectory = join(import.meta.dirname, '..', 'node_modules', '.cache', 'pannier-bench');

/** `directory` is relative to bench/. */
export function buildGoProgram(directory: 'load' | 'peers/grpc-go'): GoProgram {
  mkdirSync(cacheDirectory, { recursive: true });
  const path = join(cacheDirectory, directory.replaceAll('/', '-'));
  const built = spawnSync('go', ['build', '-buildvcs=false', '-o', path, '.'], {
    cwd: join(import.meta.dirname, directory),
    encoding: 'utf8',
    timeout: MAX_BUILD_MS,
  });
  if (built.error !== undefined) {
    const { code } = built.error as NodeJS.ErrnoException;
    return { missing: code === 'ENOENT' ? 'there is no `go` here' : `\`go build\` of bench/${directory}: ${code}` };
  }
  if (built.status !== 0) {
    return { missing: `\`go build\` of bench/${directory} failed: ${built.stderr.trim().split('\n').at(-1)}` };
  }
  return { path };
}
