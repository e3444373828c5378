/**
 * Injects pods with the annotations on the page about quotas, and checks that the sidecar has the resources and the
 * volumes that the page promises.
 */
import { parse } from 'yaml';
import { injectPod } from '../../src/injection/inject-pod.ts';
import type { Pod } from '../../src/injection/pod.ts';
import { defaultSidecarConfig } from '../../src/injection/sidecar-config.ts';
import { readRepositoryFile } from '../support/repository.ts';
import { readFences, sectionOf } from './executable-page.ts';

interface Resources {
  readonly requests?: Readonly<Record<string, string>>;
  readonly limits?: Readonly<Record<string, string>>;
}

const page = readRepositoryFile('docs/operations/quotas.md');

/** Returns the annotations of the first example in a section. */
function annotationsIn(heading: string): Record<string, string> {
  const [example] = readFences(sectionOf(page, heading)).filter(({ language }) => language === 'yaml');
  const { metadata } = parse(example?.text ?? '') as { metadata: { annotations: Record<string, string> } };
  return metadata.annotations;
}

/** Returns the annotations in the item of a list in a section, and the annotation that requests the sidecar. */
function inlineAnnotations(heading: string): Record<string, string> {
  const [item = ''] = /^- annotations?:.*$/m.exec(sectionOf(page, heading)) ?? [];
  const pairs = [...item.matchAll(/`(pannier\.dev\/[\w-]+): "?([\w.]+)"?`/g)].map(([, name = '', value = '']) => [
    name,
    value,
  ]);
  return { 'pannier.dev/inject': 'true', ...Object.fromEntries(pairs) };
}

/** Returns the pod that the injector creates from a pod with these annotations and one Guaranteed container. */
function injected(annotations: Record<string, string>): Pod {
  const own = { cpu: '100m', memory: '64Mi' };
  const injection = injectPod({
    pod: {
      metadata: { annotations },
      spec: { containers: [{ name: 'app', image: 'app:1', resources: { requests: own, limits: own } }] },
    },
    namespaceLabels: {},
    namespaceAnnotations: {},
    config: defaultSidecarConfig('pannier:1'),
    kubelets: { oldestMinor: 34 },
  });
  if (injection.kind !== 'inject') {
    throw new Error(JSON.stringify(injection));
  }
  return injection.pod;
}

function resourcesOfSidecar(annotations: Record<string, string>): Resources {
  const sidecar = injected(annotations).spec?.initContainers?.find(({ name }) => name === 'pannier');
  return (sidecar?.resources ?? {}) as Resources;
}

function emptyDirs(annotations: Record<string, string>): unknown[] {
  return (injected(annotations).spec?.volumes ?? []).filter((volume) => 'emptyDir' in volume).map(({ name }) => name);
}

test('the annotations for QoS classes make the requests of the sidecar equal to its limits', () => {
  const { requests, limits } = resourcesOfSidecar(annotationsIn('## QoS class (quality of service)'));
  expect(Object.keys(limits ?? {}).toSorted()).toEqual(expect.arrayContaining(['cpu', 'memory']));
  expect(requests).toEqual(limits);
});

test('without annotations the sidecar has the resources in the table, so a Guaranteed pod becomes Burstable', () => {
  expect(page).toContain('| sidecar (`sidecar.resources`) | 10m | none | 96Mi | 192Mi | none |');
  const resources = resourcesOfSidecar({ 'pannier.dev/inject': 'true' });
  expect(resources).toMatchObject({ requests: { cpu: '10m', memory: '96Mi' }, limits: { memory: '192Mi' } });
  expect(resources.limits).not.toHaveProperty('cpu');
});

test('the annotation for a ResourceQuota gives the sidecar the limit that the quota requires', () => {
  expect(resourcesOfSidecar(inlineAnnotations('## ResourceQuota')).limits).toHaveProperty('cpu', '1');
});

test('the annotations for a LimitRange give the sidecar resources inside its bounds', () => {
  expect(page).toContain('min: { cpu: 50m, memory: 64Mi }\n      max: { cpu: "1", memory: 128Mi }');
  expect(resourcesOfSidecar(inlineAnnotations('### Minimum, maximum and ratio'))).toMatchObject({
    requests: { cpu: '50m', memory: '128Mi' },
    limits: { memory: '128Mi' },
  });
});

test('the annotation for kubectl drain leaves no emptyDir volume', () => {
  expect(emptyDirs({ 'pannier.dev/inject': 'true' })).toEqual(['pannier-socket']);
  expect(emptyDirs(annotationsIn('## kubectl drain and the cluster autoscaler'))).toEqual([]);
});
