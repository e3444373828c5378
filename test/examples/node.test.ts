/**
 * The Node example, as its README starts it, against a live sidecar.
 */
import { join } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';
import { describeShop, type ExampleProgram, startExample } from '../support/sidecar/example-suite.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';

let sidecar: Sidecar;
let replicas: [ExampleProgram, ExampleProgram];

beforeAll(async () => {
  sidecar = await startSidecar();
  const options = { directory: join(repositoryRoot, 'examples', 'node'), address: sidecar.address };
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
