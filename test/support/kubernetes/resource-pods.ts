/**
 * Pods with container-level and pod-level resources, with their quality-of-service classes. The unit tests compare our
 * function with these classes, and the cluster tests compare the API server with them.
 */
import type { Container, Pod } from '../../../src/injection/pod.ts';
import type { QualityOfService } from '../../../src/injection/quality-of-service.ts';

export function resourcePod(spec: {
  readonly resources?: unknown;
  readonly containers: readonly unknown[];
  readonly initContainers?: readonly object[];
  readonly annotations?: Readonly<Record<string, string>>;
}): Pod {
  const { containers, initContainers, annotations, ...others } = spec;
  const named = (prefix: string) => (resources: unknown, index: number) => ({
    name: `${prefix}-${index}`,
    image: 'a:1',
    ...(resources === undefined ? {} : { resources }),
  });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'app', ...(annotations === undefined ? {} : { annotations }) },
    spec: {
      // Without this field, the API server would add a token volume with a random name.
      automountServiceAccountToken: false,
      ...others,
      ...(initContainers === undefined
        ? {}
        : {
            initContainers: initContainers.map((container, index) => ({
              ...named('init')(undefined, index),
              ...container,
            })) as Container[],
          }),
      containers: containers.map(named('app')),
    },
  };
}

const FIXED = { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '100m', memory: '64Mi' } };
const LIMITS = { limits: { cpu: 0.1, memory: '64Mi' } };
const NONE = undefined;

export const QUALITY_OF_SERVICE: readonly (readonly [string, Pod, QualityOfService])[] = [
  ['no resources', resourcePod({ containers: [NONE] }), 'BestEffort'],
  ['empty resources', resourcePod({ containers: [{ requests: {}, limits: {} }] }), 'BestEffort'],
  ['only a request of 0', resourcePod({ containers: [{ requests: { cpu: 0 } }] }), 'BestEffort'],
  ['only ephemeral storage', resourcePod({ containers: [{ requests: { 'ephemeral-storage': '1Gi' } }] }), 'BestEffort'],
  ['one request', resourcePod({ containers: [{ requests: { cpu: '10m' } }] }), 'Burstable'],
  ['equal requests and limits', resourcePod({ containers: [FIXED] }), 'Guaranteed'],
  ['limits without requests', resourcePod({ containers: [LIMITS] }), 'Guaranteed'],
  ['a memory limit only', resourcePod({ containers: [{ limits: { memory: '64Mi' } }] }), 'Burstable'],
  ['a limit of 0', resourcePod({ containers: [{ limits: { cpu: '0', memory: '64Mi' } }] }), 'Burstable'],
  [
    'equal quantities in other forms',
    resourcePod({
      containers: [{ requests: { cpu: '1e-1', memory: '67108864' }, limits: { cpu: '100m', memory: '64Mi' } }],
    }),
    'Guaranteed',
  ],
  [
    'a request below its limit',
    resourcePod({ containers: [{ ...FIXED, requests: { cpu: '50m', memory: '64Mi' } }] }),
    'Burstable',
  ],
  ['a second container without resources', resourcePod({ containers: [FIXED, NONE] }), 'Burstable'],
  ['an init container without resources', resourcePod({ containers: [FIXED], initContainers: [{}] }), 'Burstable'],
  [
    'a native sidecar with equal requests and limits',
    resourcePod({ containers: [FIXED], initContainers: [{ restartPolicy: 'Always', resources: LIMITS }] }),
    'Guaranteed',
  ],
  ['empty pod-level resources', resourcePod({ resources: {}, containers: [FIXED] }), 'BestEffort'],
  ['no pod-level resources', resourcePod({ resources: null, containers: [FIXED] }), 'Guaranteed'],
  ['pod-level limits', resourcePod({ resources: LIMITS, containers: [NONE] }), 'Guaranteed'],
  ['pod-level requests', resourcePod({ resources: { requests: FIXED.requests }, containers: [NONE] }), 'Burstable'],
  ['a pod-level CPU limit', resourcePod({ resources: { limits: { cpu: '1' } }, containers: [FIXED] }), 'Burstable'],
  [
    'pod-level limits and requests of the containers below them',
    resourcePod({ resources: LIMITS, containers: [{ requests: { cpu: '50m', memory: '32Mi' } }] }),
    'Burstable',
  ],
  [
    'pod-level limits and requests of the containers equal to them',
    resourcePod({
      resources: LIMITS,
      containers: [{ requests: { cpu: '60m', memory: '32Mi' } }],
      initContainers: [{ restartPolicy: 'Always', resources: { requests: { cpu: '40m', memory: '32Mi' } } }],
    }),
    'Guaranteed',
  ],
  [
    'an init container with the largest request',
    resourcePod({
      resources: LIMITS,
      containers: [{ requests: { cpu: '60m', memory: '32Mi' } }],
      initContainers: [{ resources: { requests: { cpu: '100m', memory: '64Mi' } } }],
    }),
    'Guaranteed',
  ],
];

/** Pods that request injection and set resources at the level of the pod. Injection must admit all of them. */
export const POD_LEVEL_PODS: Readonly<Record<string, Pod>> = Object.fromEntries(
  Object.entries({
    'requests and limits': {
      resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: { cpu: '200m', memory: '128Mi' } },
      containers: [NONE],
    },
    'limits only': { resources: { limits: { cpu: '200m', memory: '128Mi' } }, containers: [NONE] },
    'requests only': { resources: { requests: { cpu: '50m', memory: '64Mi' } }, containers: [NONE] },
    'a CPU limit, and no other resources': { resources: { limits: { cpu: '200m' } }, containers: [NONE] },
    'a memory limit, and no other resources': { resources: { limits: { memory: '128Mi' } }, containers: [NONE] },
    'a CPU limit, and memory at a container': {
      resources: { limits: { cpu: '200m' } },
      containers: [{ requests: { memory: '64Mi' } }],
    },
    'a CPU limit, and memory at an init container': {
      resources: { limits: { cpu: '200m' } },
      containers: [NONE],
      initContainers: [{ resources: { limits: { memory: '64Mi' } } }],
    },
    'a CPU request, and memory at a container': {
      resources: { requests: { cpu: '50m' } },
      containers: [{ requests: { memory: '64Mi' }, limits: { memory: '64Mi' } }],
    },
    'limits, and limits of a container': {
      resources: { limits: { cpu: 0.3, memory: '128Mi' } },
      containers: [{ limits: { cpu: 0.1, memory: '64Mi' } }, { limits: { cpu: 0.2, memory: '64Mi' } }],
    },
    'huge pages, and requests of a container': {
      resources: { limits: { 'hugepages-2Mi': '4Mi' } },
      containers: [{ requests: { cpu: '20m', memory: '64Mi' } }],
    },
    'an empty field': { resources: {}, containers: [NONE] },
    'no value': { resources: null, containers: [FIXED] },
  }).map(([name, spec]) => [name, resourcePod({ ...spec, annotations: { 'pannier.dev/inject': 'true' } })]),
);
