/**
 * Injects the manifests in corpus/, which have the features of manifests that public projects publish, and removes the
 * sidecars again.
 *
 * kubectl 1.34 reads each file and its injected version as Pannier does, with two exceptions. kubectl refuses files with
 * a %YAML or %TAG directive, and reads the character U+0085 in quotes as a blank.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultSidecarConfig } from '../../src/injection/sidecar-config.ts';
import { injectManifests, uninjectManifests } from '../../src/manifests/edit-manifests.ts';
import { readValues } from '../../src/manifests/yaml-documents.ts';
import { repositoryRoot } from '../support/repository.ts';

interface Expectation {
  /** Number of pods and pod templates that get a sidecar. */
  readonly pods: number;
  /** Number of lines of the source that injection changes (default: 0). It changes lines in flow style and `[]`. */
  readonly changed?: number;
  /**
   * Whether `uninject` restores every byte (default: true). If not, it restores the values: an alias or a merge key that
   * injection has expanded stays expanded, and `~` becomes an empty value.
   */
  readonly isExact?: boolean;
}

const EXPECTATIONS: Readonly<Record<string, Expectation>> = {
  'anchor-labels-used-by-template.yaml': { pods: 1, changed: 1, isExact: false },
  'anchor-shared-environment.yaml': { pods: 1, changed: 2, isExact: false },
  'anchor-shared-labels.yaml': { pods: 1 },
  'argo-rollout.yaml': { pods: 1 },
  'blank-lines-between-items.yaml': { pods: 1 },
  'block-folded-strip.yaml': { pods: 1 },
  'block-literal-indicator.yaml': { pods: 1 },
  'block-literal-keep.yaml': { pods: 1 },
  'block-scalar-last.yaml': { pods: 1 },
  'bom-crlf.yaml': { pods: 1 },
  'bom.yaml': { pods: 1 },
  'comment-after-document-marker.yaml': { pods: 1 },
  'comment-indented-oddly.yaml': { pods: 1 },
  'comments-everywhere.yaml': { pods: 1 },
  'configmap-with-script.yaml': { pods: 1 },
  'configmap-with-yaml.yaml': { pods: 1 },
  'containers-last-and-name-last.yaml': { pods: 1 },
  'crd-beside-deployment.yaml': { pods: 1 },
  'crlf.yaml': { pods: 1 },
  'cronjob.yaml': { pods: 1 },
  'custom-resource.yaml': { pods: 1 },
  'daemonset-host-network.yaml': { pods: 1 },
  'documents-with-end-markers.yaml': { pods: 2 },
  'emoji.yaml': { pods: 1 },
  'empty-documents.yaml': { pods: 1 },
  'empty-lists.yaml': { pods: 1, changed: 4 },
  'env-from.yaml': { pods: 1 },
  'explicit-keys.yaml': { pods: 1 },
  'final-blank-lines.yaml': { pods: 1 },
  'floats-and-times.yaml': { pods: 1 },
  'flow-style-one-line.yaml': { pods: 1, changed: 1 },
  'flow-style-parts.yaml': { pods: 1, changed: 2 },
  'flow-style-several-lines.yaml': { pods: 1, changed: 3 },
  'from-a-cluster.yaml': { pods: 1 },
  'helm-empty-documents.yaml': { pods: 1 },
  'helm-output.yaml': { pods: 2 },
  'init-containers.yaml': { pods: 1 },
  'job.yaml': { pods: 1 },
  'json-compact.json': { pods: 1, changed: 1 },
  'json-documents-with-markers.yaml': { pods: 2, changed: 1 },
  'json-escapes.json': { pods: 1, changed: 2 },
  'json-list.json': { pods: 1, changed: 1 },
  'json-pretty.json': { pods: 1, changed: 2 },
  'json-stream-adjacent.json': { pods: 2, changed: 1 },
  'json-stream-lines.json': { pods: 2, changed: 2 },
  'json-stream-pretty.json': { pods: 1, changed: 2 },
  'json-tabs.json': { pods: 1, changed: 2 },
  'keys-that-are-no-strings.yaml': { pods: 1 },
  'keys-with-blanks-before-colon.yaml': { pods: 1 },
  'knative-service.yaml': { pods: 1 },
  'kustomize-output.yaml': { pods: 1 },
  'large-integers.yaml': { pods: 1 },
  'list-of-objects.yaml': { pods: 2 },
  'local-tags.yaml': { pods: 1 },
  'merge-key-list.yaml': { pods: 1 },
  'merge-key-of-container.yaml': { pods: 1 },
  'merge-key-of-pod-spec.yaml': { pods: 1, isExact: false },
  'mixed-line-ends.yaml': { pods: 1 },
  'multiline-plain-and-quoted.yaml': { pods: 1 },
  'namespace-and-opt-out.yaml': { pods: 1 },
  'native-sidecar-present.yaml': { pods: 1 },
  'no-final-newline-comment.yaml': { pods: 1 },
  'no-final-newline.yaml': { pods: 1 },
  'null-fields.yaml': { pods: 1 },
  'octal-modes.yaml': { pods: 1 },
  'odd-indentation.yaml': { pods: 1 },
  'only-other-kinds.yaml': { pods: 0 },
  'pod-template-and-replication-controller.yaml': { pods: 2, changed: 2 },
  'projected-volumes.yaml': { pods: 1 },
  'quoted-keys.yaml': { pods: 1 },
  'quoted-numbers.yaml': { pods: 1 },
  'secret-binary-tag.yaml': { pods: 1 },
  'security-context-and-probes.yaml': { pods: 1 },
  'separator-lines.yaml': { pods: 2 },
  'several-workloads-share-anchor.yaml': { pods: 2, changed: 3, isExact: false },
  'statefulset-claims.yaml': { pods: 1, changed: 1 },
  'tag-directive.yaml': { pods: 1 },
  'tilde-and-null-words.yaml': { pods: 1, changed: 3, isExact: false },
  'topology-spread.yaml': { pods: 1 },
  'trailing-blanks.yaml': { pods: 1 },
  'unicode-line-ends.yaml': { pods: 1 },
  'words-of-yaml-1-1.yaml': { pods: 1 },
  'yaml-directive.yaml': { pods: 1 },
  'zero-indent-lists.yaml': { pods: 1 },
};

const directory = join(repositoryRoot, 'test/injection/corpus');
const options = {
  config: defaultSidecarConfig('pannier:1'),
  kubelets: { oldestMinor: undefined },
  namespaceInject: true,
};

interface Injected {
  readonly text: string;
  readonly pods: number;
}

function inject(source: string): Injected {
  const result = injectManifests(source, options);
  if ('problems' in result) {
    throw new Error(JSON.stringify(result.problems));
  }
  const refusals = result.outcomes.flatMap(({ injection }) => (injection.kind === 'refuse' ? injection.problems : []));
  expect(refusals).toEqual([]);
  return { text: result.text, pods: result.outcomes.filter(({ injection }) => injection.kind === 'inject').length };
}

function uninject(source: string): string {
  const result = uninjectManifests(source);
  if ('problems' in result) {
    throw new Error(JSON.stringify(result.problems));
  }
  return result.text;
}

/** Counts the lines of the source that the result does not contain in the same order. */
function changedLines(source: string, result: string): number {
  const lines = result.split('\n');
  let from = 0;
  let changed = 0;
  for (const line of source.split('\n')) {
    const at = lines.indexOf(line, from);
    changed += at < 0 ? 1 : 0;
    from = at < 0 ? from : at + 1;
  }
  return changed;
}

function expectRestored(source: string, { isExact = true }: Expectation): void {
  const injected = inject(source);
  expect(inject(injected.text).text).toBe(injected.text);
  const bare = uninject(injected.text);
  if (isExact) {
    expect(bare).toBe(source);
  } else {
    expect(bare).not.toBe(source);
    expect(readValues(bare)).toEqual(readValues(source));
  }
}

const names = readdirSync(directory).sort();

test('there are at least 60 files, each with an expectation', () => {
  expect(names.length).toBeGreaterThanOrEqual(60);
  expect(Object.keys(EXPECTATIONS)).toEqual(names);
});

test.each(names)('%s is injected and restored', (name) => {
  const source = readFileSync(join(directory, name), 'utf8');
  const expectation = EXPECTATIONS[name] ?? { pods: 0 };
  const { text, pods } = inject(source);
  const { pods: expectedPods, changed = 0 } = expectation;
  expect({ pods, changed: changedLines(source, text) }).toEqual({ pods: expectedPods, changed });
  expectRestored(source, expectation);
  const windows = source.replace(/\r?\n/g, '\r\n');
  expectRestored(windows, expectation);
});

test('a file with a line of 220 kB is injected and restored', () => {
  const line = JSON.stringify('word '.repeat(44_000));
  const source = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata:\n  text: ${line}\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n    - name: web\n      args: [${line}]\n`;
  const { text, pods } = inject(source);
  expect({ pods, changed: changedLines(source, text) }).toEqual({ pods: 1, changed: 0 });
  expectRestored(source, { pods: 1 });
});
