/**
 * Tests that `pannier inject` and `pannier injection explain` print the notes of an injection, and that `inject` prints
 * them on standard error, apart from the manifests.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';

const POD = `apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations: {pannier.dev/inject: "true", pannier.dev/after: mesh}
spec:
  containers:
    - name: app
      image: app:1
      envFrom: [{configMapRef: {name: cfg}}]
`;

const NOTES = [
  /pull secret regcred of the configuration is not added/,
  /the sidecar comes first, because the pod has no init container named mesh/,
  /injection sets PANNIER_ADDRESS and PANNIER_SOCKET in env of container app/,
];

const directory = mkdtempSync(join(tmpdir(), 'pannier-notes-'));
const manifest = join(directory, 'web.yaml');
const config = join(directory, 'injector.yaml');

beforeAll(() => {
  writeFileSync(manifest, POD);
  writeFileSync(config, 'sidecar: {image: "pannier:1", imagePullSecrets: [regcred]}\n');
});

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

function run(...command: readonly string[]): { stdout: string; stderr: string; status: number | null } {
  const args = ['src/main.ts', ...command, '-f', manifest, '--config', config];
  return spawnSync(process.execPath, args, { cwd: repositoryRoot, encoding: 'utf8' });
}

function notesIn(output: string): string[] {
  return output.split('\n').filter((line) => line.includes('note: '));
}

test.each([
  [['inject'], 'stderr'],
  [['injection', 'explain'], 'stdout'],
] as const)('%j prints each note once', (command, channel) => {
  const result = run(...command);
  expect(result.status).toBe(0);
  expect(notesIn(result[channel])).toEqual(NOTES.map((note) => expect.stringMatching(note)));
  expect(notesIn(channel === 'stderr' ? result.stdout : result.stderr)).toEqual([]);
});

test('explain lists the pull secrets', () => {
  expect(run('injection', 'explain').stdout).toMatch(/image-pull-secrets +regcred \(configuration\)/);
});
