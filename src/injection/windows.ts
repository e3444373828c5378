/**
 * Finds out whether a pod runs on Windows, for which there is no image of the sidecar.
 *
 * A RuntimeClass can also select Windows nodes, but its node selector is not part of the pod. The template
 * `pannier.windowsField` of the chart makes the same decision in CEL.
 */
import { isObject } from '../lib/json.ts';
import type { PodSpec } from './pod.ts';

const SYSTEM_LABELS = ['kubernetes.io/os', 'beta.kubernetes.io/os'];
/** Label that only Windows nodes have. */
const BUILD_LABEL = 'node.kubernetes.io/windows-build';

/** Returns the field of the pod that selects Windows; undefined if no field does. */
export function windowsField(spec: PodSpec): string | undefined {
  if (spec.os?.name === 'windows') {
    return 'spec.os';
  }
  const selector: Readonly<Record<string, unknown>> = spec.nodeSelector ?? {};
  if (SYSTEM_LABELS.some((label) => selector[label] === 'windows') || selector[BUILD_LABEL] !== undefined) {
    return 'spec.nodeSelector';
  }
  if (requiresWindowsNode(spec.affinity)) {
    return 'spec.affinity';
  }
  const contexts = [spec, ...(spec.initContainers ?? []), ...(spec.containers ?? [])].map(
    (part) => part.securityContext,
  );
  return contexts.some((context) => isPresent(field(context, 'windowsOptions')))
    ? 'securityContext.windowsOptions'
    : undefined;
}

/** Returns whether every node that the required node affinity allows runs Windows. */
function requiresWindowsNode(affinity: unknown): boolean {
  const required = field(field(affinity, 'nodeAffinity'), 'requiredDuringSchedulingIgnoredDuringExecution');
  const terms = list(field(required, 'nodeSelectorTerms'));
  return terms.length > 0 && terms.every((term) => list(field(term, 'matchExpressions')).some(isWindowsOnly));
}

function isWindowsOnly(expression: unknown): boolean {
  const key = field(expression, 'key');
  const operator = field(expression, 'operator');
  const values = list(field(expression, 'values'));
  if (key === BUILD_LABEL) {
    return ['In', 'Exists', 'Gt', 'Lt'].includes(String(operator));
  }
  if (!SYSTEM_LABELS.includes(String(key))) {
    return false;
  }
  return operator === 'In'
    ? values.every((value) => value === 'windows')
    : operator === 'NotIn' && values.includes('linux');
}

function field(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}
