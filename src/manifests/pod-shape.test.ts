/**
 * What stands in a file where a pod should be.
 */
import fc from 'fast-check';
import { defaultSidecarConfig } from '../injection/sidecar-config.ts';
import { injectManifests, uninjectManifests } from './edit-manifests.ts';
import { shapeProblems } from './pod-shape.ts';

test.each([
  [{}, []],
  [{ metadata: null, spec: { containers: [{ name: 'app', env: null }] } }, []],
  [
    { metadata: { annotations: { a: true } } },
    ['cannot read metadata.annotations a: it is true, wanted a string, "true" in quotes'],
  ],
  [{ spec: { containers: {} } }, ['cannot read spec.containers: it is {}, wanted a list']],
  [{ spec: { containers: [{ name: 1 }] } }, ['cannot read spec.containers[0].name: it is 1, wanted a string']],
  [
    { spec: { containers: [{ name: 'app', ports: [null] }] } },
    ['cannot read spec.containers[0].ports[0]: it is null, wanted a mapping'],
  ],
  [
    { spec: { volumes: ['x'] } },
    [
      'cannot read spec.volumes[0]: it is "x", wanted a mapping',
      'cannot read spec.volumes[0].name: it is missing, wanted a string',
    ],
  ],
])('%j', (pod, problems) => {
  expect(shapeProblems(pod)).toEqual(problems);
});

test('nothing that a file may hold makes injection throw', () => {
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
