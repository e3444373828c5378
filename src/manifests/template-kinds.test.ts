/**
 * Tests the kinds with pod templates: the table, its paths, and the option that extends it.
 */
import { readRepositoryFile } from '../../test/support/repository.ts';
import { defaultSidecarConfig } from '../injection/sidecar-config.ts';
import { injectManifests, uninjectManifests } from './edit-manifests.ts';
import {
  KNOWN_KINDS,
  kindTable,
  parseKind,
  pathText,
  placesOf,
  templateText,
  withKindsTable,
} from './template-kinds.ts';

const options = {
  config: defaultSidecarConfig('pannier:1'),
  kubelets: { oldestMinor: undefined },
  namespaceInject: false,
};

const POD = {
  metadata: { annotations: { 'pannier.dev/inject': 'true' } },
  spec: { containers: [{ name: 'app', image: 'web:1' }] },
};

/** Returns an object that contains the value at a path of the table; `[]` becomes a list of two items. */
function objectWith(steps: readonly string[], value: unknown): unknown {
  const [step, ...others] = steps;
  if (step === undefined || step === '') {
    return value;
  }
  const inner = objectWith(others, value);
  return step.endsWith('[]') ? { [step.slice(0, -2)]: [inner, inner] } : { [step === '*' ? 'Worker' : step]: inner };
}

const rows = [...KNOWN_KINDS.values()].flatMap((row) => row.templates.map((template) => ({ ...row, template })));

test.each(rows.map((row) => [`${row.group}/${row.kind} at ${row.template}`, row] as const))(
  'injects and restores %s',
  (_name, { group, kind, template }) => {
    const apiVersion = group === '' ? 'v1' : `${group}/v1`;
    const object = { apiVersion, kind, ...(objectWith(template.split('.'), POD) as object) };
    const source = JSON.stringify(object, null, 2);
    const injected = injectManifests(source, options);
    const count = template.includes('[]') ? 2 : 1;
    expect(injected).toMatchObject({ leftOut: [], outcomes: Array(count).fill({ injection: { kind: 'inject' } }) });
    const text = 'text' in injected ? injected.text : '';
    expect(text.split('"restartPolicy": "Always"')).toHaveLength(count + 1);
    expect(uninjectManifests(text)).toMatchObject({ text: source, leftOut: [] });
  },
);

test('keeps the comments in lists whose items have no names', () => {
  const group = (name: string): string => `
    - groupName: ${name}   # not a name of Kubernetes
      template:
        # why
        metadata: {annotations: {pannier.dev/inject: "true"}}
        spec:
          containers:
            - name: ray   # behind
              image: ray:1
`;
  const source = `apiVersion: ray.io/v1\nkind: RayCluster\nspec:\n  workerGroupSpecs:${group('a')}${group('b')}`;
  const injected = injectManifests(source, options);
  const text = 'text' in injected ? injected.text : '';
  expect(text.split('# why')).toHaveLength(3);
  expect(text.split('restartPolicy: Always')).toHaveLength(3);
  expect(uninjectManifests(text)).toMatchObject({ text: source });
});

test('has the kinds of users who reported missing sidecars', () => {
  expect([...KNOWN_KINDS.keys()]).toEqual(
    expect.arrayContaining([
      '/Pod',
      'apps/Deployment',
      'batch/CronJob',
      'argoproj.io/Rollout',
      'serving.knative.dev/Service',
      'apps.openshift.io/DeploymentConfig',
      'sparkoperator.k8s.io/SparkApplication',
    ]),
  );
});

test.each([
  ['spec.template', ['spec.template']],
  ['spec.tasks[].template', ['spec.tasks[0].template', 'spec.tasks[1].template']],
  ['spec.replicas.*.template', ['spec.replicas.a.template', 'spec.replicas.b.template']],
  ['', ['']],
  ['spec.text', []],
  ['spec.tasks.template', []],
  ['spec.replicas[].template', []],
  ['spec.constructor', []],
])('the path %j leads to %j', (template, places) => {
  const object = {
    spec: {
      template: {},
      text: 'x',
      tasks: [{ template: {} }, { template: {} }, { template: null }],
      replicas: { a: { template: {} }, b: { template: {} }, c: 1 },
    },
  };
  const found = placesOf(object, template);
  expect(found.map(pathText)).toEqual(places);
  expect(found.map(templateText)).toEqual(places.map((place) => place.replace(/\d/, '')));
});

test.each([
  'example.com/Worker=spec.podTemplate',
  'apps/Thing=template',
  'a-b.example.com/Worker=spec.groups[].pods.*.template',
])('accepts --kind %s', (text) => {
  const [name = '', template = ''] = text.split('=');
  expect(kindTable([parseKind(text) ?? { group: '', kind: '', templates: [] }]).get(name)?.templates).toEqual([
    template,
  ]);
});

test.each([
  '',
  'Worker=spec.template',
  'example.com/v1/Worker=spec.template',
  'example.com/Worker',
  'example.com/Worker=',
  'example.com/Worker=.spec.template',
  'example.com/Worker=spec..template',
  'example.com/Worker=spec.tasks[0].template',
  'example.com/Worker=/spec/template',
  'example.com/worker=spec.template',
])('refuses --kind %j', (text) => {
  expect(parseKind(text)).toBeUndefined();
});

test('adds a path to the paths of a known kind', () => {
  const more = { group: 'argoproj.io', kind: 'Rollout', templates: ['spec.other', 'spec.template'] };
  expect(kindTable([more]).get('argoproj.io/Rollout')?.templates).toEqual(['spec.template', 'spec.other']);
});

test('docs/reference/annotations.md contains the current list of kinds (make docs)', () => {
  const page = readRepositoryFile('docs/reference/annotations.md');
  expect(page).toBe(withKindsTable(page));
  expect(() => withKindsTable('no markers')).toThrow('the page has no');
});
