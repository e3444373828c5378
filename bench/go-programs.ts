/**
 * Builds the Go programs of the benchmarks.
 *
 * 1. The executables are in a directory below node_modules, which git ignores. The go command determines which packages it must rebuild.
 * 2. If the build of a program fails, the caller receives the reason as a string. The benchmark prints this reason and
 *    names the missing figures.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

export type GoProgram = { readonly path: string } | { readonly missing: string };

const MAX_BUILD_MS = 300_000;
const cacheDirectory = join(import.meta.dirname, '..', 'node_modules', '.cache', 'pannier-bench');

/** Builds the program in `directory`, a path relative to bench/. */
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
    return {
      missing: code === 'ENOENT' ? '`go` not found; install Go' : `\`go build\` of bench/${directory}: ${code}`,
    };
  }
  if (built.status !== 0) {
    return { missing: `\`go build\` of bench/${directory} failed: ${built.stderr.trim().split('\n').at(-1)}` };
  }
  return { path };
}
