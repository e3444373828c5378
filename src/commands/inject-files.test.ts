/**
 * Tests inject, uninject and explain on several files: nothing is left out, and nothing is written after an error.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { type InjectFlags, runInject } from './inject.ts';
import { runExplain } from './injection-explain.ts';
import { type FilesIo, processIo } from './manifest-io.ts';
import type { EditFlags } from './manifest-report.ts';
import { runUninject } from './uninject.ts';

const directory = mkdtempSync(join(tmpdir(), 'pannier-inject-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Ran {
  readonly code: number;
  readonly output: string;
  readonly errors: readonly string[];
}

/** Runs a command on real files. The names of files in the result are relative to the directory. */
function run<Flags extends EditFlags>(command: (flags: Flags, io: FilesIo) => number, flags: Flags): Ran {
  const errors: string[] = [];
  let output = '';
  const io = {
    ...processIo,
    out: (text: string) => {
      output += text;
    },
    error: (line: string) => void errors.push(line.replaceAll(`${directory}/`, '')),
  };
  const filename = flags.filename.map((path) => join(directory, path));
  const code = command({ ...flags, filename }, io);
  return { code, output: output.replaceAll(`${directory}/`, ''), errors };
}

function inject(filename: readonly string[], further: Partial<InjectFlags> = {}): Ran {
  return run(runInject, { image: 'pannier:1', ...further, filename });
}

function file(name: string, text: string): string {
  writeFileSync(join(directory, name), text);
  return text;
}

function workload(kind: string, name: string, apiVersion = 'apps/v1'): string {
  return `apiVersion: ${apiVersion}
kind: ${kind}
metadata:
  name: ${name}
spec:
  template:
    metadata:
      annotations:
        pannier.dev/inject: "true"
    spec:
      containers:
        - name: app
          image: web:1
`;
}

function namesIn(stream: string): unknown[] {
  const documents = [...parseAllDocuments(stream)];
  expect(documents.flatMap((document) => document.errors)).toEqual([]);
  return documents.map((document) => document.getIn(['metadata', 'name']));
}

const a = file('a.yaml', workload('Deployment', 'a'));
const b = file('b.yaml', workload('StatefulSet', 'b').trimEnd());
const rollout = file('rollout.yaml', workload('Rollout', 'c', 'argoproj.io/v1alpha1'));
file('worker.yaml', workload('Worker', 'w', 'example.com/v1'));
file('bad.yaml', workload('Deployment', 'bad').replace('inject:', 'injekt:'));
file('broken.yaml', 'a: [\n');
file('service.yaml', 'apiVersion: v1\nkind: Service\nmetadata: {name: web}\n');

test('writes all files as one stream in the given order, and uninject restores each object', () => {
  const injected = inject(['b.yaml', 'a.yaml', 'rollout.yaml', 'service.yaml']);
  expect(injected).toMatchObject({
    code: 0,
    errors: [
      'b.yaml: statefulset/b: injected',
      'a.yaml: deployment/a: injected',
      'rollout.yaml: rollout/c: injected',
      '3 injected, 0 unchanged, 0 refused',
    ],
  });
  expect(namesIn(injected.output)).toEqual(['b', 'a', 'c', 'web']);
  expect(injected.output.split('name: pannier\n')).toHaveLength(4);
  file('stream.yaml', injected.output);
  const back = run(runUninject, { filename: ['stream.yaml'] });
  expect(back.output).toBe(`${b}\n---\n${a}---\n${rollout}---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n`);
  file('a.injected.yaml', inject(['a.yaml']).output);
  file('b.injected.yaml', inject(['b.yaml']).output);
  expect(run(runUninject, { filename: ['a.injected.yaml', 'b.injected.yaml'] })).toEqual({
    code: 0,
    output: `${a}---\n${b}\n`,
    errors: [
      'a.injected.yaml: deployment/a: uninjected',
      'b.injected.yaml: statefulset/b: uninjected',
      '2 uninjected, 0 unchanged, 0 refused',
    ],
  });
});

test('writes a single file byte for byte, without a summary', () => {
  const once = inject(['b.yaml']);
  expect(once.errors).toEqual(['statefulset/b: injected']);
  expect(once.output).not.toMatch(/\n$/);
  file('once.yaml', once.output);
  expect(inject(['once.yaml'])).toEqual({
    code: 0,
    output: once.output,
    errors: ['statefulset/b: already has its sidecar'],
  });
});

test.each([
  [
    'a refused pod',
    'bad.yaml',
    1,
    /^bad.yaml:9:9: deployment\/bad: unknown annotation pannier.dev\/injekt; did you mean/,
  ],
  [
    'an unknown kind',
    'worker.yaml',
    1,
    /^worker.yaml:9:9: worker\/w: cannot inject: annotation pannier.dev\/inject at .* use --kind example.com\/Worker=spec.template$/,
  ],
  ['a broken file', 'broken.yaml', 2, /^broken.yaml(:\d+:\d+)?: cannot read the file as YAML/],
  ['a missing file', 'gone.yaml', 2, /^cannot read gone.yaml: ENOENT/],
])('writes nothing if one of the files is %s', (_name, name, code, message) => {
  const ran = inject(['a.yaml', name, 'b.yaml']);
  expect(ran).toMatchObject({ code, output: '' });
  expect(ran.errors).toEqual(expect.arrayContaining([expect.stringMatching(message)]));
  if (code === 1) {
    expect(ran.errors.at(-1)).toMatch(/^2 injected, 0 unchanged, \d refused, \d left out; no manifests were written$/);
  }
});

test('a Namespace in one file decides about the pods in the others', () => {
  file(
    'namespace.yaml',
    'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {pannier.dev/inject: "true"}}\n',
  );
  const plain = a.replace('  name: a\n', '  name: a\n  namespace: shop\n').replace(/ {4}metadata:\n.*\n.*\n/, '');
  file('plain.yaml', plain);
  expect(inject(['plain.yaml']).errors[0]).toMatch(/^shop\/deployment\/a: unchanged, neither/);
  expect(inject(['plain.yaml', 'namespace.yaml']).errors[0]).toBe('plain.yaml: shop/deployment/a: injected');
});

test('--kind adds kinds for inject, uninject and explain', () => {
  const kind = ['example.com/Other=spec.pod', 'example.com/Worker=spec.template'];
  const injected = inject(['worker.yaml'], { kind });
  expect(injected).toMatchObject({ code: 0, errors: ['worker/w: injected'] });
  file('worker.injected.yaml', injected.output);
  expect(run(runUninject, { filename: ['worker.injected.yaml'] })).toMatchObject({ code: 1, output: '' });
  const back = run(runUninject, { filename: ['worker.injected.yaml'], kind });
  expect(back).toMatchObject({ code: 0, output: workload('Worker', 'w', 'example.com/v1') });
  const explained = run(runExplain, { filename: ['worker.yaml'], image: 'pannier:1', kind });
  expect(explained).toMatchObject({ code: 0, errors: [] });
});

test('refuses an invalid --kind with its form', () => {
  expect(inject(['a.yaml'], { kind: ['example.com/v1/Worker=spec'] })).toEqual({
    code: 2,
    output: '',
    errors: [
      '--kind must be GROUP/Kind=path without a version, such as example.com/Worker=spec.podTemplate, got "example.com/v1/Worker=spec"',
    ],
  });
});

test('reads standard input only once', () => {
  const errors: string[] = [];
  const io = { ...processIo, error: (line: string) => void errors.push(line) };
  expect(runInject({ filename: ['x', '-'], config: '-' }, io)).toBe(2);
  expect(errors).toEqual([
    'cannot read --config from standard input: --filename reads it too; use a file for one of them',
  ]);
});

test('says what Knative Serving requires', () => {
  file('knative.yaml', workload('Service', 'hello', 'serving.knative.dev/v1'));
  expect(inject(['knative.yaml'])).toMatchObject({
    code: 0,
    errors: [
      'service/hello: injected',
      expect.stringMatching(/^knative.yaml:1:1: service\/hello: note: Knative Serving/),
    ],
  });
});

test('names each template of a kind that has several', () => {
  const group =
    '{template: {metadata: {annotations: {pannier.dev/inject: "true"}}, spec: {containers: [{name: ray}]}}}';
  file(
    'ray.yaml',
    `apiVersion: ray.io/v1\nkind: RayCluster\nmetadata: {name: r}\nspec: {headGroupSpec: ${group}, workerGroupSpecs: [${group}]}\n`,
  );
  expect(inject(['ray.yaml']).errors).toEqual([
    'raycluster/r spec.headGroupSpec.template: injected',
    'raycluster/r spec.workerGroupSpecs[0].template: injected',
  ]);
});

describe('explain', () => {
  test('names the file of each workload, and reports what would be left out', () => {
    const ran = run(runExplain, { filename: ['a.yaml', 'worker.yaml', 'service.yaml'], image: 'pannier:1' });
    expect(ran.code).toBe(1);
    expect(ran.output).toMatch(/^a.yaml: deployment\/a: gets a native sidecar/);
    expect(ran.errors).toEqual([expect.stringMatching(/^worker.yaml:9:9: worker\/w: cannot inject: annotation/)]);
  });

  test('does not say that there are no pods if an object was left out', () => {
    expect(run(runExplain, { filename: ['worker.yaml'], image: 'pannier:1' })).toMatchObject({ code: 1, output: '' });
    expect(run(runExplain, { filename: ['service.yaml'], image: 'pannier:1' })).toEqual({
      code: 0,
      output: 'these manifests contain no pods\n',
      errors: [],
    });
  });
});

test('injects and restores a JSON array of pods byte for byte', () => {
  const pod = (name: string): string =>
    `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "${name}", "annotations": {"pannier.dev/inject": "true"}}, "spec": {"containers": [{"name": "app"}]}}`;
  const source = file('array.json', `[\n  ${pod('one')},\n  ${pod('two')}\n]\n`);
  const injected = inject(['array.json']);
  expect(injected).toMatchObject({ code: 0, errors: ['pod/one: injected', 'pod/two: injected'] });
  expect(JSON.parse(injected.output)).toHaveLength(2);
  file('array.injected.json', injected.output);
  expect(run(runUninject, { filename: ['array.injected.json'] }).output).toBe(source);
});

describe('a stream of JSON values', () => {
  const pod = (name: string, annotation = 'pannier.dev/inject'): string =>
    `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "${name}", "annotations": {"${annotation}": "true"}}, "spec": {"containers": [{"name": "app"}]}}`;

  test('is restored after JSON files were joined', () => {
    const stream = file('stream.json', `${pod('one')}\n${pod('two')}\n`);
    const single = file('single.json', `${pod('three')}\n`);
    file('joined.json', inject(['stream.json', 'single.json']).output);
    expect(run(runUninject, { filename: ['joined.json'] })).toMatchObject({ code: 0, output: stream + single });
  });

  test('becomes YAML documents in a stream with a YAML file', () => {
    file('stream.json', `${pod('one')} ${pod('two')}\n`);
    const injected = inject(['stream.json', 'a.yaml']);
    expect(injected.code).toBe(0);
    expect(namesIn(injected.output)).toEqual(['one', 'two', 'a']);
  });

  test('has positions', () => {
    file('stream.json', `${pod('one')}\n${pod('two', 'pannier.dev/injekt')}\n`);
    expect(inject(['stream.json']).errors).toEqual([
      'pod/one: injected',
      expect.stringMatching(/^stream.json:2:81: pod\/two: unknown annotation pannier.dev\/injekt/),
    ]);
  });
});
