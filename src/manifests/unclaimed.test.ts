/**
 * Tests that no object with an annotation of Pannier is left out silently, whatever its kind.
 */
import fc from 'fast-check';
import { stringify } from 'yaml';
import { defaultSidecarConfig } from '../injection/sidecar-config.ts';
import type { JsonObject } from '../lib/json.ts';
import { type EditedManifests, injectManifests, type Remark, uninjectManifests } from './edit-manifests.ts';
import { kindTable } from './template-kinds.ts';
import { leftOutByInject } from './unclaimed.ts';
import { workloadText } from './workloads.ts';

const options = {
  config: defaultSidecarConfig('pannier:1'),
  kubelets: { oldestMinor: undefined },
  namespaceInject: false,
};
const INJECT = { 'pannier.dev/inject': 'true' };
const SPEC = { containers: [{ name: 'app', image: 'web:1' }] };
const TEMPLATE = { metadata: { annotations: INJECT }, spec: SPEC };

function inject(value: unknown, further: { namespaceInject?: boolean } = {}): EditedManifests {
  const result = injectManifests(typeof value === 'string' ? value : stringify(value), { ...options, ...further });
  if ('problems' in result) {
    throw new Error(JSON.stringify(result.problems));
  }
  return result;
}

function lines(remarks: readonly Remark[]): string[] {
  return remarks.map(({ object, position, message }) => `${position?.line}: ${workloadText(object)}: ${message}`);
}

const WITHOUT =
  'apply this object without this command, and let the injector in the cluster add the sidecar to its pods';

function custom(kind: string, spec: unknown, annotations: object = {}): object {
  return { apiVersion: 'example.com/v1', kind, metadata: { name: 'x', annotations }, spec };
}

test.each([
  [
    'on a workload instead of its pod template',
    { ...custom('Deployment', { template: { spec: SPEC } }, INJECT), apiVersion: 'apps/v1' },
    '6: deployment/x: cannot inject: annotation pannier.dev/inject at metadata.annotations has no effect there; ' +
      'move it to spec.template.metadata.annotations',
  ],
  [
    'on the job template of a CronJob',
    {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'x' },
      spec: { jobTemplate: { metadata: { annotations: INJECT }, spec: { template: { spec: SPEC } } } },
    },
    '9: cronjob/x: cannot inject: annotation pannier.dev/inject at spec.jobTemplate.metadata.annotations has no effect there; ' +
      'move it to spec.jobTemplate.spec.template.metadata.annotations',
  ],
  [
    'in the pod template of an unknown kind',
    custom('Worker', { pods: [{ template: TEMPLATE }] }),
    '11: worker/x: cannot inject: annotation pannier.dev/inject at spec.pods[0].template.metadata.annotations has no effect there; ' +
      'use --kind example.com/Worker=spec.pods[].template',
  ],
  [
    'on an unknown kind with a pod template',
    custom('Worker', { template: { spec: SPEC } }, INJECT),
    '6: worker/x: cannot inject: annotation pannier.dev/inject at metadata.annotations has no effect there; ' +
      'move it to spec.template.metadata.annotations and use --kind example.com/Worker=spec.template',
  ],
  [
    'on a kind without pods',
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x', namespace: 'shop', annotations: INJECT } },
    '7: shop/service/x: cannot inject: annotation pannier.dev/inject at metadata.annotations has no effect there; ' +
      'annotate the pod template of the workload instead',
  ],
  [
    'in another mapping of annotations',
    custom('Worker', { driver: { podAnnotations: { ...INJECT, 'pannier.dev/log-level': 'debug' } } }),
    '9: worker/x: cannot inject: annotations pannier.dev/inject, pannier.dev/log-level at spec.driver.podAnnotations have no effect there; ' +
      `annotate a pod template and use --kind, or ${WITHOUT}`,
  ],
  [
    'on a Rollout that refers to a Deployment',
    {
      apiVersion: 'argoproj.io/v1alpha1',
      kind: 'Rollout',
      metadata: { name: 'x', annotations: INJECT },
      spec: { workloadRef: { name: 'web' } },
    },
    '6: rollout/x: cannot inject: annotation pannier.dev/inject at metadata.annotations has no effect there; ' +
      'this object has no pod template at spec.template; annotate the object that has it',
  ],
  [
    'on a workload with the API version of another kind',
    { apiVersion: 'v1', kind: 'Job', metadata: { name: 'x' }, spec: { template: TEMPLATE } },
    '9: job/x: cannot inject: annotation pannier.dev/inject at spec.template.metadata.annotations has no effect there; ' +
      'correct the apiVersion, such as batch/v1',
  ],
  [
    'on a pod without an API version',
    { kind: 'Pod', metadata: { name: 'x', annotations: INJECT }, spec: SPEC },
    '5: pod/x: cannot inject: annotation pannier.dev/inject at metadata.annotations has no effect there; ' +
      'correct the apiVersion, such as v1',
  ],
  [
    'without a request',
    { ...custom('Pod', SPEC, { 'pannier.dev/log-level': 'debug' }), apiVersion: 'v1' },
    '6: pod/x: cannot inject: annotation pannier.dev/log-level has no effect without pannier.dev/inject; ' +
      'set pannier.dev/inject to "true", or use --namespace-inject if the namespace requests injection',
  ],
])('reports an annotation %s', (_name, value, line) => {
  expect(lines(inject(value).leftOut)).toEqual([line]);
  const list = inject({ apiVersion: 'v1', kind: 'List', items: [value] });
  expect(list.leftOut.map(({ message }) => message)).toEqual([line.replace(/^\d+: \S+: /, '')]);
  const array = inject(JSON.stringify([value]));
  expect(array.leftOut.map(({ message }) => message)).toEqual([line.replace(/^\d+: \S+: /, '')]);
});

test.each([
  [
    'an annotation of a Namespace',
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x', annotations: INJECT } },
  ],
  [
    'a pod that opts out',
    custom('Worker', {
      template: { metadata: { annotations: { 'pannier.dev/inject': 'false', 'pannier.dev/env': '' } } },
    }),
  ],
  ['annotations of other programs', custom('Worker', {}, { 'example.com/inject': 'true' })],
  ['annotations in a text', { apiVersion: 'v1', kind: 'ConfigMap', data: { x: stringify(TEMPLATE) } }],
  [
    'a Rollout without a pod template',
    { apiVersion: 'argoproj.io/v1alpha1', kind: 'Rollout', spec: { workloadRef: {} } },
  ],
  ['an annotation for objects without pods', custom('ClusterRole', {}, { 'pannier.dev/injector-config': 'a/b' })],
  ['an empty file', ''],
])('does not report %s', (_name, value) => {
  expect(inject(value)).toMatchObject({ leftOut: [], notes: [] });
});

test('does not report the annotations of a pod whose namespace opts out', () => {
  const namespace = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'shop', labels: { 'pannier.dev/inject': 'false' } },
  };
  const annotations = { 'pannier.dev/log-level': 'debug' };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x', namespace: 'shop', annotations }, spec: SPEC };
  expect(inject([namespace, pod].map((document) => stringify(document)).join('---\n')).leftOut).toEqual([]);
});

test('does not report annotations of a pod that already has a sidecar', () => {
  const { text } = inject({ apiVersion: 'v1', kind: 'Pod', ...TEMPLATE });
  const pod = text.replace('apiVersion: v1', 'apiVersion: example.com/v1').replace('kind: Pod', 'kind: Worker');
  expect(inject(pod).leftOut).toEqual([]);
});

test('notes an annotation without effect in a workload that gets a sidecar', () => {
  const value = {
    ...custom('Deployment', { template: TEMPLATE }, { 'pannier.dev/log-level': 'debug' }),
    apiVersion: 'apps/v1',
  };
  const result = inject(value);
  expect(result.leftOut).toEqual([]);
  expect(lines(result.notes)).toEqual([
    '6: deployment/x: note: annotation pannier.dev/log-level at metadata.annotations has no effect there; ' +
      'move it to spec.template.metadata.annotations',
  ]);
});

test('reports a second pod template that is not in the table', () => {
  const value = { ...custom('Rollout', { template: TEMPLATE, other: TEMPLATE }), apiVersion: 'argoproj.io/v1alpha1' };
  expect(inject(value).leftOut.map(({ message }) => message)).toEqual([
    expect.stringContaining('use --kind argoproj.io/Rollout=spec.other'),
  ]);
});

describe('if the namespace requests injection', () => {
  const optOut = 'or set pannier.dev/inject to "false" in metadata.annotations if its pods need no sidecar';

  test.each([
    [
      'Worker',
      { template: { spec: SPEC } },
      'spec.template.spec.containers',
      'use --kind example.com/Worker=spec.template',
    ],
    ['Prometheus', SPEC, 'spec.containers', WITHOUT],
    ['Workflow', { templates: [{ container: { image: 'a:1' } }] }, 'spec.templates[0].container', WITHOUT],
  ])('reports the pods of the unknown kind %s', (kind, spec, path, advice) => {
    const message = `cannot inject: its namespace requests injection, but ${path} is not in a known pod template; ${advice}, ${optOut}`;
    const value = custom(kind, spec);
    expect(inject(value).leftOut).toEqual([]);
    expect(inject(value, { namespaceInject: true }).leftOut).toMatchObject([{ message }]);
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: INJECT } };
    const metadata = { name: 'x', namespace: 'shop' };
    const both = [namespace, { ...value, metadata }].map((document) => stringify(document)).join('---\n');
    expect(inject(both).leftOut).toMatchObject([{ message }]);
    expect(inject(custom(kind, spec, { 'pannier.dev/inject': 'false' }), { namespaceInject: true }).leftOut).toEqual(
      [],
    );
  });

  test('reports a pod with an annotation once', () => {
    expect(inject(custom('Worker', { template: TEMPLATE }), { namespaceInject: true }).leftOut).toHaveLength(1);
  });

  test('accepts annotations without pannier.dev/inject', () => {
    const value = { ...custom('Pod', SPEC, { 'pannier.dev/log-level': 'debug' }), apiVersion: 'v1' };
    expect(inject(value, { namespaceInject: true })).toMatchObject({
      leftOut: [],
      outcomes: [{ injection: { kind: 'inject' } }],
    });
  });
});

test('uninject reports a pod with a sidecar of an unknown kind, and --kind restores it', () => {
  const source = stringify(custom('Worker', { template: TEMPLATE }));
  const kinds = kindTable([{ group: 'example.com', kind: 'Worker', templates: ['spec.template'] }]);
  const injected = injectManifests(source, { ...options, kinds });
  const text = 'text' in injected ? injected.text : '';
  expect(text).toContain('pannier.dev/injected');
  expect(uninjectManifests(text)).toMatchObject({
    text,
    leftOut: [
      {
        message:
          'cannot uninject: pannier.dev/injected at spec.template.metadata.annotations is not in a known pod template; ' +
          'use --kind example.com/Worker=spec.template',
      },
    ],
  });
  expect(uninjectManifests(text, kinds)).toMatchObject({ text: source, leftOut: [] });
});

test('names the place of an annotation behind an alias', () => {
  const source = 'a: &a {pannier.dev/inject: "true"}\nkind: Service\nmetadata:\n  annotations: *a\n';
  expect(inject(source).leftOut).toMatchObject([{ position: { line: 1, column: 8 } }]);
});

test('gives the position of the annotation that a refusal names', () => {
  const source = stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { annotations: { ...INJECT, 'pannier.dev/log-level': 'loud' }, labels: { tier: 'x', app: 'x' } },
    spec: SPEC,
  });
  const [outcome] = inject(source).outcomes;
  expect(outcome?.positionOf('annotation pannier.dev/log-level must be')).toEqual({ line: 6, column: 5 });
  expect(outcome?.positionOf('container pannier')).toEqual({ line: 1, column: 1 });
  expect(outcome?.positionOf('spec.containers[0].name must be')).toEqual({ line: 12, column: 7 });
  expect(outcome?.positionOf('spec.containers[0].ports must be')).toEqual({ line: 12, column: 7 });
  expect(outcome?.positionOf('metadata.annotations x must be')).toEqual({ line: 4, column: 3 });
  expect(outcome?.positionOf('metadata.labels app must be a string')).toEqual({ line: 9, column: 5 });
});

test('accepts objects of any shape', () => {
  const keys = [
    'annotations',
    'metadata',
    'spec',
    'template',
    'containers',
    'container',
    'items',
    'kind',
    'name',
    'image',
  ];
  const key = fc.constantFrom(...keys, 'pannier.dev/inject', 'pannier.dev/injected', '__proto__', 'apiVersion');
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'medium' },
      fc.constantFrom('true', 'Pod', 'List', 'apps/v1', 'Deployment', 'Worker', null, 1, false),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 5 }),
    ),
  }));
  fc.assert(
    fc.property(value, fc.boolean(), (object, namespaceInject) => {
      const source = JSON.stringify(object);
      const injected = injectManifests(source, { ...options, namespaceInject });
      const text = 'text' in injected ? injected.text : source;
      const bare = uninjectManifests(text);
      expect([injected, bare].every((result) => 'text' in result || 'problems' in result)).toBe(true);
      expect(JSON.stringify(injected)).toBeDefined();
    }),
    { numRuns: 2_000 },
  );
});

test('searches lists of any length', () => {
  const ports = Array.from({ length: 300_000 }, (_, index) => index);
  const value = { ...custom('Worker', { ports, template: { spec: SPEC } }) } as JsonObject;
  const object = { kind: 'Worker', name: 'x', namespace: undefined, path: [], value };
  const { leftOut } = leftOutByInject({ object, kinds: kindTable(), claims: [] }, 'true');
  expect(leftOut.map(({ path }) => path)).toEqual([['spec', 'template', 'spec', 'containers']]);
});

test('reports a pod that requests injection with a label', () => {
  const template = { metadata: { labels: INJECT }, spec: SPEC };
  const deployment = { ...custom('Deployment', { template }), apiVersion: 'apps/v1' };
  const message =
    '10: deployment/x: cannot inject: label pannier.dev/inject of the pod has no effect; set it in annotations instead of labels';
  expect(lines(inject(deployment).leftOut)).toEqual([message]);
  expect(inject(deployment, { namespaceInject: true }).leftOut).toEqual([]);
  const optedOut = { ...template, metadata: { labels: INJECT, annotations: { 'pannier.dev/inject': 'false' } } };
  expect(inject({ ...deployment, spec: { template: optedOut } }).leftOut).toEqual([]);
});
