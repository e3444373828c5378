/**
 * `pannier check`: validates the settings in this environment, the files that the settings name, and policy files.
 * Prints every error.
 *
 * A policy file may also be the key `policies.yaml` of ConfigMaps in a manifest, such as the output of `helm template`.
 *
 * Exits with 0 if there are no errors, with 1 if it has printed errors, and with 2 if the command line is invalid.
 */
import { existsSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import { readManifests } from '../config/configmap-policies.ts';
import { loadSettings, type SettingProblem } from '../config/load.ts';
import { parsePolicyFile, policyProblemText, unreadablePolicyText } from '../config/policies.ts';
import type { PolicyFile } from '../config/policy-file.ts';
import { findFileProblems } from '../config/setting-files.ts';
import type { YamlProblem } from '../config/yaml-reader.ts';

export interface CheckIo {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Reads the standard input to its end. */
  readInput(): string;
  out(line: string): void;
  error(line: string): void;
}

const STANDARD_INPUT = '-';
const STANDARD_INPUT_FD = 0;

const processIo: CheckIo = {
  environment: process.env,
  readInput: () => readFileSync(STANDARD_INPUT_FD, 'utf8'),
  out: (line) => void process.stdout.write(`${line}\n`),
  error: (line) => void process.stderr.write(`${line}\n`),
};

const EXAMPLES = `
Examples:
  pannier check
  pannier check -f policies.yaml
  helm template pannier charts/pannier -f values.yaml -s templates/policies-configmaps.yaml | pannier check -f -`;

export function checkCommand(): Command {
  return new Command('check')
    .description('Check the settings (PANNIER_* variables) and policy files, and print every error.')
    .option(
      '-f, --policy-file <file>',
      'path to a policy file or to a manifest with ConfigMaps, or - for the standard input; repeatable (default: PANNIER_POLICY_FILE)',
      (value: string, previous: readonly string[] = []) => [...previous, value],
    )
    .addHelpText('after', EXAMPLES)
    .action((options: { policyFile?: readonly string[] }) => {
      process.exitCode = runCheck(options.policyFile ?? [], processIo);
    });
}

/**
 * Returns the exit code: 1 if errors were printed, otherwise 0. If the check succeeds, `serve` would start with the same
 * input. An error in a policy file always fails the check, although `serve` starts with an optional file.
 */
export function runCheck(policyFiles: readonly string[], io: CheckIo): number {
  const loaded = loadSettings(io.environment);
  const problems: readonly SettingProblem[] =
    'problems' in loaded ? loaded.problems : findFileProblems(loaded.settings);
  for (const problem of problems) {
    io.error(problem.message);
  }
  let errorCount = problems.length;
  const summary = ['settings'];
  for (const path of policyFiles.length > 0 ? policyFiles : configuredFiles(io)) {
    const checked = checkFile(path, io);
    errorCount += checked.errorCount;
    summary.push(...checked.summary);
  }
  if (errorCount > 0) {
    io.error(counted(errorCount, 'error', 'errors'));
    return 1;
  }
  io.out(`ok: ${summary.join(', ')}`);
  return 0;
}

/** Returns the policy file of the settings, unless the file is optional and missing. */
function configuredFiles({ environment }: CheckIo): readonly string[] {
  const path = environment.PANNIER_POLICY_FILE ?? '';
  const mayBeMissing = environment.PANNIER_POLICY_FILE_OPTIONAL === 'true';
  return path === '' || (mayBeMissing && !existsSync(path)) ? [] : [path];
}

interface Checked {
  readonly errorCount: number;
  readonly summary: readonly string[];
}

function checkFile(path: string, io: CheckIo): Checked {
  let text: string;
  try {
    text = path === STANDARD_INPUT ? io.readInput() : readFileSync(path, 'utf8');
  } catch (error) {
    io.error(unreadablePolicyText(path, error));
    return { errorCount: 1, summary: [] };
  }
  const name = path === STANDARD_INPUT ? '(standard input)' : path;
  const report = (problem: YamlProblem): void => io.error(policyProblemText(name, problem));
  const manifests = readManifests(text);
  if (manifests.kind === 'policy_file') {
    return checkText(text, report);
  }
  manifests.problems.forEach(report);
  const checked = manifests.files.map(({ configMap, text: content, locate }) => {
    const { errorCount, summary } = checkText(content, (problem) => report(locate(problem)));
    return { errorCount, summary: summary.map((line) => `ConfigMap ${configMap}: ${line}`) };
  });
  return {
    errorCount: checked.reduce((sum, { errorCount }) => sum + errorCount, manifests.problems.length),
    summary: checked.flatMap(({ summary }) => summary),
  };
}

function checkText(text: string, report: (problem: YamlProblem) => void): Checked {
  const result = parsePolicyFile(text);
  if ('problems' in result) {
    result.problems.forEach(report);
    return { errorCount: result.problems.length, summary: [] };
  }
  return { errorCount: 0, summary: [describe(result.file)] };
}

function describe(file: PolicyFile): string {
  const limits = [...file.policies.values()].reduce((sum, policy) => sum + policy.limits.length, 0);
  return [
    counted(file.policies.size, 'policy', 'policies'),
    counted(limits, 'limit', 'limits'),
    counted(file.cacheNamespaces.size, 'cache namespace', 'cache namespaces'),
  ].join(', ');
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
