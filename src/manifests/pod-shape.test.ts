/**
 * Tests the check of pods that come from a file.
 */
import fc from 'fast-check';
import { defaultSidecarConfig } from '../injection/sidecar-config.ts';
import { injectManifests, uninjectManifests } from './edit-manifests.ts';
import { shapeProblems } from './pod-shape.ts';

test.each([
  [{}, []],
  [{ metadata: null, spec: { containers: [{ name: 'app', env: null }] } }, []],
  [{ metadata: { annotations: { a: true } } }, ['metadata.annotations a must be a string such as "true", got true']],
  [{ spec: { containers: {} } }, ['spec.containers must be a list, got {}']],
  [{ spec: { containers: [{ name: 1 }] } }, ['spec.containers[0].name must be a string, got 1']],
  [
    { spec: { containers: [{ name: 'app', ports: [null] }] } },
    ['spec.containers[0].ports[0] must be a mapping, got null'],
  ],
  [
    { spec: { volumes: ['x'] } },
    ['spec.volumes[0] must be a mapping, got "x"', 'spec.volumes[0].name must be a string, got nothing'],
  ],
])('reports the fields of %j that have a wrong type', (pod, problems) => {
  expect(shapeProblems(pod)).toEqual(problems);
});

test('injection throws for no value that a file may contain', () => {
  const options = {
    config: defaultSidecarConfig('pannier:1'),
    kubelets: { oldestMinor: undefined },
    namespaceInject: true,
  };
  const part = fc.jsonValue({ maxDepth: 2 });
  const container = fc.record(
    { name: fc.oneof(fc.constant('app'), part), env: part, ports: part, volumeMounts: part },
    { requiredKeys: [] },
  );
  const pod = fc.record(
    {
      metadata: fc.oneof(part, fc.record({ annotations: part, labels: part, ownerReferences: part })),
      spec: fc.oneof(
        part,
        fc.record({ containers: fc.array(container), volumes: part, os: part, restartPolicy: part }),
      ),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(pod, (fields) => {
      const text = JSON.stringify({ apiVersion: 'v1', kind: 'Pod', ...fields });
      const result = injectManifests(text, options);
      const injected = 'text' in result ? result.text : text;
      expect('text' in uninjectManifests(injected) || 'problems' in result).toBe(true);
    }),
    { numRuns: 500 },
  );
});
