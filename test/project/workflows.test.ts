/**
 * Tests the GitHub workflows. They call only existing targets of the Makefile, request few permissions, and use pinned
 * actions.
 */
import { parse } from 'yaml';
import { readRepositoryFile, repositoryFiles } from '../support/repository.ts';

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: number;
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly concurrency?: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

const makefile = readRepositoryFile('Makefile');
const targets = new Set([...makefile.matchAll(/^([a-z0-9-]+):(?!=)/gm)].map((match) => match[1] ?? ''));
const workflows = repositoryFiles(['.github/workflows/*.yml']).map(
  (path) => [path, parse(readRepositoryFile(path)) as Workflow] as const,
);

/** Returns the targets of each `make` command in a shell script. */
function makeTargets(script: string): string[] {
  const commands = script.split(/\n|&&|;/).map((line) => line.trim().split(/\s+/));
  return commands
    .filter(([program]) => program === 'make')
    .flatMap(([, ...words]) => {
      const end = words.findIndex((word) => !/^[a-z0-9-]+$/.test(word));
      return end < 0 ? words : words.slice(0, end);
    });
}

function stepsOf(workflow: Workflow): Step[] {
  return Object.values(workflow.jobs).flatMap(({ steps }) => steps);
}

test('the repository has a workflow for CI and one for releases', () => {
  expect(workflows.map(([path]) => path)).toEqual(['.github/workflows/ci.yml', '.github/workflows/release.yml']);
});

describe.each(workflows)('%s', (_path, workflow) => {
  test('calls only targets that the Makefile has', () => {
    const called = stepsOf(workflow).flatMap(({ run }) => makeTargets(run ?? ''));
    expect(called.length).toBeGreaterThan(3);
    expect(called.filter((name) => !targets.has(name))).toEqual([]);
  });

  test('grants no more than read access to all jobs', () => {
    expect(workflow.permissions).toEqual({ contents: 'read' });
  });

  test('limits the time of each job and the number of runs at a time', () => {
    const unlimited = Object.entries(workflow.jobs).filter(([, job]) => !((job['timeout-minutes'] ?? 0) > 0));
    expect(unlimited.map(([name]) => name)).toEqual([]);
    expect(workflow.concurrency).toBeDefined();
  });

  test('pins each action to a version', () => {
    const actions = stepsOf(workflow).flatMap(({ uses }) => uses ?? []);
    expect(actions.filter((action) => !/^[\w-]+\/[\w-]+@v\d+$/.test(action))).toEqual([]);
  });

  test('does not leave the token of the checkout to later steps', () => {
    const checkouts = stepsOf(workflow).filter(({ uses }) => uses?.startsWith('actions/checkout@'));
    expect(checkouts.filter((step) => step.with?.['persist-credentials'] !== false)).toEqual([]);
  });

  test('runs with the Node version of package.json', () => {
    const setups = stepsOf(workflow).filter(({ uses }) => uses?.startsWith('actions/setup-node@'));
    const { engines } = JSON.parse(readRepositoryFile('package.json')) as { engines: { node: string } };
    expect(engines.node).toBe('>=24.0.0');
    expect(new Set(setups.map((step) => step.with?.['node-version']))).toEqual(new Set([24]));
  });
});

test('code of a pull request never runs with write permissions', () => {
  const [, ci] = workflows[0] ?? [];
  expect(Object.keys(ci?.on ?? {}).sort()).toEqual(['pull_request', 'push']);
  expect(Object.values(ci?.jobs ?? {}).filter(({ permissions }) => permissions !== undefined)).toEqual([]);
});

test('CI runs each suite that .ci/run runs, except the soak', () => {
  const [, ci] = workflows[0] ?? [];
  const called = new Set(ci === undefined ? [] : stepsOf(ci).flatMap(({ run }) => makeTargets(run ?? '')));
  const suites = [...readRepositoryFile('.ci/run').matchAll(/\bmake ((?:[a-z0-9-]+ ?)+)/g)].flatMap((match) =>
    (match[1] ?? '').trim().split(' '),
  );
  const missing = suites.filter((suite) => !called.has(suite) && !called.has(suite.replace(/-(h2spec|interop)$/, '')));
  expect(suites.length).toBeGreaterThan(10);
  expect(missing).toEqual(['soak-memory']);
});

test('make help describes each target once, in a sentence', () => {
  const described = [...makefile.matchAll(/^([a-z0-9-]+):.*## (.*)$/gm)].map((match) => [match[1], match[2] ?? '']);
  const phony = /^\.PHONY: (.*)$/m.exec(makefile)?.[1]?.split(' ') ?? [];
  expect(described.map(([name]) => name).sort()).toEqual(phony.filter((name) => name !== 'help').sort());
  expect(described.filter(([, text]) => !/^[A-Z].*\.$/.test(text ?? ''))).toEqual([]);
});
