/**
 * Tests what `pannier injection explain` prints about the resources of pods.
 */
import { resourcePod } from '../../test/support/kubernetes/resource-pods.ts';
import { injectPod } from '../injection/inject-pod.ts';
import type { Pod } from '../injection/pod.ts';
import { qualityOfService } from '../injection/quality-of-service.ts';
import { defaultSidecarConfig } from '../injection/sidecar-config.ts';
import { resourceLines } from './explain-resources.ts';

const INJECT = { 'pannier.dev/inject': 'true' };
const FIXED = { limits: { cpu: '100m', memory: '64Mi' } };

function injected(pod: Pod): Pod {
  const injection = injectPod({
    pod,
    namespaceLabels: {},
    namespaceAnnotations: {},
    config: defaultSidecarConfig('pannier:1'),
    kubelets: { oldestMinor: undefined },
  });
  if (injection.kind !== 'inject') {
    throw new Error(JSON.stringify(injection));
  }
  return injection.pod;
}

function linesOf(pod: Pod): string[] {
  return resourceLines(pod, injected(pod));
}

test('names a pod that is no longer Guaranteed, with the annotations that keep the class', () => {
  const lines = linesOf(resourcePod({ containers: [FIXED], annotations: INJECT }));
  expect(lines).toEqual([
    '  quality of service: changes from Guaranteed to Burstable; to keep Guaranteed, set these annotations:',
    '    pannier.dev/cpu-request: "50m"',
    '    pannier.dev/cpu-limit: "50m"',
    '    pannier.dev/memory-request: "192Mi"',
    '    pannier.dev/memory-limit: "192Mi"',
  ]);
  const entries = lines.slice(1).map((line) => /^ {4}(\S+): "(.+)"$/.exec(line)?.slice(1) ?? []);
  const annotations = { ...INJECT, ...Object.fromEntries(entries) };
  const kept = resourcePod({ containers: [FIXED], annotations });
  expect(qualityOfService(injected(kept))).toBe('Guaranteed');
  expect(linesOf(kept)).toEqual([]);
});

test('suggests at least the resources that annotations give the sidecar', () => {
  const annotations = { ...INJECT, 'pannier.dev/cpu-request': '0.2', 'pannier.dev/memory-limit': '256Mi' };
  const lines = linesOf(resourcePod({ containers: [FIXED], annotations }));
  expect(lines).toContain('    pannier.dev/cpu-limit: "0.2"');
  expect(lines).toContain('    pannier.dev/memory-request: "256Mi"');
});

test('names a pod that is no longer BestEffort, and no Burstable pod', () => {
  expect(linesOf(resourcePod({ containers: [undefined], annotations: INJECT }))).toEqual([
    '  quality of service: changes from BestEffort to Burstable, because the sidecar requests resources',
  ]);
  expect(linesOf(resourcePod({ containers: [{ requests: { cpu: '1' } }], annotations: INJECT }))).toEqual([]);
});

test('names the configured values that spec.resources replaces', () => {
  const pod = resourcePod({ resources: FIXED, containers: [undefined], annotations: INJECT });
  expect(() => linesOf(pod)).toThrow('spec.resources.limits.memory is 64Mi');
  const resources = { limits: { cpu: '100m', memory: '128Mi' } };
  expect(linesOf(resourcePod({ resources, containers: [undefined], annotations: INJECT }))).toEqual([
    '  spec.resources: replaces the configured cpu and memory of the sidecar; annotations of the pod still apply',
  ]);
});
