/**
 * Imitates OpenShift in labelled namespaces. A MutatingAdmissionPolicy assigns the user id of the namespace to each pod
 * that sets none, and a ValidatingAdmissionPolicy applies the rules of the SecurityContextConstraints `restricted-v2`.
 */
import type { Manifest } from './helm.ts';
import type { KubernetesObjects } from './objects.ts';

export const RESTRICTED_V2_LABEL = { 'pannier-test/scc': 'restricted-v2' };
/** First id of the range of the namespace, which the platform assigns. */
export const ASSIGNED_ID = 1_000_650_000;
const LAST_ID = ASSIGNED_ID + 9_999;

const VOLUMES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
];
const CONTAINERS = '(object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : []))';
const NAMES = { policy: 'pannier-test-restricted-v2', assignment: 'pannier-test-assigned-ids' };

interface Rule {
  readonly expression: string;
  readonly message: string;
}

/** Requires that each container has a security context in which the condition holds. */
function eachContext(condition: string, message: string): Rule {
  return { expression: `${CONTAINERS}.all(c, has(c.securityContext) && ${condition})`, message };
}

/** Requires that a context is absent or that an id in it is absent or in the range. */
function inRange(context: string, owner: string, id: string): string {
  return `!has(${owner}) || !has(${context}.${id}) || ${context}.${id} >= ${ASSIGNED_ID} && ${context}.${id} <= ${LAST_ID}`;
}

const RULES: readonly Rule[] = [
  ...['runAsUser', 'fsGroup'].map((id) => ({
    expression: inRange('object.spec.securityContext', 'object.spec.securityContext', id),
    message: `restricted-v2: ${id} of the pod must be in the range of the namespace`,
  })),
  {
    expression: `${CONTAINERS}.all(c, ${inRange('c.securityContext', 'c.securityContext', 'runAsUser')})`,
    message: 'restricted-v2: runAsUser of each container must be in the range of the namespace',
  },
  ...['hostNetwork', 'hostPID', 'hostIPC'].map((name) => ({
    expression: `!has(object.spec.${name}) || !object.spec.${name}`,
    message: `restricted-v2: ${name} must be false`,
  })),
  {
    expression: `${CONTAINERS}.all(c, !has(c.ports) || c.ports.all(p, !has(p.hostPort) || p.hostPort == 0))`,
    message: 'restricted-v2: hostPort must be unset',
  },
  eachContext(
    "has(c.securityContext.capabilities) && has(c.securityContext.capabilities.drop) && 'ALL' in c.securityContext.capabilities.drop",
    'restricted-v2: each container must drop ALL capabilities',
  ),
  eachContext(
    'has(c.securityContext.allowPrivilegeEscalation) && !c.securityContext.allowPrivilegeEscalation',
    'restricted-v2: allowPrivilegeEscalation of each container must be false',
  ),
  eachContext(
    "(!has(c.securityContext.seccompProfile) || c.securityContext.seccompProfile.type == 'RuntimeDefault')",
    'restricted-v2: the seccomp profile of each container must be RuntimeDefault or unset',
  ),
  {
    expression:
      "!has(object.spec.securityContext) || !has(object.spec.securityContext.seccompProfile) || object.spec.securityContext.seccompProfile.type == 'RuntimeDefault'",
    message: 'restricted-v2: the seccomp profile of the pod must be RuntimeDefault or unset',
  },
  {
    expression: `!has(object.spec.volumes) || object.spec.volumes.all(v, ${VOLUMES.map((kind) => `has(v.${kind})`).join(' || ')})`,
    message: `restricted-v2: each volume must be one of ${VOLUMES.join(', ')}`,
  },
];

const MATCH = {
  namespaceSelector: { matchLabels: RESTRICTED_V2_LABEL },
  resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
};

function manifest(kind: string, name: string, spec: object): Manifest {
  const version = kind.startsWith('Mutating') ? 'v1beta1' : 'v1';
  return { apiVersion: `admissionregistration.k8s.io/${version}`, kind, metadata: { name }, spec };
}

/** Creates the policies. The caller waits until they are in effect. */
export async function imitateRestrictedV2(objects: KubernetesObjects): Promise<void> {
  const context = `Object.spec.securityContext{runAsUser: ${ASSIGNED_ID}, fsGroup: ${ASSIGNED_ID}}`;
  const hasNoUser = `(!has(object.spec.securityContext) || !has(object.spec.securityContext.runAsUser)) && ${CONTAINERS}.all(c, !has(c.securityContext) || !has(c.securityContext.runAsUser))`;
  const assignment = {
    failurePolicy: 'Fail',
    reinvocationPolicy: 'Never',
    matchConstraints: MATCH,
    matchConditions: [{ name: 'no-user', expression: hasNoUser }],
    mutations: [
      {
        patchType: 'ApplyConfiguration',
        applyConfiguration: { expression: `Object{spec: Object.spec{securityContext: ${context}}}` },
      },
    ],
  };
  await objects.create(manifest('MutatingAdmissionPolicy', NAMES.assignment, assignment));
  await objects.create(manifest('MutatingAdmissionPolicyBinding', NAMES.assignment, { policyName: NAMES.assignment }));
  const policy = { failurePolicy: 'Fail', matchConstraints: MATCH, validations: RULES };
  await objects.create(manifest('ValidatingAdmissionPolicy', NAMES.policy, policy));
  const binding = { policyName: NAMES.policy, validationActions: ['Deny'] };
  await objects.create(manifest('ValidatingAdmissionPolicyBinding', NAMES.policy, binding));
}
