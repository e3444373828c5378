/**
 * Namespaces whose ResourceQuota or LimitRange refuses the sidecar with its default resources, and the annotations and
 * chart values that make it fit. docs/operations/quotas.md shows the same objects.
 */
import type { V1LimitRangeItem } from '@kubernetes/client-node';

export interface QuotaCase {
  readonly hard?: Readonly<Record<string, string>>;
  readonly limitRange?: V1LimitRangeItem;
  /** Resources of the application, which fit without a sidecar. */
  readonly resources: object;
  /** Part of the error without a cure; undefined if Kubernetes admits the pod. */
  readonly error: string | undefined;
  /** Annotations of the pod that cure it. */
  readonly annotations: Readonly<Record<string, string>>;
  /** CPU limit of the sidecar without and with the annotations. */
  readonly cpuLimits: { readonly before: string | undefined; readonly after: string | undefined };
}

const COMPUTE = { 'requests.cpu': '2', 'requests.memory': '4Gi', 'limits.cpu': '2', 'limits.memory': '4Gi' };

export const QUOTA_CASES: Readonly<Record<string, QuotaCase>> = {
  'a quota that counts CPU limits': {
    hard: COMPUTE,
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '500m', memory: '256Mi' } },
    error: 'must specify limits.cpu for: pannier',
    annotations: { 'pannier.dev/cpu-limit': '1' },
    cpuLimits: { before: undefined, after: '1' },
  },
  'the same quota, and a limit range with defaults': {
    hard: COMPUTE,
    limitRange: {
      type: 'Container',
      _default: { cpu: '200m', memory: '128Mi' },
      defaultRequest: { cpu: '20m', memory: '32Mi' },
    },
    resources: {},
    error: undefined,
    annotations: { 'pannier.dev/cpu-limit': '1' },
    cpuLimits: { before: '200m', after: '1' },
  },
  'a limit range with a minimum, a maximum and a ratio': {
    limitRange: {
      type: 'Container',
      min: { cpu: '50m', memory: '64Mi' },
      max: { cpu: '1', memory: '128Mi' },
      maxLimitRequestRatio: { memory: '1' },
    },
    resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '500m', memory: '64Mi' } },
    error: 'minimum cpu usage per Container is 50m, but request is 10m',
    annotations: {
      'pannier.dev/cpu-request': '50m',
      'pannier.dev/memory-request': '128Mi',
      'pannier.dev/memory-limit': '128Mi',
    },
    // The maximum is also the default of the limit range.
    cpuLimits: { before: undefined, after: '1' },
  },
  'a quota that counts ephemeral storage': {
    hard: { 'requests.ephemeral-storage': '1Gi' },
    resources: { requests: { 'ephemeral-storage': '100Mi' } },
    // Such a quota does not require a request.
    error: undefined,
    annotations: { 'pannier.dev/ephemeral-storage-request': '64Mi' },
    cpuLimits: { before: undefined, after: undefined },
  },
};

/** Values of the chart with which the sidecar fits in all of these namespaces without annotations. */
export const QUOTA_VALUES = {
  sidecar: {
    resources: {
      requests: { cpu: '50m', memory: '128Mi', 'ephemeral-storage': '64Mi' },
      limits: { cpu: '1', memory: '128Mi' },
    },
  },
};
