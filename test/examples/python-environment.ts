/**
 * Creates the virtual environment of the Python example, with the packages in its requirements.txt.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';

const directory = join(repositoryRoot, 'examples', 'python');
const environment = join(repositoryRoot, '.cache', 'python-example');

/**
 * Creates the environment, or repairs an incomplete environment. Returns the path of the Python interpreter in the
 * environment.
 */
export function preparePython(): string {
  const python = join(environment, 'bin', 'python');
  const isReady = existsSync(python) && importsGrpc(python);
  if (!isReady) {
    try {
      execFileSync('python3', ['-m', 'venv', '--clear', environment], { stdio: 'pipe' });
    } catch (error) {
      const cause = 'python3 with venv is not installed; install python3 and python3-venv';
      throw new Error(`cannot run the Python example: ${cause}`, { cause: error });
    }
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', '-r', join(directory, 'requirements.txt')], {
      stdio: 'pipe',
    });
  }
  return python;
}

function importsGrpc(python: string): boolean {
  try {
    execFileSync(python, ['-c', 'import grpc, grpc_tools'], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}
