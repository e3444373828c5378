/**
 * Tables of pods with which tests compare the decisions of the injector with those of the admission policy in CEL:
 * pods that select Windows, and mounts at the directory of the socket.
 */
import type { PodSpec } from '../../../src/injection/pod.ts';

const APP = { name: 'app', image: 'a:1' };

interface WindowsCase {
  readonly name: string;
  readonly spec: PodSpec;
  /** Field that selects Windows, as errors name it; undefined if the pod may run on Linux. */
  readonly field?: string;
}

function required(...terms: readonly object[]): PodSpec {
  return {
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
  };
}

function term(key: string, operator: string, ...values: readonly string[]): object {
  return { matchExpressions: [{ key, operator, ...(values.length > 0 ? { values } : {}) }] };
}

const WINDOWS = term('kubernetes.io/os', 'In', 'windows');
const BUILD = 'node.kubernetes.io/windows-build';
const OLD_LABEL = 'beta.kubernetes.io/os';

export const WINDOWS_CASES: readonly WindowsCase[] = [
  { name: 'spec.os', spec: { os: { name: 'windows' } }, field: 'spec.os' },
  { name: 'spec.os of Linux', spec: { os: { name: 'linux' } } },
  { name: 'a node selector', spec: { nodeSelector: { 'kubernetes.io/os': 'windows' } }, field: 'spec.nodeSelector' },
  {
    name: 'a node selector by the old label',
    spec: { nodeSelector: { [OLD_LABEL]: 'windows' } },
    field: 'spec.nodeSelector',
  },
  {
    name: 'a node selector by the build',
    spec: { nodeSelector: { [BUILD]: '10.0.20348' } },
    field: 'spec.nodeSelector',
  },
  { name: 'a node selector of Linux', spec: { nodeSelector: { 'kubernetes.io/os': 'linux', disk: 'windows' } } },
  { name: 'a required affinity', spec: required(WINDOWS), field: 'spec.affinity' },
  {
    name: 'a required affinity with several terms of Windows',
    spec: required(WINDOWS, term(BUILD, 'Exists'), term(OLD_LABEL, 'NotIn', 'linux')),
    field: 'spec.affinity',
  },
  { name: 'a required affinity to one build', spec: required(term(BUILD, 'In', '10.0.20348')), field: 'spec.affinity' },
  { name: 'a required affinity that also allows Linux', spec: required(WINDOWS, term('disk', 'Exists')) },
  { name: 'a required affinity to both systems', spec: required(term('kubernetes.io/os', 'In', 'linux', 'windows')) },
  { name: 'a required affinity against Windows', spec: required(term('kubernetes.io/os', 'NotIn', 'windows')) },
  { name: 'a required affinity against a build', spec: required(term(BUILD, 'DoesNotExist')) },
  {
    name: 'a required affinity by name of the node',
    spec: required({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['windows'] }] }),
  },
  {
    name: 'a preferred affinity',
    spec: {
      affinity: {
        nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: WINDOWS }] },
      },
    },
  },
  { name: 'a pod affinity', spec: { affinity: { podAffinity: {} } } },
  {
    name: 'Windows options of the pod',
    spec: { securityContext: { windowsOptions: { runAsUserName: 'ContainerUser' } } },
    field: 'securityContext.windowsOptions',
  },
  {
    name: 'Windows options of a container',
    spec: { containers: [APP, { ...APP, name: 'b', securityContext: { windowsOptions: { hostProcess: false } } }] },
    field: 'securityContext.windowsOptions',
  },
  {
    name: 'Windows options of an init container',
    spec: { initContainers: [{ ...APP, name: 'b', securityContext: { windowsOptions: {} } }] },
    field: 'securityContext.windowsOptions',
  },
  {
    name: 'other security contexts',
    spec: { securityContext: { runAsUser: 1 }, containers: [{ ...APP, securityContext: {} }] },
  },
  {
    name: 'a toleration',
    spec: { tolerations: [{ key: 'os', operator: 'Equal', value: 'windows', effect: 'NoSchedule' }] },
  },
];

interface MountCase {
  readonly mount: { readonly mountPath: string; readonly readOnly?: boolean };
  readonly volume: Readonly<Record<string, unknown>>;
  /** Place that the error names; undefined if there is no conflict. */
  readonly place?: string;
}

const EMPTY = { emptyDir: {} };
const FILES = { configMap: { name: 'files' } };

function inside(mountPath: string): string {
  return `${mountPath}, which contains /run/pannier`;
}

function conflict(mountPath: string, place = inside(mountPath)): MountCase {
  return { mount: { mountPath }, volume: FILES, place };
}

function harmless(mountPath: string, volume: MountCase['volume'] = FILES): MountCase {
  return { mount: { mountPath }, volume };
}

export const MOUNT_CASES: readonly MountCase[] = [
  conflict('/'),
  conflict('//.'),
  conflict('/run'),
  conflict('/run/'),
  conflict('//run/./'),
  conflict('run'),
  conflict('/var/run'),
  conflict('/var//./run//'),
  conflict('/var/run/pannier'),
  conflict('/run/pannier', '/run/pannier'),
  conflict('/run/./pannier//.', '/run/pannier'),
  { mount: { mountPath: '/run' }, volume: { hostPath: { path: '/tmp' } }, place: inside('/run') },
  { mount: { mountPath: '/run' }, volume: { persistentVolumeClaim: { claimName: 'a' } }, place: inside('/run') },
  { mount: { mountPath: '/run', readOnly: true }, volume: EMPTY, place: inside('/run') },
  { mount: { mountPath: '/run/pannier' }, volume: EMPTY, place: '/run/pannier' },
  { mount: { mountPath: '/var/run/pannier' }, volume: EMPTY, place: inside('/var/run/pannier') },
  { mount: { mountPath: '/run', readOnly: false }, volume: EMPTY },
  harmless('/run', EMPTY),
  harmless('/var/run/', EMPTY),
  // The API server makes an emptyDir volume of a volume without a source.
  harmless('/run', {}),
  harmless('/run/lock'),
  harmless('/run/pannier2'),
  harmless('/run/pannier/x'),
  harmless('/var/run/secrets/kubernetes.io/serviceaccount'),
  harmless('/var'),
  harmless('/runtime'),
  harmless('/srv/run'),
  harmless('/.run'),
];
