/**
 * Renders the chart of this repository with the helm program in PANNIER_TEST_HELM. Callers pass the values as an
 * object. Rendering requires no cluster.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { repositoryRoot } from '../repository.ts';

export const chartDirectory: string = join(repositoryRoot, 'charts', 'pannier');

export interface HelmResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Kubernetes object, with the fields that tests read. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
  readonly [further: string]: unknown;
}

export type Values = Readonly<Record<string, unknown>>;

export function helm(args: readonly string[]): HelmResult {
  const program = process.env.PANNIER_TEST_HELM;
  if (program === undefined || program === '') {
    throw new Error('cannot test the chart: PANNIER_TEST_HELM is not set; set it to the path of helm (3.14 or later)');
  }
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
    // Prevents Helm from using its configuration on this machine and from contacting a cluster.
    env: { PATH: process.env.PATH ?? '', HOME: tmpdir(), KUBECONFIG: '/dev/null' },
  });
  if (error !== undefined) {
    throw new Error(`cannot test the chart: ${program} does not run; set PANNIER_TEST_HELM to the path of helm`, {
      cause: error,
    });
  }
  return { status, stdout, stderr };
}

/** Writes the values to a file that exists while `use` runs. */
export function withValuesFile<Result>(values: Values, use: (file: string) => Result): Result {
  const directory = mkdtempSync(join(tmpdir(), 'pannier-chart-'));
  try {
    const file = join(directory, 'values.json');
    writeFileSync(file, JSON.stringify(values));
    return use(file);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Runs `helm template RELEASE CHART -n pannier-system` with these values. */
export function template(values: Values = {}, args: readonly string[] = [], release = 'pannier'): HelmResult {
  // Without a cluster and without this flag, Helm assumes a Kubernetes version that is compiled into Helm.
  const version = args.includes('--kube-version') ? [] : ['--kube-version', '1.34.4'];
  return withValuesFile(values, (file) =>
    helm(['template', release, chartDirectory, '-n', 'pannier-system', '-f', file, ...version, ...args]),
  );
}

/** Renders the objects for these values. If Helm fails, throws an error that contains its output. */
export function render(values: Values = {}, args: readonly string[] = [], release = 'pannier'): Manifest[] {
  const result = template(values, args, release);
  if (result.status !== 0) {
    throw new Error(`cannot render the chart: ${result.stderr}`);
  }
  return parseAllDocuments(result.stdout)
    .map((document) => {
      if (document.errors[0] !== undefined) {
        throw document.errors[0];
      }
      return document.toJS() as Manifest | null;
    })
    .filter((manifest) => manifest !== null);
}

/** Returns the only object of this kind and name. Throws unless exactly one such object exists. */
export function find(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = manifests.filter((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (found.length !== 1 || found[0] === undefined) {
    const all = manifests.map((manifest) => `${manifest.kind}/${manifest.metadata.name}`).join(', ');
    throw new Error(`cannot find ${kind}/${name}: there are ${found.length} among ${all}`);
  }
  return found[0];
}

/**
 * Returns the value at a path such as `spec.template.spec.containers.0.args`, or undefined if a key on the path is
 * missing.
 */
export function at(value: unknown, path: string): unknown {
  let current = value;
  for (const step of path.split('.')) {
    if (current === null || typeof current !== 'object') {
      return undefined;
    }
    current = (current as Record<string, unknown>)[step];
  }
  return current;
}
