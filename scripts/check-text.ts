/**
 * Reports terms that make texts hard to read: `node scripts/check-text.ts [PATH...]`, for all files of the repository without a path.
 * Ends with 1 if it found any. The terms: scripts/text/terms.yaml.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { readStyleTerms, type SourceText, styleProblems, TERMS_FILE } from './text/terms.ts';

const paths = process.argv.slice(2);
if (paths.includes('--help')) {
  process.stdout.write(
    'usage: node scripts/check-text.ts [PATH...]\n\nReports terms of scripts/text/terms.yaml in these files and directories.\n',
  );
  process.exit(0);
}
const missing = paths.filter((path) => !existsSync(path));
if (missing.length > 0) {
  process.stderr.write(`cannot check ${missing.join(', ')}: no such file or directory\n`);
  process.exit(2);
}
const output = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...paths], {
  encoding: 'utf8',
});
const files = [...new Set(output.split('\n'))].filter(
  (path) => path !== '' && existsSync(path) && statSync(path).isFile(),
);
const sources = files.filter(isText).map((path): SourceText => ({ path, content: readFileSync(path, 'utf8') }));
const problems = styleProblems(readStyleTerms(dirname(import.meta.dirname)), sources);
process.stdout.write(problems.map((problem) => `${problem}\n`).join(''));
process.stderr.write(`${problems.length} problems in ${sources.length} files\n`);
process.exitCode = problems.length === 0 ? 0 : 1;

function isText(path: string): boolean {
  return path !== TERMS_FILE && !/\.(?:binpb|png)$|^package-lock\.json$|^LICENSE$|^src\/grpc\/generated\//.test(path);
}
