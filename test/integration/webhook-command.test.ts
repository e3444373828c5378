/**
 * Tests `pannier webhook` as a process: errors in the command line and the configuration, exit codes, and draining
 * after SIGTERM.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeApiServer } from '../support/kubernetes/fake-api-server.ts';
import { repositoryRoot } from '../support/repository.ts';
import { type BoundProcess, spawnBound } from '../support/sidecar/bound-process.ts';
import { waitFor } from '../support/wait.ts';

const directory = mkdtempSync(join(tmpdir(), 'pannier-webhook-'));
const config = join(directory, 'injector.yaml');
let server: FakeApiServer;

beforeAll(async () => {
  server = await FakeApiServer.start();
  writeFileSync(config, 'sidecar:\n  image: pannier:1\n');
});

afterAll(() => {
  server.stop();
  rmSync(directory, { recursive: true });
});

interface Running {
  readonly program: BoundProcess;
  output(): string;
}

async function start(args: readonly string[], environment: Record<string, string> = {}): Promise<Running> {
  const main = join(repositoryRoot, 'dist', 'main.mjs');
  expect(existsSync(main)).toBe(true);
  const program = await spawnBound(process.execPath, [main, 'webhook', ...args], {
    environment: { PATH: process.env.PATH ?? '', HOME: directory, KUBECONFIG: server.kubeconfig, ...environment },
  });
  let text = '';
  for (const stream of [program.stdout, program.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  return { program, output: () => text };
}

async function fails(args: readonly string[], environment: Record<string, string> = {}): Promise<[number, string]> {
  const { program, output } = await start(args, environment);
  return [await program.ended, output()];
}

test.each([
  [['--port', 'many'], '--port must be an integer from 0 to 65535, got "many"'],
  [['--admin-address', 'nowhere'], '--admin-address must be HOST:PORT, or :PORT for all interfaces, got "nowhere"'],
  [['--certificates', 'some'], '--certificates must be one of self, files, got "some"'],
  [['--certificates', 'files', '--config', config], 'a file is missing; set --certificate-file and --key-file'],
  [['--config', config, '--ca-lifetime-ms', '20000'], 'must be at most --ca-lifetime-ms (20000), got 86400000'],
  [['--leaf-lifetime-ms', '20000'], 'it was renamed; use --serving-certificate-lifetime-ms'],
  [['--config', join(directory, 'none.yaml')], 'ENOENT; use a readable file'],
])('rejects %j with exit code 2', async (args, text) => {
  const [code, output] = await fails(args);
  expect(output).toContain(text);
  expect(code).toBe(2);
});

test('rejects an invalid configuration with the line of each error', async () => {
  const wrong = join(directory, 'wrong.yaml');
  writeFileSync(wrong, 'sidecar:\n  image: pannier:1\n  native: perhaps\n  sockt: true\n');
  const [code, output] = await fails(['--config', wrong]);
  expect(code).toBe(2);
  expect(output).toMatch(/wrong\.yaml:3:\d+: /);
  expect(output).toMatch(/wrong\.yaml:4:\d+: /);
});

test('reports a missing cluster and exits with 1', async () => {
  const [code, output] = await fails(['--config', config], { KUBECONFIG: '' });
  expect(output).toContain('cannot reach a cluster');
  expect(code).toBe(1);
});

test('reads options from the environment, and drains after SIGTERM', async () => {
  const { program, output } = await start(['--port', '0'], {
    PANNIER_WEBHOOK_CONFIG: config,
    PANNIER_WEBHOOK_ADMIN_ADDRESS: '127.0.0.1:0',
    PANNIER_WEBHOOK_CA_LIFETIME_MS: '20000',
    PANNIER_WEBHOOK_SERVING_CERTIFICATE_LIFETIME_MS: '10000',
    PANNIER_WEBHOOK_DRAIN_DELAY_MS: '100',
  });
  const adminPort = await waitFor('serving', () => /"adminPort":(\d+)/.exec(output())?.[1], 20_000);
  await waitFor('ready', async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).status === 200);
  program.signal('SIGTERM');
  expect(await program.ended).toBe(0);
  expect(output()).toContain('"msg":"drained"');
  expect(output()).not.toContain('PRIVATE KEY');
});
