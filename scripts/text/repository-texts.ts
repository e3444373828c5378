/**
 * Reads the files whose texts the style check covers: all tracked and new files, except generated and third-party
 * files.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type SourceText, TERMS_FILE } from './terms.ts';

const EXCLUDED =
  /\.(?:binpb|png)$|^package-lock\.json$|^LICENSE$|^third_party\/|^src\/grpc\/generated\/|^test\/injection\/cases\//;

/**
 * Returns the texts of the files below `paths`, which are relative to `directory`. Without paths, returns all texts.
 */
export function repositoryTexts(directory: string, paths: readonly string[] = []): SourceText[] {
  const command = ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...paths];
  const output = execFileSync('git', command, { cwd: directory, encoding: 'utf8' });
  const names = [...new Set(output.split('\n'))].filter((path) => path !== '' && path !== TERMS_FILE);
  return names
    .filter(
      (path) => !EXCLUDED.test(path) && existsSync(join(directory, path)) && statSync(join(directory, path)).isFile(),
    )
    .map((path) => ({ path, content: readFileSync(join(directory, path), 'utf8') }));
}
