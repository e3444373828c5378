/**
 * Compares the results of injection with golden files: cases/NAME.yaml is the input, and NAME.injected.yaml is the
 * output. If injection refuses the pod, NAME.refused.txt contains all errors instead.
 *
 * PANNIER_TEST_UPDATE_GOLDEN=1 regenerates the golden files; review their diff. A comment `# case: {...}` in the input
 * sets options. `kubelets` is the minor version of the oldest kubelet, `namespaceInject` requests injection for the
 * whole namespace, and `config` contains settings of the injector.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { injectPod } from '../../src/injection/inject-pod.ts';
import { defaultSidecarConfig, parseSidecarConfig, type SidecarConfig } from '../../src/injection/sidecar-config.ts';
import { isSame } from '../../src/lib/json.ts';
import { injectManifests, uninjectManifests } from '../../src/manifests/edit-manifests.ts';
import { namespacesIn, workloadsIn } from '../../src/manifests/workloads.ts';
import { readValues } from '../../src/manifests/yaml-documents.ts';
import { applyJsonPatch } from '../support/kubernetes/json-patch-apply.ts';
import { repositoryRoot } from '../support/repository.ts';

const directory = join(repositoryRoot, 'test/injection/cases');
const isUpdating = process.env.PANNIER_TEST_UPDATE_GOLDEN === '1';

interface GoldenCase {
  readonly kubelets?: number;
  readonly namespaceInject?: boolean;
  /** Keys below `sidecar` in the injector's configuration. */
  readonly config?: object;
}

function optionsOf(source: string): {
  config: SidecarConfig;
  kubelets: { oldestMinor: number | undefined };
  namespaceInject: boolean;
  version: string;
} {
  const comment = /^# case: (.*)$/m.exec(source)?.[1];
  const given = JSON.parse(comment ?? '{}') as GoldenCase;
  return {
    config: given.config === undefined ? defaultSidecarConfig('pannier:1') : configOf(given.config),
    kubelets: { oldestMinor: given.kubelets },
    namespaceInject: given.namespaceInject === true,
    version: '1.2.3',
  };
}

function configOf(sidecar: object): SidecarConfig {
  const parsed = parseSidecarConfig(JSON.stringify({ sidecar: { image: 'pannier:1', ...sidecar } }));
  if ('problems' in parsed) {
    throw new Error(JSON.stringify(parsed.problems));
  }
  return parsed.config;
}

function valuesOf(text: string): unknown[] {
  const read = readValues(text);
  if ('problems' in read) {
    throw new Error(JSON.stringify(read.problems));
  }
  return read.values;
}

const names = readdirSync(directory)
  .filter((file) => /^[a-z0-9-]+\.(yaml|json)$/.test(file))
  .sort();

function goldenPath(name: string, kind: 'injected' | 'refused'): string {
  const [stem = '', extension = ''] = name.split('.');
  return join(directory, kind === 'injected' ? `${stem}.injected.${extension}` : `${stem}.refused.txt`);
}

function compare(path: string, text: string): void {
  if (isUpdating) {
    writeFileSync(path, text);
  }
  expect(existsSync(path) ? readFileSync(path, 'utf8') : 'no golden file').toBe(text);
}

/**
 * Cases with YAML aliases. If injection changes a value, it replaces the alias with the value, and the reverse
 * operation does not restore the alias.
 */
const WITH_ALIASES = new Set(['deployment-anchors.yaml']);

test('there are at least 40 cases', () => {
  expect(names.length).toBeGreaterThanOrEqual(40);
});

describe.each(names)('%s', (name) => {
  const source = readFileSync(join(directory, name), 'utf8');
  const options = optionsOf(source);
  const result = injectManifests(source, options);
  if ('problems' in result) {
    throw new Error(JSON.stringify(result.problems));
  }
  const refusals = result.outcomes.flatMap(({ injection }) => (injection.kind === 'refuse' ? injection.problems : []));

  test('yields its golden file', () => {
    if (refusals.length > 0) {
      compare(goldenPath(name, 'refused'), `${refusals.join('\n')}\n`);
      expect(result.text).toBe(source);
    } else {
      compare(goldenPath(name, 'injected'), result.text);
    }
  });

  test('yields the same pods by the patches of the webhook', () => {
    const before = valuesOf(source);
    const namespaces = namespacesIn(before);
    const pods = before.flatMap((document) => workloadsIn(document));
    const results = valuesOf(result.text).flatMap((document) => workloadsIn(document));
    expect(results.length).toBe(pods.length);
    for (const [index, { pod, namespace }] of pods.entries()) {
      const labels: Record<string, string> = options.namespaceInject ? { 'pannier.dev/inject': 'true' } : {};
      const facts = namespaces.get(namespace ?? '') ?? { labels, annotations: {} };
      const injection = injectPod({
        ...options,
        pod,
        namespaceLabels: facts.labels,
        namespaceAnnotations: facts.annotations,
      });
      const patched = injection.kind === 'inject' ? applyJsonPatch(pod, injection.patch) : pod;
      expect(isSame(patched, refusals.length > 0 ? patched : results[index]?.pod)).toBe(true);
    }
  });

  test('does not change when injected again, and is restored when uninjected', () => {
    expect(injectManifests(result.text, options)).toMatchObject({ text: result.text });
    const bare = uninjectManifests(result.text);
    expect(bare).toMatchObject(WITH_ALIASES.has(name) ? {} : { text: source });
    expect('text' in bare && valuesOf(bare.text)).toEqual(valuesOf(source));
  });
});
