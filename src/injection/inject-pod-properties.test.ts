/**
 * Tests injection on random pods: a second injection changes nothing, uninjecting restores the pod, and no part that
 * the user wrote is lost.
 */
import fc from 'fast-check';
import { applyJsonPatch } from '../../test/support/kubernetes/json-patch-apply.ts';
import { arbitraryOthers, arbitraryPod } from '../../test/support/kubernetes/pods.ts';
import { isObject, isSame } from '../lib/json.ts';
import { injectPod } from './inject-pod.ts';
import type { Pod } from './pod.ts';
import { defaultSidecarConfig, type SidecarConfig } from './sidecar-config.ts';
import { uninjectPod } from './uninject-pod.ts';

const config = defaultSidecarConfig('pannier:1');
const otherConfig: SidecarConfig = {
  ...config,
  image: 'pannier:2',
  imagePullSecrets: ['regcred', 'team'],
  socket: false,
  after: ['migrate', 'mesh'],
  logLevel: 'debug',
  securityContext: { ...config.securityContext, runAsUser: undefined },
};

function inject(pod: Pod, sidecarConfig = config): Pod {
  const injection = injectPod({
    pod,
    namespaceLabels: { 'pannier.dev/inject': 'true' },
    namespaceAnnotations: {},
    config: sidecarConfig,
    kubelets: { oldestMinor: 34 },
  });
  if (injection.kind !== 'inject') {
    throw new Error(`the pod must be injected, got ${JSON.stringify(injection)}`);
  }
  expect(isSame(applyJsonPatch(pod, injection.patch), injection.pod)).toBe(true);
  return injection.pod;
}

/** Returns true if `whole` contains every part of `part`, with list items in the same order. */
function holds(whole: unknown, part: unknown): boolean {
  if (Array.isArray(part) && Array.isArray(whole)) {
    let from = 0;
    return part.every((item) => {
      const found = whole.slice(from).findIndex((candidate) => holds(candidate, item));
      from += found + 1;
      return found >= 0;
    });
  }
  if (isObject(part) && isObject(whole)) {
    return Object.entries(part).every(([key, value]) => holds(whole[key], value));
  }
  return isSame(whole, part);
}

function withoutEvictable(pod: Pod): Pod {
  if (pod.metadata?.annotations === undefined) {
    return pod;
  }
  const { 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes': _volumes, ...annotations } =
    pod.metadata.annotations;
  return { ...pod, metadata: { ...pod.metadata, annotations } };
}

function namesIn(pod: Pod): string[] {
  const { initContainers = [], containers = [], volumes = [] } = pod.spec ?? {};
  return [...initContainers, ...containers, ...volumes].map((item) => item.name);
}

const RUNS = { numRuns: 150 };

describe('a random pod', () => {
  test('keeps every part that its user wrote, in order', () => {
    fc.assert(
      fc.property(arbitraryPod, (pod) => {
        expect(holds(inject(pod), withoutEvictable(pod))).toBe(true);
      }),
      RUNS,
    );
  });

  test('does not change when it is injected again', () => {
    fc.assert(
      fc.property(arbitraryPod, (pod) => {
        const once = inject(pod);
        expect(inject(once)).toEqual(once);
      }),
      RUNS,
    );
  });

  test('needs only one more injection after other programs have edited it', () => {
    fc.assert(
      fc.property(arbitraryPod, arbitraryOthers, (pod, others) => {
        const settled = inject(others(inject(pod)));
        expect(inject(settled)).toEqual(settled);
        expect(inject(others(settled))).toEqual(others(settled));
      }),
      RUNS,
    );
  });

  test('equals the original pod after the sidecar is removed', () => {
    fc.assert(
      fc.property(arbitraryPod, (pod) => {
        expect(uninjectPod(inject(pod))).toEqual(pod);
        expect(uninjectPod(pod)).toEqual(pod);
      }),
      RUNS,
    );
  });

  test('keeps the parts that other programs added when the sidecar is removed', () => {
    fc.assert(
      fc.property(arbitraryPod, arbitraryOthers, (pod, others) => {
        const bare = uninjectPod(inject(others(inject(pod))));
        expect(JSON.stringify(bare)).not.toMatch(/pannier:1|pannier.dev\/(injected|kept|added|version|config-hash)/);
        expect(holds(bare, withoutEvictable(pod))).toBe(true);
        expect(new Set(namesIn(bare))).toEqual(new Set(namesIn(others(pod))));
      }),
      RUNS,
    );
  });

  test('gets the sidecar of another configuration as if it had not been injected before', () => {
    fc.assert(
      fc.property(arbitraryPod, (pod) => {
        expect(inject(inject(pod), otherConfig)).toEqual(inject(pod, otherConfig));
        expect(uninjectPod(inject(inject(pod, otherConfig)))).toEqual(pod);
      }),
      RUNS,
    );
  });
});
