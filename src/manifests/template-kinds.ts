/**
 * Lists the kinds of objects that contain pod templates, and where each kind contains them.
 *
 * The key of a kind is its API group and its name, without the version. The option `--kind` extends the table. The list
 * of kinds in docs/reference/annotations.md is generated from the table.
 *
 * Invariants:
 *   1. Each path leads to a mapping with the fields `metadata` and `spec` of a pod.
 *   2. The operator of each kind copies the annotations of the template to the pods.
 */
import { isObject, type JsonObject, own } from '../lib/json.ts';

export interface TemplateKind {
  /** API group; empty for the core group. */
  readonly group: string;
  readonly kind: string;
  /**
   * Paths of the pod templates from the root of the object, such as `spec.template`. The step `[]` selects each item of
   * a list, and `*` selects each value of a mapping. An empty path is the object itself.
   */
  readonly templates: readonly string[];
  /** Sentence for the user after an injection into this kind. */
  readonly note?: string;
}

export type KindTable = ReadonlyMap<string, TemplateKind>;

const KNATIVE =
  'Knative Serving accepts init containers only if its feature flag kubernetes.podspec-init-containers is enabled, and may refuse ' +
  'other fields of the sidecar; if the cluster has an injector, the annotation alone is enough';

const RAY_CLUSTER = ['headGroupSpec.template', 'workerGroupSpecs[].template'];

const TEMPLATE_KINDS: readonly TemplateKind[] = [
  { group: '', kind: 'Pod', templates: [''] },
  { group: '', kind: 'PodTemplate', templates: ['template'] },
  { group: '', kind: 'ReplicationController', templates: ['spec.template'] },
  ...sameTemplates('apps', ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet'], ['spec.template']),
  ...sameTemplates('extensions', ['Deployment', 'DaemonSet', 'ReplicaSet'], ['spec.template']),
  { group: 'batch', kind: 'Job', templates: ['spec.template'] },
  { group: 'batch', kind: 'CronJob', templates: ['spec.jobTemplate.spec.template'] },
  { group: 'argoproj.io', kind: 'Rollout', templates: ['spec.template'] },
  { group: 'apps.openshift.io', kind: 'DeploymentConfig', templates: ['spec.template'] },
  { group: 'serving.knative.dev', kind: 'Service', templates: ['spec.template'], note: KNATIVE },
  { group: 'serving.knative.dev', kind: 'Configuration', templates: ['spec.template'], note: KNATIVE },
  ...sameTemplates('apps.kruise.io', ['CloneSet', 'StatefulSet', 'DaemonSet', 'BroadcastJob'], ['spec.template']),
  { group: 'keda.sh', kind: 'ScaledJob', templates: ['spec.jobTargetRef.template'] },
  { group: 'jobset.x-k8s.io', kind: 'JobSet', templates: ['spec.replicatedJobs[].template.spec.template'] },
  {
    group: 'leaderworkerset.x-k8s.io',
    kind: 'LeaderWorkerSet',
    templates: ['spec.leaderWorkerTemplate.leaderTemplate', 'spec.leaderWorkerTemplate.workerTemplate'],
  },
  { group: 'batch.volcano.sh', kind: 'Job', templates: ['spec.tasks[].template'] },
  {
    group: 'sparkoperator.k8s.io',
    kind: 'SparkApplication',
    templates: ['spec.driver.template', 'spec.executor.template'],
  },
  {
    group: 'sparkoperator.k8s.io',
    kind: 'ScheduledSparkApplication',
    templates: ['spec.template.driver.template', 'spec.template.executor.template'],
  },
  { group: 'ray.io', kind: 'RayCluster', templates: RAY_CLUSTER.map((path) => `spec.${path}`) },
  { group: 'ray.io', kind: 'RayJob', templates: RAY_CLUSTER.map((path) => `spec.rayClusterSpec.${path}`) },
  { group: 'ray.io', kind: 'RayService', templates: RAY_CLUSTER.map((path) => `spec.rayClusterConfig.${path}`) },
  { group: 'kubeflow.org', kind: 'PyTorchJob', templates: ['spec.pytorchReplicaSpecs.*.template'] },
  { group: 'kubeflow.org', kind: 'TFJob', templates: ['spec.tfReplicaSpecs.*.template'] },
  { group: 'kubeflow.org', kind: 'MPIJob', templates: ['spec.mpiReplicaSpecs.*.template'] },
  { group: 'kubeflow.org', kind: 'XGBoostJob', templates: ['spec.xgbReplicaSpecs.*.template'] },
  { group: 'kubeflow.org', kind: 'PaddleJob', templates: ['spec.paddleReplicaSpecs.*.template'] },
  { group: 'kubeflow.org', kind: 'JAXJob', templates: ['spec.jaxReplicaSpecs.*.template'] },
];

function sameTemplates(group: string, kinds: readonly string[], templates: readonly string[]): TemplateKind[] {
  return kinds.map((kind) => ({ group, kind, templates }));
}

/** Returns the table with further kinds. The paths of a kind that occurs several times are added up. */
export function kindTable(further: readonly TemplateKind[] = []): KindTable {
  const table = new Map<string, TemplateKind>();
  for (const row of [...TEMPLATE_KINDS, ...further]) {
    const key = `${row.group}/${row.kind}`;
    const known = table.get(key);
    const templates = [...new Set([...(known?.templates ?? []), ...row.templates])];
    table.set(key, { ...known, ...row, templates });
  }
  return table;
}

export const KNOWN_KINDS = kindTable();

export function groupOf(object: JsonObject): string {
  const apiVersion = typeof object.apiVersion === 'string' ? object.apiVersion : '';
  return apiVersion.slice(0, Math.max(0, apiVersion.indexOf('/')));
}

/** Returns the row of an object, or undefined if the kind is not in the table or the object has no API version. */
export function kindOf(table: KindTable, object: JsonObject): TemplateKind | undefined {
  const hasVersion = typeof object.apiVersion === 'string' && object.apiVersion !== '';
  return hasVersion ? table.get(`${groupOf(object)}/${String(object.kind)}`) : undefined;
}

export type Path = readonly (string | number)[];

/** Returns the paths of the mappings in an object to which a path of the table leads. */
export function placesOf(object: JsonObject, template: string): Path[] {
  let places: { readonly path: Path; readonly value: unknown }[] = [{ path: [], value: object }];
  for (const step of template.replaceAll('[]', '.[]').split('.')) {
    places = step === '' ? places : places.flatMap(({ path, value }) => next(path, value, step));
  }
  return places.filter(({ value }) => isObject(value)).map(({ path }) => path);
}

function next(path: Path, value: unknown, step: string): { readonly path: Path; readonly value: unknown }[] {
  if (step === '[]') {
    return Array.isArray(value) ? value.map((item: unknown, index) => ({ path: [...path, index], value: item })) : [];
  }
  if (!isObject(value)) {
    return [];
  }
  const keys = step === '*' ? Object.keys(value) : [step];
  return keys.map((key) => ({ path: [...path, key], value: own(value, key) }));
}

/** Formats a path as `spec.tasks[0].template`. */
export function pathText(path: Path): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`))
    .join('')
    .replace(/^\./, '');
}

/** Formats a path as in the table, where `[]` replaces the indexes of lists. */
export function templateText(path: Path): string {
  return pathText(path).replace(/\[\d+\]/g, '[]');
}

const KIND_OPTION =
  /^([a-z0-9]+(?:[.-][a-z0-9]+)*)\/([A-Z][A-Za-z0-9]*)=((?:[\w-]+(?:\[\])*|\*)(?:\.(?:[\w-]+(?:\[\])*|\*))*)$/;

/** Parses a value of the option `--kind`. Returns undefined if the value is invalid. */
export function parseKind(text: string): TemplateKind | undefined {
  const [, group, kind, template] = KIND_OPTION.exec(text) ?? [];
  return group === undefined || kind === undefined || template === undefined
    ? undefined
    : { group, kind, templates: [template] };
}

const BEGIN = '<!-- kinds: generated by `make docs` from src/manifests/template-kinds.ts -->';
const END = '<!-- kinds: end -->';

/** Returns the page with the current list of kinds between its markers. Throws if the page has no markers. */
export function withKindsTable(page: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) {
    throw new Error(`cannot write the table of kinds: the page has no "${BEGIN}" before "${END}"; add both lines`);
  }
  const rows = [...KNOWN_KINDS.values()].map(({ group, kind, templates }) => {
    const paths = templates.map((path) => (path === '' ? 'the object itself' : `\`${path}\``)).join(', ');
    return `| ${group === '' ? 'core' : `\`${group}\``} | ${kind} | ${paths} |`;
  });
  const table = ['| API group | kind | pod templates |', '|---|---|---|', ...rows].join('\n');
  return `${page.slice(0, begin)}${BEGIN}\n${table}\n${page.slice(end)}`;
}
