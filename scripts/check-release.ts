/**
 * Checks that the files of the repository agree on the version of a release: `node scripts/check-release.ts VERSION`.
 *
 * 1. package.json, package-lock.json and the chart (version and appVersion) have this version.
 * 2. CHANGELOG.md has a dated section of this version.
 * 3. proto/released.binpb equals the file that `make release-contract` writes for the protos of this commit.
 * 4. The script prints every problem and exits with 1 if there is a problem.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';

const CONTRACT = 'proto/released.binpb';

/**
 * Returns the problems of the repository in `root`. `contract` is the descriptor set of the protos in that repository.
 */
export function releaseProblems(root: string, version: string, contract: Buffer): string[] {
  const read = (path: string): string => readFileSync(join(root, path), 'utf8');
  const packageJson = JSON.parse(read('package.json')) as { version: string };
  const lock = JSON.parse(read('package-lock.json')) as { version: string; packages: { '': { version: string } } };
  const chart = parse(read('charts/pannier/Chart.yaml')) as { version: string; appVersion: string };
  const found: readonly (readonly [field: string, value: string])[] = [
    ['version in package.json', packageJson.version],
    ['version in package-lock.json', lock.version],
    ['packages[""].version in package-lock.json', lock.packages[''].version],
    ['version in charts/pannier/Chart.yaml', chart.version],
    ['appVersion in charts/pannier/Chart.yaml', chart.appVersion],
  ];
  const problems = found
    .filter(([, value]) => value !== version)
    .map(([field, value]) => `${field} must be "${version}", got "${value}"`);
  const heading = new RegExp(`^## \\[?${version.replaceAll('.', '\\.')}\\]? - \\d{4}-\\d{2}-\\d{2}$`, 'm');
  if (!heading.test(read('CHANGELOG.md'))) {
    problems.push(`CHANGELOG.md must have a section "## [${version}] - YYYY-MM-DD", got none`);
  }
  if (!readFileSync(join(root, CONTRACT)).equals(contract)) {
    problems.push(`${CONTRACT} must be the contract of this commit, got another one; run 'make release-contract'`);
  }
  return problems;
}

/** Returns the descriptor set that `make release-contract` writes. */
function currentContract(root: string): Buffer {
  const args = ['build', 'proto', '--exclude-source-info', '-o', '-#format=binpb'];
  return execFileSync(join(root, 'node_modules', '.bin', 'buf'), args, { cwd: root });
}

if (process.argv[1] === import.meta.filename) {
  const root = dirname(import.meta.dirname);
  const [version = ''] = process.argv.slice(2);
  const problems = /^\d+\.\d+\.\d+$/.test(version)
    ? releaseProblems(root, version, currentContract(root))
    : [`VERSION must be three numbers such as 0.2.0, got "${version}"`];
  process.stderr.write(problems.map((problem) => `${problem}\n`).join(''));
  process.exitCode = problems.length > 0 ? 1 : 0;
}
