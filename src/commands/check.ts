/**
 * `pannier check`: whether the settings of this environment and the policy file can be used, every mistake with its place.
 */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { loadSettings } from '../config/load.ts';
import { parsePolicyFile, policyProblemText, unreadablePolicyText } from '../config/policies.ts';
import type { PolicyFile } from '../config/policy-file.ts';

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
    .description('Check the settings (PANNIER_*) and the policy file; print every mistake with its line.')
    .option('-f, --policy-file <file>', 'the policy file (default: PANNIER_POLICY_FILE)')
    .action((options: { policyFile?: string }) => {
      process.exitCode = runCheck(options.policyFile, processIo);
    });
}

/** 0: all can be used; 1: mistakes were printed. */
export function runCheck(policyFile: string | undefined, io: CheckIo): number {
  const loaded = loadSettings(io.environment);
  let mistakes = 0;
  if ('problems' in loaded) {
    mistakes += loaded.problems.length;
    for (const problem of loaded.problems) {
      io.error(problem.message);
    }
  }
  const path = policyFile ?? io.environment.PANNIER_POLICY_FILE;
  const summary = ['settings'];
  if (path !== undefined && path !== '') {
    const checked = checkPolicyFile(path, io);
    mistakes += checked.mistakes;
    summary.push(checked.summary);
  }
  if (mistakes > 0) {
    io.error(`${mistakes} mistake${mistakes === 1 ? '' : 's'}`);
    return 1;
  }
  io.out(`ok: ${summary.join(', ')}`);
  return 0;
}

function checkPolicyFile(path: string, io: CheckIo): { mistakes: number; summary: string } {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    io.error(unreadablePolicyText(path, error));
    return { mistakes: 1, summary: '' };
  }
  const result = parsePolicyFile(text);
  if ('problems' in result) {
    for (const problem of result.problems) {
      io.error(policyProblemText(path, problem));
    }
    return { mistakes: result.problems.length, summary: '' };
  }
  return { mistakes: 0, summary: describe(result.file) };
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
