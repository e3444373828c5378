/**
 * `.ci/run` in a clone that stands alone: the script runs from a copy, with stubs for make and for each tool.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';
import { StubPrograms } from '../support/stub-programs.ts';

/** What the script itself needs. */
const SYSTEM_PROGRAMS = ['bash', 'cat', 'dirname', 'env', 'id', 'mktemp', 'node', 'rm', 'sh'] as const;
const REPORT = '{"numPassedTests":1,"numFailedTests":0,"numPendingTests":0,"testResults":[]}';

let directory: string;
let programs: StubPrograms;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pannier-ci-'));
  for (const path of ['.ci/run', 'scripts/sum-reports.ts']) {
    cpSync(join(repositoryRoot, path), join(directory, 'clone', path));
  }
  programs = new StubPrograms(directory).link(...SYSTEM_PROGRAMS);
  programs.add('make', `echo '${REPORT}' >"$JEST_REPORT_DIR/$1.json"`);
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function runScript(args: readonly string[], settings: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(join(directory, 'clone', '.ci', 'run'), [...args], {
    env: { PATH: programs.directory, ...settings },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

/** Every variable, each naming a stub. */
function allTools(): Record<string, string> {
  return {
    PANNIER_TEST_GRPCURL: programs.add('my-grpcurl'),
    PANNIER_TEST_H2SPEC: programs.add('my-h2spec'),
    PANNIER_TEST_GRPC_INTEROP: programs.add('my-interop'),
    PANNIER_TEST_HELM: programs.add('my-helm'),
    PANNIER_TEST_ENGINE: programs.add('my-engine'),
    PANNIER_TEST_IMAGE_LOAD: programs.add('my-loader'),
    PANNIER_TEST_CLUSTER_RESTART: programs.add('my-restarter'),
    PANNIER_TEST_KUBECONFIG: join(directory, 'kubeconfig'),
  };
}

/** A collection of tools beside the clone; `body` is what its `get` does. */
function addCollection(body: string): void {
  const tools = join(directory, 'shared', 'tools');
  mkdirSync(tools, { recursive: true });
  writeFileSync(join(tools, 'get'), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}

function namesOf(stdout: string, start: string): string[] {
  const lines = stdout.split('\n').filter((line) => line.startsWith(start));
  return lines.map((line) => line.slice(start.length).split(':')[0] ?? '');
}

const ALWAYS = ['check', 'test', 'e2e', 'test-mixed', 'examples', 'soak-memory', 'fuzz', 'clients'];
const CLIENTS = [
  'clients of grpc-go',
  'clients of grpcio',
  'clients of tonic',
  'clients of grpc-java',
  'generated C# code',
  'generated PHP code',
  'generated Ruby code',
];

/** Each variable, and the suites that it alone decides where the others are set. */
const SUITES_OF: readonly (readonly [variable: string, ...suites: string[]])[] = [
  ['PANNIER_TEST_GRPCURL', 'grpcurl (in test)'],
  ['PANNIER_TEST_H2SPEC', 'h2spec'],
  ['PANNIER_TEST_GRPC_INTEROP', 'interop'],
  ['PANNIER_TEST_HELM', 'chart', 'e2e-kubernetes'],
  ['PANNIER_TEST_ENGINE', 'redis 8.6', 'e2e-image', 'e2e-kubernetes'],
  ['PANNIER_TEST_KUBECONFIG', 'e2e-kubernetes'],
  ['PANNIER_TEST_IMAGE_LOAD', 'e2e-kubernetes'],
  ['PANNIER_TEST_CLUSTER_RESTART', 'cluster restarts (in e2e-kubernetes)'],
];

describe('--list', () => {
  test('names each suite that a lone clone does not run, and the variable that enables it', () => {
    const { status, stdout } = runScript(['--list']);
    expect(status).toBe(0);
    expect(namesOf(stdout, 'run: ')).toEqual(ALWAYS);
    const notRun = ['grpcurl (in test)', 'redis 8.6', 'h2spec', 'interop', ...CLIENTS, 'e2e-image', 'chart'];
    expect(namesOf(stdout, 'NOT RUN: ')).toEqual([...notRun, 'e2e-kubernetes']);
    expect(stdout).toContain('NOT RUN: chart: there is no helm; PANNIER_TEST_HELM, set to its path, enables it\n');
    expect(programs.calls()).toEqual([]);
  });

  test('lists every suite of a lone clone whose variables are set', () => {
    const { stdout } = runScript(['--list'], allTools());
    expect(namesOf(stdout, 'NOT RUN: ')).toEqual(CLIENTS);
    const expected = [...ALWAYS, 'redis 8.6', 'h2spec', 'interop', 'e2e-image', 'chart', 'e2e-kubernetes'];
    expect(namesOf(stdout, 'run: ').toSorted()).toEqual(expected.toSorted());
  });

  test.each(SUITES_OF)('without %s leaves out the suites of that tool alone', (variable, ...suites) => {
    const settings = allTools();
    delete settings[variable];
    const { stdout } = runScript(['--list'], settings);
    expect(namesOf(stdout, 'NOT RUN: ').filter((name) => !CLIENTS.includes(name))).toEqual(suites);
    for (const suite of suites) {
      expect(stdout.split('\n').find((line) => line.startsWith(`NOT RUN: ${suite}:`))).toContain(variable);
    }
  });

  test('leaves out only stubs of generated code where python3 is here and the plugins are not', () => {
    programs.add('python3');
    const { status, stdout } = runScript(['--list'], allTools());
    expect(status).toBe(0);
    expect(namesOf(stdout, 'NOT RUN: ').slice(-3)).toEqual([
      'stubs of generated C# code',
      'stubs of generated PHP code',
      'stubs of generated Ruby code',
    ]);
    expect(stdout).toContain('there is no grpc_php_plugin on PATH; installing it enables them\n');
  });

  test('takes a tool from the collection beside the clone only where its variable is unset', () => {
    addCollection('exit 1');
    const { stdout } = runScript(['--list']);
    expect(namesOf(stdout, 'run: ')).toEqual(expect.arrayContaining(['h2spec', 'interop', 'chart']));
  });
});

test('a lone clone runs the suites of the tools that its variables name, and ends with the names of the others', () => {
  const { PANNIER_TEST_HELM = '', PANNIER_TEST_ENGINE = '' } = allTools();
  const { status, stdout, stderr } = runScript([], { PANNIER_TEST_HELM, PANNIER_TEST_ENGINE });
  const made = programs.calls().filter((call) => call.startsWith('make '));
  expect(made).toEqual([
    'make check',
    'make test',
    'make e2e',
    'make test-mixed',
    'make test-redis REDIS_IMAGE=redis:8.6',
    'make examples',
    'make soak-memory ARGS=--minutes 5',
    'make fuzz FUZZ_EXECUTIONS=1000000',
    'make clients',
    `make e2e-image IMAGE_BUILD=${PANNIER_TEST_ENGINE} build`,
    'make chart-test',
  ]);
  expect(stdout).toBe(`${made.length} passed, 0 failed\n`);
  expect(stderr).toContain('NOT RUN: h2spec: there is no h2spec; PANNIER_TEST_H2SPEC, set to its path, enables it\n');
  expect(stderr).toMatch(/NOT RUN: e2e-kubernetes: there is no cluster; PANNIER_TEST_KUBECONFIG .*\n$/);
  expect(status).toBe(0);
});

test('obtains each tool from the collection beside the clone, and counts one that it cannot obtain as a failure', () => {
  addCollection('[ "$1" != helm ] && echo "/collection/$1"');
  programs.add('make', `echo "h2spec=$PANNIER_TEST_H2SPEC" >&2; echo '${REPORT}' >"$JEST_REPORT_DIR/$1.json"`);
  const { status, stdout, stderr } = runScript([]);
  expect(stderr).toContain('h2spec=/collection/h2spec\n');
  expect(stderr).toContain('cannot get helm');
  expect(stdout).toMatch(/, 1 failed\n$/);
  expect(status).toBe(1);
});

test('refuses an invalid argument, a tool that does not exist and an engine that does not answer', () => {
  expect(runScript(['--lst'])).toMatchObject({
    status: 2,
    stderr: 'the argument must be --list or --help, got "--lst"\n',
  });
  expect(runScript(['--list'], { PANNIER_TEST_HELM: '/nowhere/helm' })).toMatchObject({
    status: 2,
    stderr: 'PANNIER_TEST_HELM must be the path of an executable, got "/nowhere/helm"\n',
  });
  const engine = programs.add('broken-engine', 'exit 1');
  const { status, stderr } = runScript([], { PANNIER_TEST_ENGINE: engine });
  expect(status).toBe(2);
  expect(stderr).toMatch(/^PANNIER_TEST_ENGINE must be the command of a container engine that answers/);
});
