/**
 * Tests the Python example. The suite starts the example with the commands of its README, in a virtual environment and
 * against a running sidecar. The suite requires python3 with venv. If venv is missing, the suite fails with an error
 * that names the packages to install.
 */
import { join } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';
import { describeShop, type ExampleProgram, runExample, startExample } from '../support/sidecar/example-suite.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { preparePython } from './python-environment.ts';

const directory = join(repositoryRoot, 'examples', 'python');

let sidecar: Sidecar;
let replicas: [ExampleProgram, ExampleProgram];

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

test('the copies in the Python process include stored values, and exclude a value that another client changed', async () => {
  const text = await runExample(preparePython(), ['own_cache.py'], { directory, address: sidecar.address });
  expect(text).toBe('kept 50 of 50\nkept 49 after another client has set k7\n');
}, 60_000);
