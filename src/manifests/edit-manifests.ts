/**
 * Injects or uninjects the pods in one or several files, which may contain any number of documents of any kind.
 *
 * Invariants:
 *   1. Every document that needs no change is the same in the returned text, byte for byte.
 *   2. If injection refuses any pod of a file, the returned text of the file equals its source.
 *   3. The result names each part that should have been edited but was not (see unclaimed.ts).
 *   4. A Namespace in one file applies to the pods of all files.
 */
import { INJECT } from '../injection/annotations.ts';
import { type Injection, injectPod } from '../injection/inject-pod.ts';
import type { Kubelets } from '../injection/kubelets.ts';
import type { Pod } from '../injection/pod.ts';
import type { SidecarConfig } from '../injection/sidecar-config.ts';
import { uninjectPod } from '../injection/uninject-pod.ts';
import { isSame } from '../lib/json.ts';
import type { ManifestProblem } from './manifest-problem.ts';
import { shapeProblems } from './pod-shape.ts';
import { type Position, Positions } from './positions.ts';
import { type KindTable, KNOWN_KINDS, kindOf, type Path } from './template-kinds.ts';
import { type LeftOut, leftOutByInject, leftOutByUninject, type Search } from './unclaimed.ts';
import {
  type Identity,
  type NamespaceFacts,
  namespacesIn,
  objectsIn,
  type Workload,
  withPod,
  workloadsOf,
} from './workloads.ts';
import { readValues } from './yaml-documents.ts';
import { editManifestText } from './yaml-editor.ts';

export interface InjectManifestOptions {
  readonly config: SidecarConfig;
  readonly kubelets: Kubelets;
  /** Whether namespaces that are not in the files request injection. */
  readonly namespaceInject: boolean;
  /** Kinds with pod templates; the built-in kinds by default. */
  readonly kinds?: KindTable;
  readonly version?: string;
}

export interface WorkloadOutcome {
  readonly workload: Workload;
  readonly injection: Injection;
  /** Returns the position of the pod, or of its annotation that a text names. */
  positionOf(text: string): Position | undefined;
}

/** Text about an object in a file. */
export interface Remark {
  readonly object: Identity;
  readonly message: string;
  readonly position: Position | undefined;
}

export interface EditedManifests {
  readonly text: string;
  readonly outcomes: readonly WorkloadOutcome[];
  /** Parts that should have been edited but are in no known pod template. */
  readonly leftOut: readonly Remark[];
  /** Parts that have no effect, in objects that have been edited. */
  readonly notes: readonly Remark[];
}

export type ManifestResult = EditedManifests | { readonly problems: readonly ManifestProblem[] };

export function injectManifests(source: string, options: InjectManifestOptions): ManifestResult {
  return onlyOne(injectFiles([source], options));
}

/** Returns the result of each file, in the given order. */
export function injectFiles(sources: readonly string[], options: InjectManifestOptions): ManifestResult[] {
  const kinds = options.kinds ?? KNOWN_KINDS;
  return editFiles(sources, kinds, (documents) => {
    const fallback = { labels: options.namespaceInject ? { [INJECT]: 'true' } : {}, annotations: {} };
    const namespaces = namespacesIn(documents);
    const factsOf = ({ namespace }: Identity): NamespaceFacts => namespaces.get(namespace ?? '') ?? fallback;
    return {
      edit: (workload) => {
        const { labels, annotations } = factsOf(workload);
        return injectPod({ ...options, pod: workload.pod, namespaceLabels: labels, namespaceAnnotations: annotations });
      },
      inspect: (search) => {
        const { labels, annotations } = factsOf(search.object);
        const { leftOut, notes } = leftOutByInject(search, labels[INJECT] ?? annotations[INJECT]);
        return { leftOut, notes: [...notes, ...kindNotes(search)] };
      },
    };
  });
}

export function uninjectManifests(source: string, kinds: KindTable = KNOWN_KINDS): ManifestResult {
  return onlyOne(uninjectFiles([source], kinds));
}

/** Returns the result of each file, in the given order. */
export function uninjectFiles(sources: readonly string[], kinds: KindTable = KNOWN_KINDS): ManifestResult[] {
  return editFiles(sources, kinds, () => ({
    edit: ({ pod }) => {
      const bare = uninjectPod(pod);
      return bare === pod
        ? { kind: 'skip', reason: 'it has no sidecar' }
        : { kind: 'inject', pod: bare, patch: [], notes: [] };
    },
    inspect: (search) => ({ leftOut: leftOutByUninject(search), notes: [] }),
  }));
}

function onlyOne([result]: readonly ManifestResult[]): ManifestResult {
  return result ?? { problems: [] };
}

function kindNotes({ object, kinds, claims }: Search): LeftOut[] {
  const note = kindOf(kinds, object.value)?.note;
  return note !== undefined && claims.some(({ kind }) => kind === 'inject')
    ? [{ object, path: object.path, message: `note: ${note}` }]
    : [];
}

interface Editor {
  edit(workload: Workload): Injection;
  /** Finds the parts of an object that were not edited. */
  inspect(search: Search): { readonly leftOut: readonly LeftOut[]; readonly notes: readonly LeftOut[] };
}

const BYTE_ORDER_MARK = '\uFEFF';

/** Edits the files if none of them has a problem. `editorOf` receives the documents of all files. */
function editFiles(
  sources: readonly string[],
  kinds: KindTable,
  editorOf: (documents: readonly unknown[]) => Editor,
): ManifestResult[] {
  const texts = sources.map((source) => (source.startsWith(BYTE_ORDER_MARK) ? source.slice(1) : source));
  const read = texts.map(readValues);
  const editor = editorOf(read.flatMap((file) => ('values' in file ? file.values : [])));
  return read.map((file, index) => {
    if ('problems' in file) {
      return { problems: file.problems };
    }
    const text = texts[index] ?? '';
    const result = editFile({ text, values: file.values, kinds }, editor);
    return 'text' in result && text !== sources[index] ? { ...result, text: BYTE_ORDER_MARK + result.text } : result;
  });
}

interface ManifestFile {
  /** Text without a byte order mark. */
  readonly text: string;
  readonly values: readonly unknown[];
  readonly kinds: KindTable;
}

function editFile({ text, values, kinds }: ManifestFile, editor: Editor): ManifestResult {
  const positions = new Positions(text);
  const changes = new Map<number, unknown>();
  const outcomes: WorkloadOutcome[] = [];
  const leftOut: Remark[] = [];
  const notes: Remark[] = [];
  for (const [index, value] of values.entries()) {
    let changed = value;
    const asRemark = ({ object, path, message }: LeftOut): Remark => ({
      object,
      message,
      position: positions.find(index, path),
    });
    for (const object of objectsIn(value)) {
      const done = workloadsOf(object, kinds).map((workload) => ({
        workload,
        injection: editChecked(workload, () => editor.edit(workload)),
        positionOf: (about: string) => positions.find(index, pathOf(workload, about)),
      }));
      outcomes.push(...done);
      for (const { workload, injection } of done) {
        changed = injection.kind === 'inject' ? withPod(changed, workload.path, injection.pod satisfies Pod) : changed;
      }
      const claims = done.map(({ workload, injection }) => ({ workload, kind: injection.kind }));
      const found = editor.inspect({ object, kinds, claims });
      leftOut.push(...found.leftOut.map(asRemark));
      notes.push(...found.notes.map(asRemark));
    }
    if (!isSame(changed, value)) {
      changes.set(index, changed);
    }
  }
  if (outcomes.some(({ injection }) => injection.kind === 'refuse')) {
    return { text, outcomes, leftOut, notes };
  }
  // The editor also edits JSON, because JSON is YAML in flow style.
  const edited = editManifestText(text, changes);
  return 'problem' in edited ? { problems: [edited.problem] } : { text: edited.text, outcomes, leftOut, notes };
}

/** Returns the path of the annotation that a text names, the path with which the text begins, or the path of the pod. */
function pathOf({ path, pod }: Workload, text: string): Path {
  const annotations: unknown = pod.metadata?.annotations;
  const key = /\bpannier\.dev\/[\w-]+/.exec(text)?.[0];
  const isPresent = key !== undefined && typeof annotations === 'object' && annotations !== null && key in annotations;
  return isPresent ? [...path, 'metadata', 'annotations', key] : [...path, ...fieldOf(text)];
}

/** Matches `spec.containers[0].name must be ...` and `metadata.labels KEY must be ...`. */
const ABOUT_FIELD = /^((?:metadata|spec)\b[\w.[\]]*)(?: (\S+) must )?/;

/** Returns the path of the field with which an error begins. */
function fieldOf(text: string): Path {
  const [, field = '', key] = ABOUT_FIELD.exec(text) ?? [];
  const steps = field.split(/[.[\]]+/).filter((step) => step !== '');
  return [...steps.map((step) => (/^\d+$/.test(step) ? Number(step) : step)), ...(key === undefined ? [] : [key])];
}

function editChecked(workload: Workload, edit: () => Injection): Injection {
  const [first, ...others] = shapeProblems(workload.pod);
  return first === undefined ? edit() : { kind: 'refuse', problems: [first, ...others] };
}
