/**
 * Tests `.ci/run` in a clone of the repository that has no tool collection next to it. The tests run a copy of the
 * script, with stubs for make and for each tool.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';
import { StubPrograms } from '../support/stub-programs.ts';
import { waitFor } from '../support/wait.ts';

/** System programs that the script calls. */
const SYSTEM_PROGRAMS = ['bash', 'cat', 'dirname', 'env', 'id', 'mktemp', 'node', 'rm', 'sh', 'tail'] as const;
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

/** Returns all variables that the script reads for its tools. Each value is a path in the directory of the test. */
function allTools(): Record<string, string> {
  programs.add('kubectl');
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

/** Creates a tool collection next to the clone. `body` is the shell code of the program `get` in the collection. */
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

/** Each variable, followed by the suites that do not run if only this variable is unset. */
const SUITES_OF: readonly (readonly [variable: string, ...suites: string[]])[] = [
  ['PANNIER_TEST_GRPCURL', 'grpcurl (in test)'],
  ['PANNIER_TEST_H2SPEC', 'h2spec'],
  ['PANNIER_TEST_GRPC_INTEROP', 'interop'],
  ['PANNIER_TEST_HELM', 'e2e-kubernetes', 'chart'],
  ['PANNIER_TEST_ENGINE', 'e2e-kubernetes', 'redis 8.6', 'e2e-image'],
  ['PANNIER_TEST_KUBECONFIG', 'e2e-kubernetes'],
  ['PANNIER_TEST_IMAGE_LOAD', 'e2e-kubernetes'],
  ['PANNIER_TEST_CLUSTER_RESTART', 'cluster restarts (in e2e-kubernetes)'],
];

describe('--list', () => {
  test('names each suite that does not run without tools, and the variable that enables it', () => {
    const { status, stdout } = runScript(['--list']);
    expect(status).toBe(0);
    expect(namesOf(stdout, 'run: ')).toEqual(ALWAYS);
    const notRun = ['e2e-kubernetes', 'grpcurl (in test)', 'redis 8.6', 'e2e-image', 'h2spec', 'interop', ...CLIENTS];
    expect(namesOf(stdout, 'NOT RUN: ')).toEqual([...notRun, 'chart']);
    expect(stdout).toContain('NOT RUN: chart: helm not found; set PANNIER_TEST_HELM to its path\n');
    expect(programs.calls()).toEqual([]);
  });

  test('lists every suite if all variables are set', () => {
    const { stdout } = runScript(['--list'], allTools());
    expect(namesOf(stdout, 'NOT RUN: ')).toEqual(CLIENTS);
    const expected = [...ALWAYS, 'redis 8.6', 'h2spec', 'interop', 'e2e-image', 'chart', 'e2e-kubernetes'];
    expect(namesOf(stdout, 'run: ').toSorted()).toEqual(expected.toSorted());
  });

  test.each(SUITES_OF)('without %s skips only the suites of that tool', (variable, ...suites) => {
    const settings = allTools();
    delete settings[variable];
    const { stdout } = runScript(['--list'], settings);
    expect(namesOf(stdout, 'NOT RUN: ').filter((name) => !CLIENTS.includes(name))).toEqual(suites);
    for (const suite of suites) {
      expect(stdout.split('\n').find((line) => line.startsWith(`NOT RUN: ${suite}:`))).toContain(variable);
    }
  });

  test('skips only the stubs of generated code if python3 is present and the plugins are not', () => {
    programs.add('python3');
    const { status, stdout } = runScript(['--list'], allTools());
    expect(status).toBe(0);
    expect(namesOf(stdout, 'NOT RUN: ').slice(-3)).toEqual([
      'stubs of generated C# code',
      'stubs of generated PHP code',
      'stubs of generated Ruby code',
    ]);
    expect(stdout).toContain('grpc_php_plugin not found on PATH; install it\n');
  });

  test('skips the Kubernetes suite without kubectl, which the quick start uses', () => {
    const settings = allTools();
    rmSync(join(programs.directory, 'kubectl'));
    const { stdout } = runScript(['--list'], settings);
    expect(stdout).toContain('NOT RUN: e2e-kubernetes: kubectl not found on PATH; install it\n');
  });

  test('uses a tool of the collection if its variable is unset', () => {
    addCollection('exit 1');
    const { stdout } = runScript(['--list']);
    expect(namesOf(stdout, 'run: ')).toEqual(expect.arrayContaining(['h2spec', 'interop', 'chart']));
  });
});

test('runs the suites whose tools are set and ends with the names of the others', () => {
  const { PANNIER_TEST_HELM = '', PANNIER_TEST_ENGINE = '' } = allTools();
  const { status, stdout, stderr } = runScript([], { PANNIER_TEST_HELM, PANNIER_TEST_ENGINE });
  const made = programs.calls().filter((call) => call.startsWith('make '));
  expect(made).toEqual([
    'make check',
    'make test ARGS=--maxWorkers=2',
    'make e2e',
    'make test-mixed',
    'make test-redis REDIS_IMAGE=redis:8.6',
    `make e2e-image IMAGE_BUILD=${PANNIER_TEST_ENGINE} build`,
    'make examples',
    'make soak-memory ARGS=--minutes 5',
    'make fuzz FUZZ_EXECUTIONS=1000000',
    'make clients',
    'make chart-test',
  ]);
  expect(stdout).toBe(`${made.length} passed, 0 failed\n`);
  expect(stderr).toContain('NOT RUN: h2spec: h2spec not found; set PANNIER_TEST_H2SPEC to its path\n');
  expect(stderr).toMatch(
    /^NOT RUN: e2e-kubernetes: no cluster configured; set PANNIER_TEST_KUBECONFIG or KUBECONFIG .*\n/m,
  );
  expect(stderr).toMatch(/\nNOT RUN: generated Ruby code: python3 not found on PATH; install it\n$/);
  expect(status).toBe(0);
});

test('runs the Kubernetes suite in the background, and prints its output and counts its failure at the end', () => {
  const body = `[ "$1" != image ] || { echo "output of Kubernetes" >&2; exit 1; }`;
  programs.add('make', `${body}; echo '${REPORT}' >"$JEST_REPORT_DIR/$1.json"`);
  const { status, stdout, stderr } = runScript([], allTools());
  const made = programs.calls().filter((call) => call.startsWith('make '));
  expect(stdout).toBe(`${made.length - 1} passed, 1 failed\n`);
  expect(stderr).toMatch(/== chart took .*output of Kubernetes\n== e2e-kubernetes failed\n/s);
  expect(status).toBe(1);
});

test('ends the background job and removes its files if the script is interrupted', async () => {
  const pidFile = join(directory, 'pid');
  const temporary = join(directory, 'temporary');
  mkdirSync(temporary);
  programs.link('sleep');
  programs.add('make', `case $1 in image) echo $$ >'${pidFile}'; exec sleep 600;; chart-test) exec sleep 600;; esac`);
  const running = spawn(join(directory, 'clone', '.ci', 'run'), [], {
    env: { PATH: programs.directory, TMPDIR: temporary, ...allTools() },
    stdio: 'ignore',
    detached: true,
  });
  const exited = once(running, 'exit');
  const readPid = () => (existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0);
  await waitFor('the background job', () => readPid() > 0);
  process.kill(-(running.pid ?? 0), 'SIGTERM');
  await exited;
  await waitFor('the end of the background job', () => !isRunning(readPid()));
  expect(readdirSync(temporary)).toEqual([]);
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('gets each tool from the collection and reports a tool that it cannot get as a failure', () => {
  addCollection('[ "$1" != helm ] && echo "/collection/$1"');
  programs.add('make', `echo "h2spec=$PANNIER_TEST_H2SPEC" >&2; echo '${REPORT}' >"$JEST_REPORT_DIR/$1.json"`);
  const { status, stdout, stderr } = runScript([]);
  expect(stderr).toContain('h2spec=/collection/h2spec\n');
  expect(stderr).toContain('cannot get helm');
  expect(stdout).toMatch(/, 1 failed\n$/);
  expect(status).toBe(1);
});

test('rejects an invalid argument, a missing tool and an engine that does not answer', () => {
  expect(runScript(['--lst'])).toMatchObject({
    status: 2,
    stderr: 'argument must be --list or --help, got "--lst"\n',
  });
  expect(runScript(['--list'], { PANNIER_TEST_HELM: '/nowhere/helm' })).toMatchObject({
    status: 2,
    stderr: 'PANNIER_TEST_HELM must be the path of an executable, got "/nowhere/helm"\n',
  });
  const engine = programs.add('broken-engine', 'exit 1');
  const { status, stderr } = runScript([], { PANNIER_TEST_ENGINE: engine });
  expect(status).toBe(2);
  expect(stderr).toMatch(/^PANNIER_TEST_ENGINE must be a container engine whose command `version` succeeds, got /);
});
