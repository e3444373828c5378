/**
 * Tests the Node example. The test starts the example with the commands of its README, against a running sidecar.
 */
import { join } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';
import { describeShop, type ExampleProgram, runExample, startExample } from '../support/sidecar/example-suite.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';

const directory = join(repositoryRoot, 'examples', 'node');

let sidecar: Sidecar;
let replicas: [ExampleProgram, ExampleProgram];

beforeAll(async () => {
  sidecar = await startSidecar();
  const options = { directory, address: sidecar.address };
  replicas = [
    await startExample(process.execPath, ['app.js'], options),
    await startExample(process.execPath, ['app.js'], options),
  ];
});

afterAll(async () => {
  for (const replica of replicas ?? []) {
    replica.stop();
  }
  await sidecar?.stop();
});

describeShop('the Node example', () => replicas);

test('the copies in the Node process include stored values, and exclude a value that another client changed', async () => {
  const text = await runExample(process.execPath, ['own-cache.js'], { directory, address: sidecar.address });
  expect(text).toBe('kept 50 of 50\nkept 49 after another client has set k7\n');
}, 60_000);
