/**
 * Reports terms that make comments, docs and messages hard to read, in the whole repository or below the given paths.
 * The list of terms is scripts/text/terms.yaml. Exits with 0 if there are no problems, with 1 if there are problems,
 * and with 2 if a path does not exist.
 */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { repositoryTexts } from './text/repository-texts.ts';
import { readStyleTerms, styleReport } from './text/terms.ts';

const USAGE = `usage: node scripts/check-text.ts [PATH...]

Reports the terms of scripts/text/terms.yaml in these files and directories; without a path, in the whole repository.
`;

const paths = process.argv.slice(2);
if (paths.includes('--help')) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const missing = paths.filter((path) => !existsSync(path));
if (missing.length > 0) {
  process.stderr.write(`cannot check ${missing.join(', ')}: no such file or directory\n`);
  process.exit(2);
}
const sources = repositoryTexts(process.cwd(), paths);
const report = styleReport(readStyleTerms(dirname(import.meta.dirname)), sources);
const unused = paths.length === 0 ? report.unusedUses.map((use) => `unused allowed use: ${use}`) : [];
const lines = [...report.problems, ...unused];
process.stdout.write(lines.map((line) => `${line}\n`).join(''));
process.stderr.write(`${lines.length} problems in ${sources.length} files\n`);
process.exitCode = lines.length === 0 ? 0 : 1;
