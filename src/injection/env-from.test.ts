/**
 * Tests which containers with `envFrom` cause a note.
 */
import { injectPod } from './inject-pod.ts';
import type { Container } from './pod.ts';
import { defaultSidecarConfig } from './sidecar-config.ts';

const envFrom = [{ configMapRef: { name: 'cfg' } }];

function notes(container: Omit<Container, 'name'>, annotations: Readonly<Record<string, string>> = {}): unknown {
  const request = {
    namespaceLabels: { 'pannier.dev/inject': 'true' },
    namespaceAnnotations: {},
    config: defaultSidecarConfig('pannier:1'),
    kubelets: { oldestMinor: 34 },
  };
  const pod = { metadata: { annotations }, spec: { containers: [{ name: 'app', ...container }] } };
  const once = injectPod({ ...request, pod });
  if (once.kind !== 'inject') {
    throw new Error(JSON.stringify(once));
  }
  expect(injectPod({ ...request, pod: once.pod })).toMatchObject({ notes: once.notes });
  return once.notes;
}

function note(names: string): string {
  return `injection sets ${names} in env of container app, which overrides a variable of the same name from its envFrom; to keep your value, set the variable in env`;
}

test('a container with envFrom gets a note that names the variables', () => {
  expect(notes({ envFrom })).toEqual([note('PANNIER_ADDRESS and PANNIER_SOCKET')]);
  expect(notes({ envFrom }, { 'pannier.dev/socket': 'false' })).toEqual([note('PANNIER_ADDRESS')]);
});

test('a variable in env keeps its value and needs no note', () => {
  const env = [{ name: 'PANNIER_ADDRESS', value: '10.0.0.1:1' }];
  expect(notes({ envFrom, env })).toEqual([note('PANNIER_SOCKET')]);
  expect(notes({ envFrom, env: [...env, { name: 'PANNIER_SOCKET', value: '' }] })).toEqual([]);
});

test('a container without envFrom needs no note', () => {
  expect(notes({})).toEqual([]);
  expect(notes({ envFrom: [] })).toEqual([]);
});
