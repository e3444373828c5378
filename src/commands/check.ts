/**
 * `pannier check`: validates the settings in this environment, the files that the settings name, and the policy file.
 * Prints every error.
 *
 * Exits with 0 if there are no errors, with 1 if it has printed errors, and with 2 if the command line is invalid.
 */
import { existsSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import { loadSettings, type SettingProblem } from '../config/load.ts';
import { parsePolicyFile, policyProblemText, unreadablePolicyText } from '../config/policies.ts';
import type { PolicyFile } from '../config/policy-file.ts';
import { findFileProblems } from '../config/setting-files.ts';

export interface CheckIo {
  readonly environment: Readonly<Record<string, string | undefined>>;
  out(line: string): void;
  error(line: string): void;
}

const processIo: CheckIo = {
  environment: process.env,
  out: (line) => void process.stdout.write(`${line}\n`),
  error: (line) => void process.stderr.write(`${line}\n`),
};

export function checkCommand(): Command {
  return new Command('check')
    .description('Check the settings (PANNIER_* variables) and the policy file, and print every error.')
    .option('-f, --policy-file <file>', 'path to the policy file (default: PANNIER_POLICY_FILE)')
    .addHelpText('after', '\nExamples:\n  pannier check\n  pannier check --policy-file policies.yaml')
    .action((options: { policyFile?: string }) => {
      process.exitCode = runCheck(options.policyFile, processIo);
    });
}

/**
 * Returns the exit code: 1 if errors were printed, otherwise 0. The check succeeds if and only if `serve` would start
 * with the same input.
 */
export function runCheck(policyFile: string | undefined, io: CheckIo): number {
  const loaded = loadSettings(io.environment);
  const problems: readonly SettingProblem[] =
    'problems' in loaded ? loaded.problems : findFileProblems(loaded.settings);
  for (const problem of problems) {
    io.error(problem.message);
  }
  let errorCount = problems.length;
  const summary = ['settings'];
  const path = policyFile ?? io.environment.PANNIER_POLICY_FILE;
  const mayBeMissing = policyFile === undefined && io.environment.PANNIER_POLICY_FILE_OPTIONAL === 'true';
  if (path !== undefined && path !== '' && !(mayBeMissing && !existsSync(path))) {
    const checked = checkPolicyFile(path, io);
    errorCount += checked.errorCount;
    summary.push(checked.summary);
  }
  if (errorCount > 0) {
    io.error(counted(errorCount, 'error', 'errors'));
    return 1;
  }
  io.out(`ok: ${summary.join(', ')}`);
  return 0;
}

function checkPolicyFile(path: string, io: CheckIo): { errorCount: number; summary: string } {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    io.error(unreadablePolicyText(path, error));
    return { errorCount: 1, summary: '' };
  }
  const result = parsePolicyFile(text);
  if ('problems' in result) {
    for (const problem of result.problems) {
      io.error(policyProblemText(path, problem));
    }
    return { errorCount: result.problems.length, summary: '' };
  }
  return { errorCount: 0, summary: describe(result.file) };
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
