/**
 * Tests inject, uninject and explain in a shell with real files and pipes, as users run them before `kubectl apply`.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { repositoryRoot } from '../support/repository.ts';

const directory = mkdtempSync(join(tmpdir(), 'pannier-manifests-'));
const pannier = join(repositoryRoot, 'bin/pannier');
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** Runs a shell command in the directory of the manifests. `pannier` is the built program. */
function shell(line: string): Promise<Ran> {
  const script = `pannier() { ${pannier} "$@"; }\n${line}`;
  return new Promise((resolve) => {
    execFile('sh', ['-c', script], { cwd: directory, timeout: 60_000 }, (failure, out, error) => {
      resolve({ code: typeof failure?.code === 'number' ? failure.code : failure === null ? 0 : -1, out, error });
    });
  });
}

function manifest(apiVersion: string, kind: string, name: string): string {
  return `apiVersion: ${apiVersion}
kind: ${kind}
metadata:
  name: ${name}
spec:
  template:
    metadata: {annotations: {pannier.dev/inject: "true"}}
    spec:
      containers: [{name: app, image: "web:1"}]   # ${name}
`;
}

const one = manifest('apps/v1', 'Deployment', 'one');
const two = manifest('batch/v1', 'Job', 'two');

beforeAll(() => {
  mkdirSync(join(directory, 'tree/sub'), { recursive: true });
  writeFileSync(join(directory, 'one.yaml'), one);
  writeFileSync(join(directory, 'two.yaml'), `\uFEFF---\n${two.trimEnd()}`);
  writeFileSync(join(directory, 'tree/rollout.yml'), manifest('argoproj.io/v1alpha1', 'Rollout', 'three'));
  writeFileSync(
    join(directory, 'tree/sub/four.json'),
    JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'four' } }),
  );
  writeFileSync(join(directory, 'worker.txt'), manifest('example.com/v1', 'Worker', 'five'));
});

function namesIn(stream: string): unknown[] {
  const documents = [...parseAllDocuments(stream)];
  expect(documents.flatMap((document) => document.errors)).toEqual([]);
  return documents
    .filter((document) => document.contents !== null)
    .map((document) => document.getIn(['metadata', 'name']));
}

test.each([
  ['several options', 'pannier inject -f two.yaml -f one.yaml --image a:1', ['two', 'one']],
  ['a pattern that the shell expands', 'pannier inject -f *.yaml --image a:1', ['one', 'two']],
  [
    'standard input among files',
    'cat one.yaml | pannier inject --image a:1 -f two.yaml - tree',
    ['two', 'one', 'three'],
  ],
  ['a directory and its subdirectories', 'pannier inject -R -f tree one.yaml --image=a:1', ['three', 'four', 'one']],
])('writes one stream for %s', async (_name, line, names) => {
  const ran = await shell(line);
  expect(ran).toMatchObject({ code: 0 });
  expect(namesIn(ran.out)).toEqual(names);
  expect(ran.out.split('- name: pannier\n').length + ran.out.split('{"name":"pannier",').length).toBeGreaterThan(2);
  expect(ran.error).toMatch(/\d injected, \d unchanged, 0 refused\n$/);
});

test('uninject restores the objects of a stream', async () => {
  const ran = await shell('pannier inject -f one.yaml two.yaml --image a:1 | pannier uninject -f -');
  expect(ran).toMatchObject({ code: 0, out: `${one}---\n${two}` });
});

test('keeps a single file byte for byte', async () => {
  const ran = await shell('pannier inject -f two.yaml --image a:1 | pannier uninject -f - | cmp - two.yaml');
  expect(ran).toMatchObject({ code: 0, out: '' });
});

test('writes nothing if an object would be left out', async () => {
  const line = 'pannier inject -f one.yaml worker.txt --image a:1';
  const ran = await shell(line);
  expect(ran).toEqual({
    code: 1,
    out: '',
    error: `one.yaml: deployment/one: injected
worker.txt:7:30: worker/five: cannot inject: annotation pannier.dev/inject at spec.template.metadata.annotations has no effect there; use --kind example.com/Worker=spec.template
1 injected, 0 unchanged, 0 refused, 1 left out; no manifests were written
`,
  });
  const explained = await shell('pannier injection explain -f worker.txt --image a:1');
  expect(explained).toMatchObject({ code: 1, out: '', error: expect.stringContaining('worker/five: cannot inject') });
  expect(await shell(`${line} --kind example.com/Worker=spec.template | pannier uninject -f -`)).toMatchObject({
    code: 1,
    out: '',
    error: expect.stringContaining('worker/five: cannot uninject'),
  });
});

test.each([
  ['pannier inject -f one.yaml --image a:1 --image b:1', '--image must be set at most once, got 2 values'],
  ['pannier injection status -n a -n b', '--namespace must be set at most once, got 2 values'],
  [
    'pannier inject one.yaml two.yaml --image a:1 -f x',
    'pannier inject must have no arguments, got 2; name files with --filename',
  ],
  ['pannier uninject -f - -', '--filename must contain - at most once, got 2 times'],
  ['pannier uninject -f one.yaml gone.yaml', 'cannot read gone.yaml: ENOENT; use a readable file'],
])('%s fails with exit code 2', async (line, message) => {
  const ran = await shell(line);
  expect(ran).toMatchObject({ code: 2, out: '' });
  expect(ran.error.split('\n')[0]).toBe(message);
});
