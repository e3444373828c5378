/**
 * Injects or uninjects the pods in a file, which may contain any number of documents of any kind.
 *
 * Invariants:
 *   1. Every document that needs no change is the same in the returned text, byte for byte.
 *   2. If injection refuses any pod, the returned text equals the source.
 */
import { INJECT } from '../injection/annotations.ts';
import { type Injection, injectPod } from '../injection/inject-pod.ts';
import type { Kubelets } from '../injection/kubelets.ts';
import type { Pod } from '../injection/pod.ts';
import type { SidecarConfig } from '../injection/sidecar-config.ts';
import { uninjectPod } from '../injection/uninject-pod.ts';
import { isSame } from '../lib/json.ts';
import { shapeProblems } from './pod-shape.ts';
import { namespacesIn, type Workload, withPod, workloadsIn } from './workloads.ts';
import { readValues } from './yaml-documents.ts';
import { editYaml } from './yaml-editor.ts';

export interface InjectManifestOptions {
  readonly config: SidecarConfig;
  readonly kubelets: Kubelets;
  /** Whether namespaces that are not in the file request injection. */
  readonly namespaceInject: boolean;
  readonly version?: string;
}

export interface WorkloadOutcome {
  readonly workload: Workload;
  readonly injection: Injection;
}

export interface EditedManifests {
  readonly text: string;
  readonly outcomes: readonly WorkloadOutcome[];
}

export type ManifestResult = EditedManifests | { readonly problems: readonly string[] };

export function injectManifests(source: string, options: InjectManifestOptions): ManifestResult {
  return editManifests(source, (workload, documents) => {
    const fallback = { labels: options.namespaceInject ? { [INJECT]: 'true' } : {}, annotations: {} };
    const namespace = namespacesIn(documents).get(workload.namespace ?? '') ?? fallback;
    return injectPod({
      ...options,
      pod: workload.pod,
      namespaceLabels: namespace.labels,
      namespaceAnnotations: namespace.annotations,
    });
  });
}

export function uninjectManifests(source: string): ManifestResult {
  return editManifests(source, ({ pod }) => {
    const bare = uninjectPod(pod);
    return bare === pod
      ? { kind: 'skip', reason: 'it has no sidecar' }
      : { kind: 'inject', pod: bare, patch: [], notes: [] };
  });
}

type Edit = (workload: Workload, documents: readonly unknown[]) => Injection;

const BYTE_ORDER_MARK = '\uFEFF';

function editManifests(source: string, edit: Edit): ManifestResult {
  if (source.startsWith(BYTE_ORDER_MARK)) {
    const result = editManifests(source.slice(1), edit);
    return 'text' in result ? { ...result, text: BYTE_ORDER_MARK + result.text } : result;
  }
  const read = readValues(source);
  if ('problems' in read) {
    return read;
  }
  const { values } = read;
  const changes = new Map<number, unknown>();
  const outcomes: WorkloadOutcome[] = [];
  for (const [index, value] of values.entries()) {
    let changed = value;
    for (const workload of workloadsIn(value)) {
      const injection = editChecked(workload, () => edit(workload, values));
      outcomes.push({ workload, injection });
      if (injection.kind === 'inject') {
        changed = withPod(changed, workload.path, injection.pod satisfies Pod);
      }
    }
    if (!isSame(changed, value)) {
      changes.set(index, changed);
    }
  }
  if (outcomes.some(({ injection }) => injection.kind === 'refuse')) {
    return { text: source, outcomes };
  }
  // The YAML editor also edits JSON, because JSON is YAML in flow style.
  const edited = editYaml(source, changes);
  return 'problem' in edited ? { problems: [edited.problem] } : { text: edited.text, outcomes };
}

function editChecked(workload: Workload, edit: () => Injection): Injection {
  const [first, ...others] = shapeProblems(workload.pod);
  return first === undefined ? edit() : { kind: 'refuse', problems: [first, ...others] };
}
