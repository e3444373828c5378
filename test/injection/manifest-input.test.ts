/**
 * Runs the commands on files that kubectl reads in a special way, or that no API server accepts: exit codes and outputs.
 * Where Node.js itself could print a warning, the commands run as separate processes.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultSidecarConfig } from '../../src/injection/sidecar-config.ts';
import { injectManifests, type ManifestResult, uninjectManifests } from '../../src/manifests/edit-manifests.ts';
import { repositoryRoot } from '../support/repository.ts';

const directory = mkdtempSync(join(tmpdir(), 'pannier-manifests-'));
const path = join(directory, 'app.yaml');

afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command on the text as a file. The file must stay as it is. */
function run(command: readonly string[], text: string | Buffer): Run {
  writeFileSync(path, text);
  const program = [join(repositoryRoot, 'src/main.ts'), ...command, '-f', path];
  const { status, stdout, stderr } = spawnSync(process.execPath, program, { encoding: 'utf8' });
  expect(readdirSync(directory)).toEqual(['app.yaml']);
  expect(readFileSync(path)).toEqual(Buffer.from(text));
  return { status, stdout, stderr: stderr.replaceAll(path, 'app.yaml') };
}

const INJECT = ['inject', '--image', 'pannier:1'];
const HEAD = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    metadata:
      annotations:
        pannier.dev/inject: "true"
`;

function deploymentWithPort(port: string): string {
  return `${HEAD}    spec:\n      containers:\n        - name: app\n          ports: [{containerPort: ${port}}]\n`;
}

const options = {
  config: defaultSidecarConfig('pannier:1'),
  kubelets: { oldestMinor: undefined },
  namespaceInject: false,
};

/** Returns the reasons why injection refuses the only pod of the text. */
function refusalsOf(text: string): readonly string[] {
  const result = injectManifests(text, options);
  if ('problems' in result) {
    throw new Error(JSON.stringify(result.problems));
  }
  expect(result.outcomes).toHaveLength(1);
  return result.outcomes.flatMap(({ injection }) => (injection.kind === 'refuse' ? injection.problems : []));
}

test.each(['022376', '0o22376', '0x24FE', '0b10010011111110', '9_470', '9470.0', '+9470', '!!int "9470"'])(
  'a container port %s is refused, because kubectl reads it as the port of the sidecar',
  (port) => {
    expect(refusalsOf(deploymentWithPort(port))).toEqual([expect.stringMatching(/\b9470\b/)]);
  },
);

test.each(['"9470"', '22376', '09470x'])('a container port %s is not the port of the sidecar', (port) => {
  expect(refusalsOf(deploymentWithPort(port))).toEqual([]);
});

test.each(['yes', 'on', 'Y', 'True', '1', '0x1'])(
  'the annotation with the value %s is refused as no string',
  (value) => {
    const got = /^\d/.test(value) ? '1' : 'true';
    expect(refusalsOf(deploymentWithPort('8080').replace('"true"', value))).toEqual([
      `metadata.annotations pannier.dev/inject must be a string such as "${got}", got ${got}`,
    ]);
  },
);

test.each([
  ['"True"', '"True"'],
  ['|\n          true', '"true\\n"'],
  ["'yes'", '"yes"'],
])('the annotation with the value %s is refused with the accepted values', (value, got) => {
  expect(refusalsOf(deploymentWithPort('8080').replace('"true"', value))).toEqual([
    `annotation pannier.dev/inject must be "true" or "false", got ${got}`,
  ]);
});

test('a number without quotes in an annotation is refused with quotes as the cure', () => {
  const text = deploymentWithPort('8080').replace('"true"', '"true"\n        pannier.dev/grpc-port: 019470');
  expect(refusalsOf(text)).toEqual([
    'metadata.annotations pannier.dev/grpc-port must be a string such as "19470", got 19470',
  ]);
});

test('an integer that JavaScript cannot represent is shown exactly', () => {
  const text = deploymentWithPort('8080').replace('"true"', '"true"\n        a: 9007199254740993');
  expect(refusalsOf(text)).toEqual([
    'metadata.annotations a must be a string such as "9007199254740993", got 9007199254740993',
  ]);
});

test.each([
  ['with a byte order mark', '\uFEFF', 'cannot read app.yaml: it is not UTF-8; use a readable file'],
  [
    'without a byte order mark',
    '',
    'app.yaml:1:2: cannot read the file as YAML: it contains the control character U+0000',
  ],
])('UTF-16 %s is refused', (_name, mark, problem) => {
  const { status, stdout, stderr } = run(INJECT, Buffer.from(mark + deploymentWithPort('8080'), 'utf16le'));
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr.startsWith(problem)).toBe(true);
  expect(stderr.trimEnd()).not.toContain('\n');
});

test('an unrendered template is refused with one line, without warnings of Node.js', () => {
  const text = deploymentWithPort('8080').replace('name: web', 'name: {{ .Values.name }}');
  for (const command of [INJECT, ['uninject'], ['injection', 'explain', '--image', 'pannier:1']]) {
    const { status, stdout, stderr } = run(command, text);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toBe(
      'app.yaml:4:9: cannot read the file as YAML: {{ .Values.name }} is an expression of a template; render the template first (was helm template left out?)\n',
    );
  }
});

test('a mapping as a key is refused without warnings of Node.js', () => {
  const { status, stdout, stderr } = run(INJECT, `${deploymentWithPort('8080')}? {a: b}\n: c\n`);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toBe('app.yaml:14:3: a key must be a string, got a mapping\n');
});

test('an annotation with a mapping as a key is refused without warnings of Node.js', () => {
  const text = deploymentWithPort('8080').replace('"true"', '"true"\n        pannier.dev/env: "? {a: b}\\n: !x c"');
  const { status, stdout, stderr } = run(INJECT, text);
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(/^app.yaml:10:9: deployment\/web: annotation pannier.dev\/env: unknown setting .*\n$/);
});

test('an error has the path, the line and the column', () => {
  const text = deploymentWithPort('8080').replace('spec:', 'kind: Deployment\nspec:');
  const { status, stdout, stderr } = run(INJECT, text);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toBe('app.yaml:5:1: the key kind must be unique in its mapping; it is already in line 2\n');
});

describe('a JSON stream', () => {
  const pod = (name: string): unknown => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, annotations: { 'pannier.dev/inject': 'true' } },
    spec: { containers: [{ name: 'app' }] },
  });
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' } };
  const tabs = [pod('a'), pod('b')].map((value) => JSON.stringify(value, null, '\t'));
  const layouts = [
    ['with line ends', `${[pod('a'), pod('b')].map((value) => JSON.stringify(value)).join('\n')}\n`],
    ['without line ends', [pod('a'), service, pod('b')].map((value) => JSON.stringify(value)).join('')],
    ['with indentation', [service, pod('a'), pod('b')].map((value) => JSON.stringify(value, null, 4)).join('\n')],
    ['with CRLF and blanks', ` ${tabs.join('\n \n')}  \n`.replaceAll('\n', '\r\n')],
  ] as const;

  function edited(result: ManifestResult): string {
    if ('problems' in result) {
      throw new Error(JSON.stringify(result.problems));
    }
    return result.text;
  }

  test.each(layouts)('%s is injected value by value and restored byte for byte', (_name, text) => {
    const injected = edited(injectManifests(text, options));
    expect(injected).not.toMatch(/^---/m);
    expect(injected.split('"image":').length).toBe(3);
    expect(edited(injectManifests(injected, options))).toBe(injected);
    expect(edited(uninjectManifests(injected))).toBe(text);
  });

  test('is printed as a JSON stream', () => {
    const [, text] = layouts[1];
    const { status, stdout } = run(INJECT, text);
    expect({ status, stdout }).toEqual({ status: 0, stdout: edited(injectManifests(text, options)) });
  });
});
