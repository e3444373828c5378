/**
 * Runs the builds of clients in other languages.
 *
 * 1. Downloads and results of a build are stored in .cache/clients. A later build reuses these files if its inputs have
 *    not changed.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repositoryRoot } from '../support/repository.ts';

const BUILD_TIMEOUT_MS = 900_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const cacheRoot = join(repositoryRoot, '.cache', 'clients');

export function sourceDirectory(name: string): string {
  return join(repositoryRoot, 'test', 'clients', name);
}

export function cacheDirectory(name: string): string {
  const directory = join(cacheRoot, name);
  mkdirSync(directory, { recursive: true });
  return directory;
}

async function isInstalled(program: string): Promise<boolean> {
  try {
    await promisify(execFile)('sh', ['-c', 'command -v "$1"', 'sh', program]);
    return true;
  } catch {
    return false;
  }
}

/** Rejects if any of the `programs` is not installed. `language` is a name in PANNIER_TEST_CLIENTS. */
export async function requirePrograms(language: string, programs: readonly string[]): Promise<void> {
  for (const program of programs) {
    if (!(await isInstalled(program))) {
      const remedy = `install it, or leave ${language} out of PANNIER_TEST_CLIENTS`;
      throw new Error(`cannot build the client on ${language}: ${program} is not installed; ${remedy}`);
    }
  }
}

/** Runs `work`, unless `work` has already succeeded with the same contents of the files in `inputs`. */
export async function once(name: string, inputs: readonly string[], work: () => Promise<void>): Promise<void> {
  const stamp = join(cacheDirectory(name), 'done');
  const hash = createHash('sha256');
  for (const input of inputs) {
    hash.update(readFileSync(input));
  }
  const digest = hash.digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) {
    return;
  }
  await work();
  writeFileSync(stamp, digest);
}

/**
 * Runs a command and returns its standard output. The directories in `path` are searched before the directories in
 * PATH.
 */
export async function run(
  program: string,
  args: readonly string[],
  directory: string,
  path: readonly string[] = [],
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('nice', [program, ...args], {
      cwd: directory,
      env: { ...process.env, PATH: [...path, process.env.PATH].join(':') },
      timeout: BUILD_TIMEOUT_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    const command = [program, ...args].join(' ').slice(0, 300);
    throw new Error(`cannot build a client: ${command} failed\n${stdout ?? ''}${stderr ?? ''}`, { cause: error });
  }
}
