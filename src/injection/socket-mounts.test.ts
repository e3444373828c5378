/**
 * Tests which mounts conflict with the directory of the socket. test/kubernetes/placement.test.ts applies the same table
 * to the admission policy.
 */
import { MOUNT_CASES } from '../../test/support/kubernetes/placement-pods.ts';
import { injectPod } from './inject-pod.ts';
import { defaultSidecarConfig } from './sidecar-config.ts';
import { isSocketDirectory } from './socket-mounts.ts';

describe.each(MOUNT_CASES)('$volume mounted as $mount', ({ mount, volume, place }) => {
  const inject = (annotations: Readonly<Record<string, string>>): unknown => {
    const injection = injectPod({
      pod: {
        metadata: { annotations: { 'pannier.dev/inject': 'true', ...annotations } },
        spec: {
          containers: [{ name: 'app', volumeMounts: [{ name: 'mine', ...mount }] }],
          volumes: [{ name: 'mine', ...volume }],
        },
      },
      namespaceLabels: {},
      namespaceAnnotations: {},
      config: defaultSidecarConfig('pannier:1'),
      kubelets: { oldestMinor: 34 },
    });
    return injection.kind === 'refuse' ? injection.problems : injection.kind;
  };

  test(place === undefined ? 'does not conflict' : 'is refused with the remedy', () => {
    const problem = `cannot inject the pod: container app mounts mine at ${place}; mount it elsewhere, or set annotation pannier.dev/socket to "false"`;
    expect(inject({})).toEqual(place === undefined ? 'inject' : [problem]);
  });

  test('does not conflict without a socket', () => {
    expect(inject({ 'pannier.dev/socket': 'false' })).toBe('inject');
  });
});

test('a mount whose volume comes from a claim template of a StatefulSet is a conflict', () => {
  const injection = injectPod({
    pod: { spec: { containers: [{ name: 'app', volumeMounts: [{ name: 'claim', mountPath: '/run' }] }] } },
    namespaceLabels: { 'pannier.dev/inject': 'true' },
    namespaceAnnotations: {},
    config: defaultSidecarConfig('pannier:1'),
    kubelets: { oldestMinor: 34 },
  });
  expect(injection.kind).toBe('refuse');
});

test.each([
  ['/run/pannier', true],
  ['/run/pannier/', true],
  ['//run/.//pannier/.', true],
  ['/var/run/pannier', false],
  ['/run/pannier/x', false],
])('%s is the directory of the socket: %s', (path, expected) => {
  expect(isSocketDirectory(path)).toBe(expected);
});
