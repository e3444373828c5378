/**
 * The Python example, as its README starts it (a virtual environment with its requirements), against a live sidecar.
 * It needs python3 with venv: where that is missing the suite fails and says what to install.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';
import { describeShop, type ExampleProgram, runExample, startExample } from '../support/sidecar/example-suite.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';

const directory = join(repositoryRoot, 'examples', 'python');
const environment = join(repositoryRoot, '.cache', 'python-example');

let sidecar: Sidecar;
let replicas: [ExampleProgram, ExampleProgram];

/** Makes the virtual environment once; a half-made one is made again. */
function preparePython(): string {
  const python = join(environment, 'bin', 'python');
  const isReady = existsSync(python) && importsGrpc(python);
  if (!isReady) {
    try {
      execFileSync('python3', ['-m', 'venv', '--clear', environment], { stdio: 'pipe' });
    } catch (error) {
      throw new Error('cannot run the Python example: no python3 with venv here, install python3 and python3-venv', {
        cause: error,
      });
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

beforeAll(async () => {
  const python = preparePython();
  sidecar = await startSidecar();
  const options = { directory, address: sidecar.address };
  replicas = [await startExample(python, ['app.py'], options), await startExample(python, ['app.py'], options)];
}, 300_000);

afterAll(async () => {
  for (const replica of replicas ?? []) {
    replica.stop();
  }
  await sidecar?.stop();
});

describeShop('the Python example', () => replicas);

test('the Python cache of its own keeps what it stores, and drops what another client stores', async () => {
  const text = await runExample(preparePython(), ['own_cache.py'], { directory, address: sidecar.address });
  expect(text).toBe('kept 50 of 50\nkept 49 after another client has set k7\n');
}, 60_000);
