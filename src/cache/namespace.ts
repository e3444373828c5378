/**
 * Finds the settings of a cache namespace in the policy file. Each call reads the current file, so a reload takes
 * effect at once.
 */
import type { NamespaceSpec, PolicySource } from '../config/policy-file.ts';
import { OTHER_NAMESPACE_LABEL } from './metrics.ts';

export function namespaceSpec(policies: PolicySource, namespace: string): NamespaceSpec {
  const file = policies.current();
  return file.cacheNamespaces.get(namespace) ?? file.cacheDefault;
}

/**
 * Returns the metric label of a namespace: the name of the namespace if the policy file lists the namespace, otherwise
 * a fixed string. Callers therefore cannot add time series.
 */
export function namespaceLabel(policies: PolicySource, namespace: string): string {
  return policies.current().cacheNamespaces.has(namespace) ? namespace : OTHER_NAMESPACE_LABEL;
}
